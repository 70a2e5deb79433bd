"""What is downloaded for each data set: addresses, sizes and checksums as published."""

from __future__ import annotations

from dataclasses import dataclass

from maskattn_edge.download import Remote


@dataclass(frozen=True, kw_only=True)
class Archive:
    """An archive of a data set.

    Args:
        name: of the file.
        remote: where it is fetched; None if that takes an account.
        into: folder, below that of the originals, that it is unpacked into.
        splits: it is needed for these.
        annotations: it is needed for these kinds; for all if empty.
    """

    name: str
    remote: Remote | None
    into: str = "."
    splits: tuple[str, ...] = ("train", "val")
    annotations: tuple[str, ...] = ()


_COCO = "http://images.cocodataset.org"
_ADE = "http://data.csail.mit.edu/places/ADEchallenge"
_ADE_INSTANCES = "http://sceneparsing.csail.mit.edu/data/ChallengeData2017"

ARCHIVES: dict[str, tuple[Archive, ...]] = {
    "coco": (
        Archive(
            name="annotations_trainval2017.zip",
            remote=Remote(
                url=f"{_COCO}/annotations/annotations_trainval2017.zip",
                size=252_907_541,
                sha256="113a836d90195ee1f884e704da6304dfaaecff1f023f49b6ca93c4aaae470268",
            ),
        ),
        Archive(
            name="panoptic_annotations_trainval2017.zip",
            remote=Remote(
                url=f"{_COCO}/annotations/panoptic_annotations_trainval2017.zip",
                size=860_725_834,
                sha256="c05f76d2129b6b561eb70efe16e7006df62f73fb92889132d373b9d90e31a370",
            ),
            annotations=("panoptic",),
        ),
        Archive(
            name="val2017.zip",
            remote=Remote(
                url=f"{_COCO}/zips/val2017.zip",
                size=815_585_330,
                sha256="4f7e2ccb2866ec5041993c9cf2a952bbed69647b115d0f74da7ce8f4bef82f05",
            ),
            splits=("val",),
        ),
        Archive(
            name="train2017.zip",
            remote=Remote(
                url=f"{_COCO}/zips/train2017.zip",
                size=19_336_861_798,
                sha256="69a8bb58ea5f8f99d24875f21416de2e9ded3178e903f1f7603e283b9e06d929",
            ),
            splits=("train",),
        ),
    ),
    "ade20k": (
        Archive(
            name="ADEChallengeData2016.zip",  # no checksum is published; its members have CRCs
            remote=Remote(url=f"{_ADE}/ADEChallengeData2016.zip"),
        ),
        Archive(
            name="annotations_instance.tar",
            remote=Remote(
                url=f"{_ADE_INSTANCES}/annotations_instance.tar",
                size=90_398_720,
                sha256="5eb0db23c64779bc646ca535a3d495db0a75700b9467f8a79eecaf728b266acd",
            ),
            into="ADEChallengeData2016",
        ),
    ),
    "cityscapes": (
        Archive(name="gtFine_trainvaltest.zip", remote=None),
        Archive(name="leftImg8bit_trainvaltest.zip", remote=None),
    ),
}

BY_HAND = (
    "Cityscapes needs an account, and may not be passed on: register at "
    "https://www.cityscapes-dataset.com, download {names} (or: pip install cityscapesscripts && "
    "csDownload {names}), put them into {folder}, compare them with the md5 on the site, and run "
    "this command again; if they are unpacked already, name their folder with --source"
)
"""What to do for archives that are not fetched."""

LICENCES: dict[str, str] = {
    "coco": "annotations CC BY 4.0; each picture has its own Flickr licence (cocodataset.org)",
    "ade20k": "pictures for non-commercial research and education, annotations BSD-3-Clause "
    "(groups.csail.mit.edu/vision/datasets/ADE20K/terms)",
    "cityscapes": "non-commercial, no redistribution (www.cityscapes-dataset.com/license)",
}
"""What their owners allow; the user has to keep it."""
