"""Going on with a run: with the same data, network and settings, and for longer if asked."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from maskattn_edge.contract.errors import CheckpointError, UsageError
from maskattn_models.checkpoint import Checkpoint, load_checkpoint
from maskattn_models.training.history import to_rows
from maskattn_models.training.ranks import Ranks
from maskattn_models.training.settings import TrainingSettings
from maskattn_models.training.state import RunState

FREE = ("settings.device", "settings.graph", "settings.resident_share")
"""What may differ: a run may move to another machine."""

_EPOCHS = "settings.epochs"


def check_same(
    former: Mapping[str, Any],
    present: Mapping[str, Any],
    *,
    longer: bool = True,
    what: str = "the run to resume",
) -> None:
    """Compare what decides a run, nested plain data; `what` names the former one in the message.

    More epochs are allowed if `longer` is: the learning rate then follows the schedule of the
    longer run from the step that was reached, so that it rises once. Fewer would end the cosine
    in the middle.

    Raises:
        UsageError: something differs; the message names the first difference.
    """
    before, now = _flat(former), _flat(present)
    if longer and now[_EPOCHS] > before.get(_EPOCHS, now[_EPOCHS]):
        before[_EPOCHS] = now[_EPOCHS]
    for name in [*now, *(name for name in before if name not in now)]:
        if name not in FREE and before.get(name) != now.get(name):
            label = name.rpartition(".")[2].replace("_", " ")
            raise UsageError(
                f"{what} has {label} {before.get(name)!r}, this command "
                f"{now.get(name)!r}: repeat the first command's data and options, or choose "
                "another --out"
            )


def former_run(out: Path, *, resume: bool) -> Checkpoint | None:
    """The run in `out` to go on with; None for a new one.

    Raises:
        UsageError: there is a run where a new one is to begin, or none to go on with.
        CheckpointError: its checkpoint cannot be read.
    """
    last = out / "last.pt"
    if not resume:
        if last.exists():
            raise UsageError(
                f"{out} holds a training run: go on with --resume, or choose another --out"
            )
        return None
    if not last.exists():
        raise UsageError(f"{last}: no such file, so there is no run to resume; leave out --resume")
    former = load_checkpoint(last)
    if former.resume is None or "run" not in former.training:
        raise UsageError(f"{last}: it holds no state of a run, so that it cannot be resumed")
    return former


def restore(
    state: RunState, former: Checkpoint, out: Path, settings: TrainingSettings, ranks: Ranks
) -> None:
    """Bring `state` to where the run `former` in `out` was.

    Raises:
        CheckpointError: its state is damaged, or its best checkpoint is not there.
    """
    assert former.resume is not None  # checked when it was read
    try:
        state.restore(former.resume, former.weights, ranks)
        state.history = to_rows(former.history)
    except (KeyError, RuntimeError, TypeError, ValueError, AttributeError) as error:
        raise CheckpointError(
            f"{out / 'last.pt'}: its state of the run is damaged: start anew in another --out"
        ) from error
    planned = state.schedules[-1][1] if state.schedules else settings.epochs
    if settings.epochs != planned:
        state.schedules.append((state.epoch, settings.epochs))
    best = out / "best.pt"
    if not ranks.by_first(lambda: best.exists() or not state.best_epoch):
        raise CheckpointError(
            f"{best}: no such file, though epoch {state.best_epoch} was the best: put it back "
            "beside last.pt, or start anew in another --out"
        )


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, Mapping):
            flat.update(_flat(value, f"{prefix}{name}."))
        else:
            flat[prefix + name] = list(value) if isinstance(value, tuple) else value
    return flat
