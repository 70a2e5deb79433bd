"""Contact sheets: image, truth and prediction side by side, with the classes' colours below."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from maskattn_edge.contract.atomic import write_bytes
from maskattn_edge.contract.classes import IGNORE, ClassInfo, palette
from maskattn_edge.contract.errors import ContractError, SinkError
from maskattn_edge.preprocess import nearest, scale_image
from maskattn_edge.segments import Segments
from maskattn_models.data import spread
from maskattn_models.evaluation.answers import Segmenter
from maskattn_models.evaluation.sample import Assignment, score_sample

Shown = NDArray[np.uint8] | Segments
"""Labels, or segments where objects are to be told apart."""

_TILE = 320
_MARGIN = 16
_HEADING = 30
_LINE = 28
_SWATCH = 18
_INK = (40, 40, 40)
_HATCH_LIGHT, _HATCH_DARK = 225, 150


def prediction_sheet(
    images_rgb: Sequence[NDArray[np.uint8]],
    truths: Sequence[Shown],
    predictions: Sequence[Shown],
    classes: Sequence[ClassInfo],
) -> NDArray[np.uint8]:
    """A row per sample: image, truth, prediction; below, the classes that occur.

    Pixels that are ignored, or void, are hatched in grey; segments have borders.

    Args:
        images_rgb: each (H, W, 3) uint8 RGB, of any size.
        truths: as many, each segments or (h, w) uint8, 255 = ignored.
        predictions: as many, each segments or (h, w) uint8.
        classes: names and colours by index.

    Returns:
        (H, W, 3) uint8 BGR.

    Raises:
        ContractError: there is no sample, or the numbers of the three differ.
    """
    if not len(images_rgb) == len(truths) == len(predictions) or not len(images_rgb):
        raise ContractError(
            f"a sheet shows as many images as truths and predictions, got {len(images_rgb)}, "
            f"{len(truths)} and {len(predictions)}"
        )
    return comparison_sheet(images_rgb, {"truth": truths, "prediction": predictions}, classes)


def comparison_sheet(
    images_rgb: Sequence[NDArray[np.uint8]] | None,
    columns: Mapping[str, Sequence[Shown]],
    classes: Sequence[ClassInfo],
) -> NDArray[np.uint8]:
    """As `prediction_sheet`, with one column for each heading, beside that of the images, if any.

    Raises:
        ContractError: there is no sample, or a column has another number of them.
    """
    images = [] if images_rgb is None else [images_rgb]
    counts = [len(column) for column in (*images, *columns.values())]
    if not counts or not counts[0] or len(set(counts)) > 1:
        raise ContractError(f"a sheet shows each image in each column, got {counts} of them")
    rows = [_row(shown, classes) for shown in zip(*images, *columns.values(), strict=True)]
    width = rows[0].shape[1]
    seen = [np.unique(_labels(shown)) for column in columns.values() for shown in column]
    legend = _legend(np.unique(np.concatenate(seen)).tolist(), classes, width)
    headings = [*(["image"] * len(images)), *columns]
    return np.concatenate([_headings(headings, width), *rows, legend])


def predicted_sheet(model: Segmenter, work: Assignment, *, count: int = 6) -> NDArray[np.uint8]:
    """`prediction_sheet` of samples spread over a split, at full size, (H, W, 3) uint8 BGR.

    Raises:
        UsageError, DataError, ContractError: as `score_split`.
    """
    images: list[NDArray[np.uint8]] = []
    truths: list[Shown] = []
    predictions: list[Shown] = []
    for sample in spread(work.dataset.split(work.split), count):
        scored = score_sample(model, sample, work)
        images.append(scored.known.image)
        if scored.found is None or scored.known.segments is None:
            truths.append(scored.known.labels)
            predictions.append(scored.result.frame_labels)
        else:
            truths.append(scored.known.segments)
            predictions.append(scored.found)
    return prediction_sheet(images, truths, predictions, work.dataset.classes)


def write_sheet(path: Path, sheet_bgr: NDArray[np.uint8]) -> None:
    """Write a sheet as PNG, atomically.

    Raises:
        SinkError: the folder cannot be written, or the disk is full.
    """
    data = cv2.imencode(".png", sheet_bgr)[1].tobytes()
    try:
        write_bytes(path, data)
    except OSError as error:
        raise SinkError(f"{path}: cannot write the pictures: {error.strerror}") from error


def colored_bgr(labels: NDArray[np.uint8], classes: Sequence[ClassInfo]) -> NDArray[np.uint8]:
    """Labels in their classes' colours, (H, W, 3) uint8 BGR; ignored pixels hatched."""
    colors: NDArray[np.uint8] = np.ascontiguousarray(palette(classes)[labels][..., ::-1])
    ignored = labels == IGNORE
    colors[ignored] = _hatch(*labels.shape)[ignored]
    return colors


