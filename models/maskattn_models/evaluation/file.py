"""A model's file on a split: opened, scored, pictured, closed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from maskattn_models.data import DataSet
from maskattn_models.data.store import Progress
from maskattn_models.evaluation.evaluate import evaluate
from maskattn_models.evaluation.evaluation import Evaluation
from maskattn_models.evaluation.pictures import predicted_sheet, write_sheet
from maskattn_models.evaluation.predictor import open_predictor


def evaluate_file(
    path: Path,
    dataset: DataSet,
    split: str,
    *,
    limit: int | None = None,
    pictures: Path | None = None,
    progress: Progress | None = None,
) -> Evaluation:
    """Score a model file (`.onnx`) or a checkpoint (`.pt`) on a split.

    Args:
        path: of the model.
        dataset: where images and masks come from.
        split: e.g. "test".
        limit: evaluate at most so many images, spread evenly over the split.
        pictures: PNG file to write samples to: image, truth, prediction.
        progress: told (done, total) after each image.

    Raises:
        UsageError, DataError, ContractError: as `evaluate`.
        ModelFileError, CheckpointError, MissingDependencyError: as `open_predictor`.
        SinkError: the pictures cannot be written.
    """
    dataset.split(split)  # a wrong name is refused before the model is loaded
    with open_predictor(path) as model:
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
    return replace(evaluation, model=model.name, model_sha256=model.sha256, runs_on=model.runs_on)
