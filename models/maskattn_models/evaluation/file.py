"""A model's file on a split: opened, scored, pictured, closed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from maskattn_edge.contract.errors import UsageError
from maskattn_edge.preprocess import fit
from maskattn_models.data import DataSet, load_image, spread
from maskattn_models.data.store import Progress
from maskattn_models.evaluation.evaluate import evaluate
from maskattn_models.evaluation.evaluation import Evaluation
from maskattn_models.evaluation.masks import mask_sheet
from maskattn_models.evaluation.pictures import predicted_sheet, write_sheet
from maskattn_models.evaluation.predictor import OpenedModel, open_predictor

_SHOWN = 8


def evaluate_file(
    path: Path,
    dataset: DataSet,
    split: str,
    *,
    limit: int | None = None,
    pictures: Path | None = None,
    masks: Path | None = None,
    progress: Progress | None = None,
) -> Evaluation:
    """Score a model file (`.onnx`) or a checkpoint (`.pt`) on a split.

    Args:
        path: of the model.
        dataset: where images and masks come from.
        split: e.g. "test".
        limit: evaluate at most so many images, spread evenly over the split.
        pictures: PNG file to write samples to: image, truth, prediction.
        masks: PNG file to write samples to: image, and the keys that each block of a checkpoint's
            mask attention keeps.
        progress: told (done, total) after each image.

    Raises:
        UsageError, DataError, ContractError: as `evaluate`; or `masks` is given and the model has
            no mask attention, or is a model file, which does not tell.
        ModelFileError, CheckpointError, MissingDependencyError: as `open_predictor`.
        SinkError: the pictures cannot be written.
    """
    dataset.split(split)  # a wrong name is refused before the model is loaded
    with open_predictor(path) as model:
        if masks is not None and model.keys is None:
            raise UsageError(
                f"{path}: a model file does not tell which keys it keeps: give the checkpoint "
                "(.pt), or leave out --masks"
            )
        evaluation = evaluate(
            model.predict,
            dataset,
            split,
            height=model.height,
            width=model.width,
            resize=model.resize,
            classes=model.classes,
            limit=limit,
            progress=progress,
        )
        evaluation = replace(evaluation, keys_kept=model.keys_kept)
        if pictures is not None:
            sheet = predicted_sheet(
                model.predict,
                dataset,
                split,
                height=model.height,
                width=model.width,
                resize=model.resize,
            )
            write_sheet(pictures, sheet)
        if masks is not None:
            _write_masks(masks, model, dataset, split)
    return replace(evaluation, model=model.name, model_sha256=model.sha256, runs_on=model.runs_on)


def _write_masks(path: Path, model: OpenedModel, dataset: DataSet, split: str) -> None:
    """`mask_sheet` of samples spread over a split."""
    if model.keys is None or not model.keys_kept:
        raise UsageError(f"{model.name} has no mask attention to show: leave out --masks")
    images, kept = [], []
    for sample in spread(dataset.split(split), _SHOWN):
        image = load_image(sample.image)
        fitted, _ = fit(image, height=model.height, width=model.width, resize=model.resize)
        model.predict(fitted[np.newaxis])
        images.append(fitted)
        kept.append(dict(model.keys.latest))
    by_block = {block: np.concatenate([one[block] for one in kept]) for block in kept[0]}
    write_sheet(path, mask_sheet(np.stack(images), by_block))
