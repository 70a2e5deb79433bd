"""The answer for one frame: one value from the engine to every sink."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TypedDict

import cv2
import numpy as np
from numpy.typing import NDArray

from maskattn_edge.contract.classes import IGNORE, palette
from maskattn_edge.contract.errors import ContractError
from maskattn_edge.contract.spec import ModelSpec
from maskattn_edge.frame import Frame, FrameTimes
from maskattn_edge.preprocess import Geometry, unfit_labels
from maskattn_edge.record import record


@dataclass(frozen=True, kw_only=True, eq=False)
class Instances:
    """Found objects. Row k - 1 of each table is the object that `map` marks with k.

    `map` (h, w) uint8, 0 = no instance; `label` (K,) uint8 class; `score` (K,) float32, 0 = unused
    row; `box` (K, 4) int32 x0 y0 x1 y1 on the network's grid, x1 and y1 exclusive.
    """

    map: NDArray[np.uint8]
    label: NDArray[np.uint8]
    score: NDArray[np.float32]
    box: NDArray[np.int32]

    def __post_init__(self) -> None:
        _check("instance map", self.map, np.uint8, 2)
        rows = len(self.label)
        _check("instance classes", self.label, np.uint8, 1)
        _check("instance scores", self.score, np.float32, 1)
        _check("instance boxes", self.box, np.int32, 2)
        if len(self.score) != rows or self.box.shape != (rows, 4):
            raise ContractError(
                f"instance tables differ in length: {rows} classes, {len(self.score)} scores, "
                f"boxes of shape {self.box.shape}"
            )
        if self.map.size and int(self.map.max()) > rows:
            raise ContractError(
                f"the instance map names row {int(self.map.max())}, the tables have {rows} rows"
            )


class ClassArea(TypedDict):
    """One class of a frame in JSON: share of the frame, outlines in pixels of the frame."""

    id: int
    name: str
    share: float
    contours: list[list[list[int]]]


@dataclass(frozen=True, kw_only=True, eq=False)
class Segmentation:
    """Labels of one frame on the network's grid, and how they lie in the frame.

    Args:
        labels: (h, w) uint8, the class of each pixel of the grid.
        spec: of the model that gave the answer.
        place: where the frame lies in the grid; None when the input was the frame itself.
        instances: found objects, for tasks that have them.
        times: the frame's stations, where they are known.
        frame: the frame itself, where it is known. It keeps the picture in memory:
            `dataclasses.replace(result, frame=None)` lets go of it.

    Raises:
        ContractError: an array has another shape or dtype, or the grid is not the model's.
    """

    labels: NDArray[np.uint8]
    spec: ModelSpec
    place: Geometry | None = None
    instances: Instances | None = None
    times: FrameTimes | None = None
    frame: Frame | None = None

    def __post_init__(self) -> None:
        _check("labels", self.labels, np.uint8, 2)
        grid = (self.spec.input.height, self.spec.input.width)
        if self.labels.shape != grid:
            raise ContractError(f"labels are {self.labels.shape}, the model's grid is {grid}")
        if self.instances is not None and self.instances.map.shape != grid:
            raise ContractError(
                f"the instance map is {self.instances.map.shape}, the model's grid is {grid}"
            )

    def at(self, place: Geometry, times: FrameTimes, frame: Frame | None = None) -> Segmentation:
        """The same answer for the frame that lies at `place`."""
        return replace(self, place=place, times=times, frame=frame)

    @cached_property
    def frame_labels(self) -> NDArray[np.uint8]:
        """Labels at the frame's size, (H, W) uint8, by nearest neighbour."""
        return self.labels if self.place is None else unfit_labels(self.labels, self.place)

    @cached_property
    def frame_instances(self) -> NDArray[np.uint8]:
        """Instance numbers at the frame's size, (H, W) uint8; zeros where the task has none."""
        if self.instances is None:
            return np.zeros_like(self.frame_labels)
        if self.place is None:
            return self.instances.map
        return unfit_labels(self.instances.map, self.place)

    def colored(self) -> NDArray[np.uint8]:
        """The frame's labels in the model's colours, (H, W, 3) uint8 RGB."""
        colors: NDArray[np.uint8] = palette(self.spec.classes)[self.frame_labels]
        return colors

    def overlay(
        self, image_bgr: NDArray[np.uint8] | None = None, *, opacity: float = 0.5
    ) -> NDArray[np.uint8]:
        """The frame under its coloured labels, class borders drawn sharp.

        Args:
            image_bgr: (H, W, 3) uint8, the frame; not needed where the answer knows it.
            opacity: 0 shows the frame alone, 1 the colours alone.

        Returns:
            (H, W, 3) uint8 BGR, a new array.

        Raises:
            ContractError: `opacity` is not within 0..1, the image has another size, or there is
                none.
        """
        image_bgr = self._picture() if image_bgr is None else image_bgr
        if not 0 <= opacity <= 1:
            raise ContractError(f"opacity must be from 0 to 1, got {opacity}")
        labels = self.frame_labels
        if image_bgr.shape != (*labels.shape, 3):
            raise ContractError(
                f"the overlay of a {labels.shape} frame got an image of {image_bgr.shape}"
            )
        bgr = np.ascontiguousarray(palette(self.spec.classes)[:, ::-1])
        colors = cv2.LUT(cv2.merge([labels] * 3), bgr.reshape(1, 256, 3))
        mixed = cv2.addWeighted(image_bgr, 1 - opacity, colors, opacity, 0)
        if opacity > 0:
            edge = _borders(labels, self.frame_instances)
            mixed[edge] = (0.35 * colors[edge] + 0.65 * 255).astype(np.uint8)
        return np.asarray(mixed, dtype=np.uint8)

    def mask(self, of: int | str) -> NDArray[np.bool_]:
        """Where the frame shows a class, (H, W) bool.

        Args:
            of: the class, by number or name.

        Raises:
            ContractError: the model has no such class.
        """
        mask: NDArray[np.bool_] = self.frame_labels == self.class_id(of)
        return mask

    def contours(self, label: int) -> list[NDArray[np.int32]]:
        """Outer and inner outlines of a class in the frame, each (points, 2) int32 x, y."""
        mask = (self.frame_labels == label).astype(np.uint8)
        found, _ = cv2.findContours(mask, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
        return [np.asarray(line, dtype=np.int32).reshape(-1, 2) for line in found]

    def areas(self, *, contours: bool = True) -> list[ClassArea]:
        """The classes in the frame, largest first, ready for JSON."""
        counts = np.bincount(self.frame_labels.ravel(), minlength=256)
        order = sorted(np.flatnonzero(counts).tolist(), key=lambda label: -int(counts[label]))
        return [
            ClassArea(
                id=label,
                name=self.class_name(label),
                share=round(float(counts[label] / self.frame_labels.size), 6),
                contours=[line.tolist() for line in self.contours(label)] if contours else [],
            )
            for label in order
        ]

    def as_dict(self) -> dict[str, object]:
        """What the frame shows, ready for JSON: a line of `--jsonl`, as `sinks/jsonl.py` says."""
        return record(self)

    def to_json(self) -> str:
        """The same as JSON text, in one line."""
        return json.dumps(self.as_dict(), separators=(",", ":"), allow_nan=False)

    def class_id(self, of: int | str) -> int:
        """The label of a class that is given by number or name.

        Raises:
            ContractError: the model has no such class.
        """
        names = [entry.name for entry in self.spec.classes]
        if of in names:
            return names.index(str(of))
        if isinstance(of, int) and 0 <= of < len(names):
            return of
        raise ContractError(
            f"{self.spec.name} has no class {of!r}; its classes are {', '.join(names)}"
        )

    def class_name(self, label: int) -> str:
        """Name of a label; "ignore" for 255, the number for one without a class."""
        if label < len(self.spec.classes):
            return self.spec.classes[label].name
        return "ignore" if label == IGNORE else str(label)

    def _picture(self) -> NDArray[np.uint8]:
        if self.frame is None:
            raise ContractError("this answer does not know its frame: give overlay() the picture")
        return self.frame.image_bgr


def _borders(labels: NDArray[np.uint8], instances: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Pixels whose right or lower neighbour is of another class or instance, (H, W) bool."""
    edge = np.zeros(labels.shape, bool)
    for map_ in (labels, instances):
        edge[:, :-1] |= map_[:, :-1] != map_[:, 1:]
        edge[:-1] |= map_[:-1] != map_[1:]
    return edge


def _check(what: str, array: NDArray[np.generic], dtype: type[np.generic], ndim: int) -> None:
    if array.dtype != dtype or array.ndim != ndim:
        raise ContractError(
            f"{what} must be {ndim}-dimensional {np.dtype(dtype)}, got shape {array.shape} of "
            f"{array.dtype}"
        )
