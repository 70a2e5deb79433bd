"""A model's file on a split: opened, scored, pictured, closed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from maskattn_edge.components import MIN_AREA
from maskattn_edge.contract.errors import UsageError
from maskattn_edge.contract.spec import Task
from maskattn_edge.preprocess import fit
from maskattn_models.data import DataSet, load_image, spread
from maskattn_models.data.store import Progress
from maskattn_models.evaluation.answers import choose_task
from maskattn_models.evaluation.evaluate import score_split
from maskattn_models.evaluation.evaluation import Evaluation
from maskattn_models.evaluation.masks import mask_sheet
from maskattn_models.evaluation.pictures import predicted_sheet, write_sheet
from maskattn_models.evaluation.predictions import writing_predictions
from maskattn_models.evaluation.predictor import OpenedModel, open_predictor
from maskattn_models.evaluation.sample import Assignment
from maskattn_models.evaluation.truth import open_truth

_SHOWN = 8


def evaluate_file(
    path: Path,
    dataset: DataSet,
    split: str,
    *,
    engine: str | None = None,
    task: Task | None = None,
    min_area: int | None = None,
    predictions: Path | None = None,
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
        engine: of the runtime that runs a model file; None takes the best that loads.
        task: to score it as; None for what it was made for. The labels of a semantic model are
            scored for other tasks by their connected regions.
        min_area: pixels of the grid that such a region has at least; `MIN_AREA` if not given.
        predictions: folder to write the answers to, in the format of official evaluators.
        limit: evaluate at most so many images, spread evenly over the split.
        pictures: PNG file to write samples to: image, truth, prediction.
        masks: PNG file to write samples to: image, and the keys that each block of a checkpoint's
            mask attention keeps.
        progress: told (done, total) after each image.

    Raises:
        UsageError, DataError, ContractError: as `evaluate`; or `masks` is given and the model has
            no mask attention, or is a model file, which does not tell; or the truth is not
            enough for the task.
        ModelFileError, CheckpointError, MissingDependencyError: as `open_predictor`.
        SinkError: the pictures or predictions cannot be written.
    """
    dataset.split(split)  # a wrong name is refused before the model is loaded
    with open_predictor(path, engine) as model:
        if masks is not None and model.keys is None:
            raise UsageError(
                f"{path}: a model file does not tell which keys it keeps: give the checkpoint "
                "(.pt), or leave out --masks"
            )
        work = _assignment(model, dataset, split, task, min_area)
        with writing_predictions(predictions, work) as each:
            evaluation = score_split(
                model.answer,
                work,
                classes=model.classes,
                limit=limit,
                progress=progress,
                each=each,
            )
        evaluation = replace(evaluation, keys_kept=model.keys_kept)
        if pictures is not None:
            write_sheet(pictures, predicted_sheet(model.answer, work))
        if masks is not None:
            _write_masks(masks, model, dataset, split)
    return replace(evaluation, model=model.name, model_sha256=model.sha256, runs_on=model.runs_on)


def _assignment(
    model: OpenedModel, dataset: DataSet, split: str, wanted: Task | None, min_area: int | None
) -> Assignment:
    truth = open_truth(dataset, split)
    task = choose_task(
        wanted,
        model=model.task,
        offered=truth.tasks,
        name=model.name,
        where=str(dataset.root),
    )
    if min_area is not None and (task == "semantic" or model.task != "semantic"):
        raise UsageError(
            f"a smallest area is for objects made from labels, but {model.name} is a {model.task} "
            f"model and scored for the {task} task: leave out --min-area"
        )
    return Assignment(
        dataset=dataset,
        split=split,
        truth=truth,
        task=task,
        input=model.input,
        min_area=MIN_AREA if min_area is None else min_area,
    )


def _write_masks(path: Path, model: OpenedModel, dataset: DataSet, split: str) -> None:
    """`mask_sheet` of samples spread over a split."""
    if model.keys is None or not model.keys_kept:
        raise UsageError(f"{model.name} has no mask attention to show: leave out --masks")
    images, kept = [], []
    for sample in spread(dataset.split(split), _SHOWN):
        image = load_image(sample.image)
        size = model.input
        fitted, _ = fit(image, height=size.height, width=size.width, resize=size.resize)
        model.answer(fitted[np.newaxis])
        images.append(fitted)
        kept.append(dict(model.keys.latest))
    by_block = {block: np.concatenate([one[block] for one in kept]) for block in kept[0]}
    write_sheet(path, mask_sheet(np.stack(images), by_block))