def _labels(shown: Shown) -> NDArray[np.uint8]:
    return shown.labels() if isinstance(shown, Segments) else shown


def _drawn(
    shown: Shown, height: int, width: int, classes: Sequence[ClassInfo]
) -> NDArray[np.uint8]:
    """An RGB image, or coloured labels, at the size of a tile, (height, width, 3) uint8 BGR."""
    if not isinstance(shown, Segments) and shown.ndim == 3:
        return np.ascontiguousarray(scale_image(shown, height, width)[..., ::-1])
    colors = colored_bgr(nearest(_labels(shown), height, width), classes)
    if isinstance(shown, Segments):
        edge = _borders(nearest(shown.map, height, width))
        colors[edge] = (0.35 * colors[edge] + 0.65 * 255).astype(np.uint8)
    return colors


def _borders(segment_map: NDArray[np.uint16]) -> NDArray[np.bool_]:
    """Pixels whose right or lower neighbour is of another segment, (H, W)."""
    edge = np.zeros(segment_map.shape, bool)
    edge[:, :-1] |= segment_map[:, :-1] != segment_map[:, 1:]
    edge[:-1] |= segment_map[:-1] != segment_map[1:]
    return edge


def _hatch(height: int, width: int) -> NDArray[np.uint8]:
    down, right = np.ogrid[:height, :width]
    hatch = np.full((height, width, 3), _HATCH_LIGHT, np.uint8)
    hatch[(down + right) // 3 % 3 == 0] = _HATCH_DARK
    return hatch


def _row(columns: Sequence[Shown], classes: Sequence[ClassInfo]) -> NDArray[np.uint8]:
    """Tiles of the first one's shape, of which an image has three axes; tall ones are bounded."""
    first = columns[0]
    shape = (first.map if isinstance(first, Segments) else first).shape[:2]
    height, width = (max(1, round(side * _TILE / max(shape))) for side in shape)
    tiles = [_drawn(shown, height, width, classes) for shown in columns]
    row = np.full((height + _MARGIN, _left(len(tiles)), 3), 255, np.uint8)
    for index, tile in enumerate(tiles):
        left = _left(index) + (_TILE - width) // 2
        row[:height, left : left + width] = tile
    return row


def _left(column: int) -> int:
    return _MARGIN + column * (_TILE + _MARGIN)


def _headings(titles: Sequence[str], width: int) -> NDArray[np.uint8]:
    strip = np.full((_MARGIN // 2 + _HEADING, width, 3), 255, np.uint8)
    for index, text in enumerate(titles):
        _write(strip, text, _left(index), _MARGIN // 2 + _HEADING - 10)
    return strip


def _legend(labels: Sequence[int], classes: Sequence[ClassInfo], width: int) -> NDArray[np.uint8]:
    """Swatches with names, in equal columns."""
    names = [_name(label, classes) for label in labels]
    column = max(_text_width(name) for name in names) + _SWATCH + 8 + _MARGIN
    across = max(1, (width - _MARGIN) // column)
    lines = -(-len(names) // across)
    strip = np.full((lines * _LINE + _MARGIN, width, 3), 255, np.uint8)
    for index, (label, name) in enumerate(zip(labels, names, strict=True)):
        left, top = _MARGIN + index % across * column, index // across * _LINE + 4
        swatch = colored_bgr(np.full((_SWATCH, _SWATCH), label, np.uint8), classes)
        strip[top : top + _SWATCH, left : left + _SWATCH] = swatch
        cv2.rectangle(strip, (left, top), (left + _SWATCH, top + _SWATCH), (120, 120, 120), 1)
        _write(strip, name, left + _SWATCH + 8, top + _SWATCH - 4)
    return strip


def _name(label: int, classes: Sequence[ClassInfo]) -> str:
    if label < len(classes):
        return classes[label].name[:32]
    return "ignored" if label == IGNORE else str(label)


def _text_width(text: str) -> int:
    return int(cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, 0.5, 1)[0][0])


def _write(strip: NDArray[np.uint8], text: str, left: int, base: int) -> None:
    cv2.putText(strip, text, (left, base), cv2.FONT_HERSHEY_SIMPLEX, 0.5, _INK, 1, cv2.LINE_AA)
