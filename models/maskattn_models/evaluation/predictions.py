"""A folder of predictions: complete, or not there."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from maskattn_edge.contract.errors import SinkError, UsageError
from maskattn_models.data import Sample
from maskattn_models.evaluation.evaluate import Each
from maskattn_models.evaluation.sample import Assignment, ScoredSample
from maskattn_models.evaluation.submissions import (
    Numbering,
    PredictedPicture,
    SubmissionWriter,
    official_ids,
    suitable_format,
)

_CITYSCAPES = "_leftImg8bit"
_ADE20K = "ADE_"
"""How the stems of Cityscapes' images end, and those of ADE20K's begin."""


@contextmanager
def writing_predictions(folder: Path | None, work: Assignment) -> Iterator[Each | None]:
    """Yield what `score_split` tells each outcome; the folder appears when the block succeeds.

    The format is the official one of the data set for the task, with its numbers of classes and
    images, at the size of the original images.

    Args:
        folder: None for no predictions.
        work: what is evaluated.

    Raises:
        UsageError: the folder is there and not empty, or the data set has images of Cityscapes
            but other classes.
        SinkError: it cannot be written, or the disk is full.
    """
    if folder is None:
        yield None
        return
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError(f"{folder} exists and is not empty: remove it or name another folder")
    target = folder.absolute()
    unfinished = target.with_name(f".{target.name}.{secrets.token_hex(4)}.tmp")
    try:
        with _refusing(folder):
            unfinished.mkdir(parents=True)
        writer = _writer(unfinished, work)
        yield lambda sample, scored: _add(writer, folder, work, sample, scored)
        with _refusing(folder):
            writer.finish()
            unfinished.replace(target)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


@contextmanager
def _refusing(folder: Path) -> Iterator[None]:
    """Name the folder where the disk refuses."""
    try:
        yield
    except OSError as error:
        raise SinkError(
            f"{folder}: cannot write the predictions: {error.strerror or error}"
        ) from error


def image_id(sample: Sample) -> int | str:
    """Official name of an image whose data set states none: a number where its name is one."""
    stem = sample.image.stem.removesuffix(_CITYSCAPES)
    return int(stem) if stem.isdecimal() else stem


def _writer(folder: Path, work: Assignment) -> SubmissionWriter:
    stem, classes = work.dataset.split(work.split)[0].image.stem, work.dataset.classes
    form = suitable_format(work.task, cityscapes=stem.endswith(_CITYSCAPES))
    ids = official_ids(form, classes, work.truth.category_ids, ade20k=stem.startswith(_ADE20K))
    return form.writer(folder, Numbering(classes=classes, category_ids=ids))


def _add(
    writer: SubmissionWriter, folder: Path, work: Assignment, sample: Sample, scored: ScoredSample
) -> None:
    stated = work.truth.image_ids.get(sample)
    picture = PredictedPicture(
        stem=sample.image.stem,
        image_id=image_id(sample) if stated is None else stated,
        labels=scored.result.frame_labels,
        segments=scored.found,
    )
    with _refusing(folder):
        writer.add(picture)
