"""From the ids that a data set writes into its pictures to a map of segments 1..S."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from maskattn_edge.contract.classes import IGNORE
from maskattn_edge.contract.errors import DataError
from maskattn_edge.segments import VOID, Segments

MAX_SEGMENTS = np.iinfo(np.uint16).max


class Meaning(NamedTuple):
    """What an id stands for: a class index, and whether it is a crowd."""

    label: int
    crowd: bool = False


def number_segments(ids: NDArray[np.integer], known: Mapping[int, Meaning]) -> Segments:
    """Number the segments of a picture of ids in the order of `known`; all other ids are void.

    Args:
        ids: (H, W), any integers.
        known: what each id means. One that no pixel has is listed in the tables all the same.

    Raises:
        DataError: there are more than 65,535 segments. The message does not name the file.
    """
    if len(known) > MAX_SEGMENTS:
        raise DataError(
            f"{len(known)} segments in one picture, at most {MAX_SEGMENTS} are possible"
        )
    numbers = {number: index for index, number in enumerate(known, start=1)}
    values, runs, lengths = _runs(ids)
    table = np.array([numbers.get(int(value), VOID) for value in values], np.uint16)
    return Segments(
        map=np.repeat(table[runs], lengths).reshape(ids.shape),
        label=np.array([meaning.label for meaning in known.values()], np.uint8),
        crowd=np.array([meaning.crowd for meaning in known.values()], bool),
    )


def present(ids: NDArray[np.integer]) -> list[int]:
    """The ids in a picture, ascending."""
    return [int(value) for value in _runs(ids)[0]]


def segments_of_labels(labels: NDArray[np.uint8]) -> Segments:
    """One segment for each class of a label map, (H, W) uint8; 255 is void."""
    known = {value: Meaning(value) for value in present(labels) if value != IGNORE}
    return number_segments(labels, known)


def _runs(
    ids: NDArray[np.integer],
) -> tuple[NDArray[np.integer], NDArray[np.intp], NDArray[np.intp]]:
    """Distinct values; for each run of equal pixels the index of its value; and its length.

    Sorting the runs is several times as fast as sorting the pixels: objects are compact.
    """
    flat = ids.ravel()
    starts = np.flatnonzero(np.concatenate([[True], flat[1:] != flat[:-1]]))
    values, runs = np.unique(flat[starts], return_inverse=True)
    return values, runs.reshape(-1), np.diff(np.append(starts, flat.size))
