"""What a composed set is made of: pictures of each source by split, cut and stored once.

The parts lie in a folder of their own while images are composed, so that any number of processes
reads small files, whatever layout the sources have.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import msgspec

from maskattn_edge.contract.errors import DataError
from maskattn_models.data.dataset import DataSet, Sample
from maskattn_models.data.folder import hash_splits, name_fraction
from maskattn_models.data.generation import SPLITS


class Piece(msgspec.Struct, frozen=True):
    """A cut-out or a scene that is stored: its file, and the picture that it comes from.

    `file` is relative to the folder of all parts; `source` to the data set, for an object with its
    segment: "images/9.jpg#3". `name` is the object's class, `kind` that in its photograph; both are
    empty for a scene.
    """

    file: str
    source: str
    name: str = ""
    kind: str = ""


class Stock(msgspec.Struct, frozen=True):
    """The parts of one split."""

    objects: tuple[Piece, ...]
    scenes: tuple[Piece, ...]


def source_splits(dataset: DataSet) -> dict[str, Sequence[Sample]]:
    """Pictures for each of train, val and test; none is in two of them.

    Splits that the data set has are kept. Where one of val and test is missing, the other is
    halved; where both are, the only split is shared out. Names decide, by their hash.

    Raises:
        DataError: there are too few pictures.
    """
    held_out = [name for name in ("val", "test") if name in dataset.splits]
    if "train" in dataset.splits and len(held_out) == 2:
        return {name: dataset.splits[name] for name in SPLITS}
    if "train" in dataset.splits and held_out:
        order = sorted(dataset.splits[held_out[0]], key=name_fraction)
        if len(order) < 2:
            raise DataError(
                f"{dataset.root}: {held_out[0]} has one picture, but val and test need one each: "
                "add pictures"
            )
        half = (len(order) + 1) // 2
        return {
            "train": dataset.splits["train"],
            "val": _by_name(order[:half]),
            "test": _by_name(order[half:]),
        }
    together = tuple(sample for samples in dataset.splits.values() for sample in samples)
    return dict(hash_splits(together))


SHARES = {"train": 0.6, "val": 0.2, "test": 0.2}
"""Of photographs that are shared out anew: few as they are, held-out splits need enough objects."""


def share_out(pieces: Sequence[Piece]) -> dict[str, tuple[Piece, ...]]:
    """Share objects out, those of one photograph together, so that splits have like classes.

    The photographs of the rarest class come first; each goes where that class lacks most.

    Source:
        Sechidis et al., On the Stratification of Multi-label Data, ECML PKDD 2011.
    """
    photographs: dict[str, list[Piece]] = {}
    for piece in pieces:
        photographs.setdefault(piece.source.rpartition("#")[0], []).append(piece)
    content = {
        photograph: Counter(piece.name for piece in own) for photograph, own in photographs.items()
    }
    total = Counter(piece.name for piece in pieces)
    wanted = {
        (split, name): share * count
        for split, share in SHARES.items()
        for name, count in total.items()
    }
    split_of: dict[str, str] = {}
    for name in sorted(total, key=lambda name: (total[name], name)):
        for photograph in sorted(content, key=lambda photograph: -content[photograph][name]):
            if photograph in split_of or not content[photograph][name]:
                continue
            split = max(SHARES, key=lambda split: wanted[split, name])
            split_of[photograph] = split
            for other, count in content[photograph].items():
                wanted[split, other] -= count
    return {
        split: tuple(p for p in pieces if split_of[p.source.rpartition("#")[0]] == split)
        for split in SPLITS
    }


def name_of(path: Path, dataset: DataSet) -> str:
    """A picture's name in reports, relative to its data set."""
    return path.relative_to(dataset.root).as_posix()


def _by_name(samples: Sequence[Sample]) -> tuple[Sample, ...]:
    return tuple(sorted(samples, key=lambda sample: sample.image.name))
