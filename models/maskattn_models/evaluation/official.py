"""Official instance annotations: COCO's detection format, whose masks may overlap."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from maskattn_edge.contract.errors import ContractError, DataError
from maskattn_edge.scores import ObjectMask, annotated_object
from maskattn_models.data.coco_json import read_json


class _Rle(msgspec.Struct):
    size: tuple[int, int]
    counts: list[int] | str


class _Annotation(msgspec.Struct):
    image_id: int | str
    category_id: int
    segmentation: list[list[float]] | _Rle
    area: float | None = None
    iscrowd: int = 0


class _Image(msgspec.Struct):
    id: int | str
    height: int
    width: int


class _File(msgspec.Struct):
    images: list[_Image]
    annotations: list[_Annotation]


def official_objects(
    path: Path, category_ids: Sequence[int]
) -> dict[int | str, tuple[ObjectMask, ...]]:
    """The objects of each image in an annotation file, by the image's id.

    Areas are those that the file states, as COCO's evaluator takes them.

    Args:
        path: JSON file in COCO's detection format.
        category_ids: of each class, by index; annotations of other categories are left out.

    Raises:
        DataError: the file cannot be read, or is of another form.
        MissingDependencyError: faster-coco-eval is not installed.
    """
    content = read_json(path, _File)
    label_of = {category: label for label, category in enumerate(category_ids)}
    images = {image.id: image for image in content.images}
    found: dict[int | str, list[ObjectMask]] = {number: [] for number in images}
    for entry in content.annotations:
        if entry.category_id not in label_of:
            continue
        if entry.image_id not in images:
            raise DataError(f"{path}: annotates image {entry.image_id}, which it does not list")
        image, shape = images[entry.image_id], entry.segmentation
        try:
            item = annotated_object(
                msgspec.structs.asdict(shape) if isinstance(shape, _Rle) else shape,
                label=label_of[entry.category_id],
                height=image.height,
                width=image.width,
                area=entry.area,
                crowd=bool(entry.iscrowd),
            )
        except ContractError as error:
            raise DataError(f"{path}: image {entry.image_id}: {error}") from error
        found[entry.image_id].append(item)
    return {number: tuple(items) for number, items in found.items()}
