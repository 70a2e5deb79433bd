"""A model's answer for an image, and the segments in it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import msgspec
import numpy as np
from numpy.typing import NDArray

from maskattn_edge.components import component_segments
from maskattn_edge.contract.classes import ClassInfo
from maskattn_edge.contract.errors import ContractError, DataError, UsageError
from maskattn_edge.contract.spec import InputSpec, ModelSpec, PrecisionSpec, Task
from maskattn_edge.preprocess import fit
from maskattn_edge.segmentation import Segmentation
from maskattn_edge.segments import Segments, segments_of

Predictor = Callable[[NDArray[np.uint8]], NDArray[np.uint8]]
"""From an image, (1, h, w, 3) uint8 RGB, to its labels, (1, h, w) uint8."""

Segmenter = Callable[[NDArray[np.uint8]], Segmentation]
"""From an image, (1, h, w, 3) uint8 RGB, to the whole answer on that grid."""


def labelling(model: Predictor, classes: tuple[ClassInfo, ...], input: InputSpec) -> Segmenter:
    """A model that gives labels, as one that gives answers.

    Its answers raise ContractError where the labels have another shape or dtype.
    """
    spec = ModelSpec(
        name="", task="semantic", classes=classes, input=input, precision=PrecisionSpec(name="fp32")
    )
    shape = (1, input.height, input.width)

    def segment(image_nhwc: NDArray[np.uint8]) -> Segmentation:
        labels = model(image_nhwc)
        if labels.shape != shape or labels.dtype != np.uint8:
            raise ContractError(
                f"a model's answer is {shape} uint8, got {labels.shape} of {labels.dtype}"
            )
        return Segmentation(labels=labels[0], spec=spec)

    return segment


def answer(model: Segmenter, image: NDArray[np.uint8], input: InputSpec) -> Segmentation:
    """The answer for an image, (H, W, 3) uint8 RGB, that knows its place in it.

    Raises:
        ContractError: as the model does.
    """
    fitted, place = fit(image, height=input.height, width=input.width, resize=input.resize)
    return replace(model(fitted[np.newaxis]), place=place)


def found_segments(
    result: Segmentation, classes: tuple[ClassInfo, ...], *, min_area: int
) -> Segments:
    """The segments of an answer, on the grid.

    Objects are those that the model tells apart; where it gives labels only, connected regions of
    at least `min_area` pixels.

    Args:
        result: of a model.
        classes: of the data set, which says what things are.
        min_area: of a region.

    Raises:
        ContractError: as `component_segments`.
    """
    if result.instances is None:
        return component_segments(result.labels, classes, min_area=min_area)
    spec = msgspec.structs.replace(result.spec, classes=classes)
    return segments_of(replace(result, spec=spec))


def choose_task(
    wanted: Task | None, *, model: Task, offered: frozenset[Task], name: str, where: str
) -> Task:
    """What to score a model as: what it was made for, unless something else is wanted.

    Args:
        wanted: by the user.
        model: the model's own task.
        offered: what the truth is enough for.
        name: of the model.
        where: the data set lies.

    Raises:
        DataError: the truth is not enough for the model's own task.
        UsageError: the truth or the model is not enough for what is wanted.
    """
    task = wanted or model
    if task not in offered:
        error = DataError if wanted is None else UsageError
        raise error(
            f"{where}: its truth is enough for {_listed(offered)}, not for {task} scores of "
            f"{name}: choose one with --as, or add instances/ beside masks/"
        )
    if task == "panoptic" and model == "instance":
        raise UsageError(
            f"{name} finds objects but labels no stuff: score it with --as instance or semantic"
        )
    return task


def _listed(tasks: frozenset[Task]) -> str:
    return " and ".join(sorted(tasks))
