"""The files of a run."""

from __future__ import annotations

import platform
import time
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from maskattn_edge._version import __version__
from maskattn_edge.contract.errors import CheckpointError
from maskattn_edge.contract.spec import InputSpec
from maskattn_edge.scores import quality_per_class
from maskattn_models.checkpoint import Checkpoint, Samples, load_checkpoint, save_checkpoint
from maskattn_models.data import DataSet, GridStore, content_hash, spread
from maskattn_models.keys import key_masks, key_shares
from maskattn_models.network import Deployed, NetworkConfig
from maskattn_models.training.commit import commit_of
from maskattn_models.training.curves import write_curves
from maskattn_models.training.history import write_history
from maskattn_models.training.performance import Performance
from maskattn_models.training.settings import TrainingSettings
from maskattn_models.training.sheets import write_sheets
from maskattn_models.training.state import RunState
from maskattn_models.training.validation import Validation

_SECONDS_BETWEEN_DRAWINGS = 30.0
"""Pictures take about two seconds; many an epoch takes less."""

_KEYS_FROM = 32
"""Validation images that the share of kept keys is taken from."""

_FILES = ("last.pt", "best.pt", "history.csv", "curves.png", "predictions.png", "masks.png")


def describe_run(
    dataset: DataSet, config: NetworkConfig, settings: TrainingSettings
) -> dict[str, Any]:
    """What decides a run, as plain data: data set, network and settings.

    Raises:
        UsageError: a split is missing.
        DataError: a file cannot be read.
    """
    return {
        "task": config.task,
        "data": dataset.name,
        "classes": [info.name for info in dataset.classes],
        "network": asdict(config),
        "settings": asdict(settings),
        "training_data": content_hash(dataset, "train"),
        "validation_data": content_hash(dataset, "val"),
    }


class Record:
    """Writes checkpoints, the history and the pictures of a run into its folder."""

    def __init__(
        self,
        *,
        out: Path,
        dataset: DataSet,
        config: NetworkConfig,
        settings: TrainingSettings,
        run: dict[str, Any],
        validation: GridStore,
        samples: Samples | None,
    ) -> None:
        self.out = out
        self.config = config
        self.settings = settings
        self.best_path = out / "best.pt"
        self.dataset = dataset
        self._run = run
        self._validation = validation
        self._samples = samples or Samples()
        self._drawn_at = time.monotonic()
        self._commit = commit_of(Path(__file__))
        self._performance: Mapping[str, Any] = {}

    def clean(self) -> None:
        """Remove what a run that was killed while it wrote has left in the folder."""
        for name in _FILES:
            stem, suffix = name.split(".")
            for path in self.out.glob(f".{stem}.*.tmp.{suffix}"):
                path.unlink(missing_ok=True)

    def save(self, state: RunState, best: Validation | None, performance: Performance) -> None:
        """Write what is due after an epoch; `best` is its validation if it is the best.

        The best goes first: a kill between the two files leaves a `last.pt` from which the epoch
        is repeated, never one that names a best epoch whose file is not there.

        Raises:
            CheckpointError: a file cannot be written.
        """
        self._performance = asdict(performance)
        if best is not None:
            checkpoint = self._checkpoint(state)
            found = self._by_class(best) | {"keys_kept": self._keys_kept(state)}
            checkpoint = replace(checkpoint, training={**checkpoint.training, **found}, resume=None)
            save_checkpoint(self.best_path, checkpoint)
        self.save_last(state)
        if best is not None and time.monotonic() - self._drawn_at > _SECONDS_BETWEEN_DRAWINGS:
            self.draw(state)

    def save_last(self, state: RunState) -> None:
        """Write `last.pt` and `history.csv`.

        Raises:
            CheckpointError: a file cannot be written.
        """
        save_checkpoint(self.out / "last.pt", self._checkpoint(state))
        try:
            write_history(self.out / "history.csv", state.history)
        except OSError as error:
            raise _unwritable(self.out, error) from error

    def draw(self, state: RunState) -> None:
        """Draw the curves, and what the best weights predict.

        Raises:
            CheckpointError: a file cannot be written.
        """
        self._drawn_at = time.monotonic()
        if not state.best_epoch:
            return
        try:
            write_curves(self.out / "curves.png", state.history, title=self._title())
            network = load_checkpoint(self.best_path).build()
            write_sheets(self.out, network, self._validation, self.dataset.classes)
        except OSError as error:
            raise _unwritable(self.out, error) from error

    def _by_class(self, validation: Validation) -> dict[str, Any]:
        """Scores of each class by its name, fractions; NaN for a class that was not there."""
        names = [info.name for info in self.dataset.classes]
        found = {"val_iou": dict(zip(names, validation.iou.tolist(), strict=True))}
        if validation.panoptic is not None:
            quality = quality_per_class(validation.panoptic).pq
            found["val_pq"] = dict(zip(names, quality.tolist(), strict=True))
        return found

    def _keys_kept(self, state: RunState) -> dict[str, float]:
        """Share of the keys that each mask attention keeps of validation images."""
        images = self._validation.images[spread(range(len(self._validation)), _KEYS_FROM)]
        deployed = Deployed(state.average.network).to(state.device)
        return key_shares(key_masks(deployed, images))

    def _title(self) -> str:
        network = self.config.peer or f"size {self.config.size}"
        return f"{self.dataset.name}, {network}, {self.config.height}x{self.config.width}"

    def _checkpoint(self, state: RunState) -> Checkpoint:
        last = state.history[-1] if state.history else None
        metrics = {}
        if last is not None:
            metrics = {"val_miou": last.val_miou, "val_pixel_accuracy": last.val_pixel_accuracy}
            if self.config.finds_objects:
                metrics["val_pq"] = last.score
        return Checkpoint(
            network=self.config,
            weights=state.average.network.state_dict(),
            classes=self.dataset.classes,
            task=self.config.task,
            input=InputSpec(
                height=self.config.height, width=self.config.width, resize=self.settings.resize
            ),
            training={
                "data": self.dataset.name,
                "data_sha256": self._run["training_data"],
                "settings": self._run["settings"],
                "epochs": state.epoch,
                "seed": self.settings.seed,
                "commit": self._commit,
                "versions": _versions(),
                "performance": dict(self._performance),
                "run": self._run,
            },
            metrics=metrics,
            history=[asdict(row) for row in state.history],
            samples=self._samples,
            resume=state.capture(),
        )


def _versions() -> dict[str, str]:
    return {
        "maskattn_edge": __version__,
        "torch": str(torch.__version__),
        "numpy": np.__version__,
        "python": platform.python_version(),
    }


def _unwritable(out: Path, error: OSError) -> CheckpointError:
    return CheckpointError(
        f"{out}: cannot write ({error.strerror}): free some space or choose another folder"
    )
