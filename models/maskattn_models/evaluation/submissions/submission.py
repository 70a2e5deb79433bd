"""What every format of predictions shares: the picture, the numbering, the folder."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from maskattn_edge.contract.classes import ClassInfo
from maskattn_edge.contract.errors import ContractError
from maskattn_edge.segments import Segments


@dataclass(frozen=True, kw_only=True, eq=False)
class PredictedPicture:
    """An answer at the size of the original image.

    Args:
        stem: of the image's file name.
        image_id: official number or name of the image.
        labels: (H, W) uint8.
        segments: of the same size; None for the semantic task.
    """

    stem: str
    image_id: int | str
    labels: NDArray[np.uint8]
    segments: Segments | None = None


@dataclass(frozen=True, kw_only=True)
class Numbering:
    """Official numbers of classes.

    Args:
        classes: K, by index; which of them are things.
        category_ids: official number of each.

    Raises:
        ContractError: there are more or fewer numbers than classes, or one occurs twice.
    """

    classes: tuple[ClassInfo, ...]
    category_ids: tuple[int, ...]

    def __post_init__(self) -> None:
        if len(self.category_ids) != len(self.classes):
            raise ContractError(
                f"{len(self.classes)} classes have as many official numbers, got "
                f"{len(self.category_ids)}"
            )
        if len(set(self.category_ids)) != len(self.category_ids):
            raise ContractError("two classes have one official number")


class SubmissionWriter(ABC):
    """Writes predictions picture by picture into a folder that is there and empty."""

    def __init__(self, folder: Path, numbering: Numbering) -> None:
        self.folder = folder
        self.numbering = numbering

    @abstractmethod
    def add(self, picture: PredictedPicture) -> None:
        """Write one picture. Raises OSError."""

    def finish(self) -> None:  # noqa: B027 - many formats have no file for the whole
        """Write what belongs to the whole. Raises OSError."""

    def save_png(self, name: str, picture: NDArray[np.integer]) -> None:
        """Write a grey or BGR picture, 8 or 16 bits. Raises OSError."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(cv2.imencode(".png", picture)[1].tobytes())


def segments_in(picture: PredictedPicture) -> Segments:
    """The segments of a picture that must have them."""
    if picture.segments is None:
        raise ContractError("this format holds segments, the answer is labels only")
    return picture.segments
