"""Images and masks from disk, checked: what comes back has the documented shape and range."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from maskattn_edge.contract.errors import DataError
from maskattn_edge.segments import Segments
from maskattn_models.data.dataset import DataSet, Sample, Truth
from maskattn_models.data.files import IMAGE_SUFFIXES, read_file
from maskattn_models.data.masks import MaskTruth


def load_image(path: Path) -> NDArray[np.uint8]:
    """Read an image file; grey and 16-bit images become 8-bit RGB, EXIF orientation is applied.

    Returns:
        (H, W, 3) uint8 RGB.

    Raises:
        DataError: the file is missing, cut short, or no image.
    """
    data = read_file(path)
    if not _complete(data):
        raise DataError(f"{path}: the image is cut short: copy it again or remove it")
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR) if data else None
    except cv2.error:
        image = None
    if image is None:
        raise DataError(
            f"{path}: not a readable image; formats: {', '.join(IMAGE_SUFFIXES)}: copy it again or "
            "remove it"
        )
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), dtype=np.uint8)


def load_sample(sample: Sample, dataset: DataSet) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """An image with its labels, as training and semantic scores see them.

    Returns:
        (H, W, 3) uint8 RGB, and (H, W) uint8 class indices; void and crowds are 255, except that
        a mask which labels the pixels of a crowd says what they are.

    Raises:
        DataError: as `load_image`; the truth cannot be read, has another size than its image, or
            holds a value that the data set gives no meaning.
    """
    image, labels = load_image(sample.image), truth_of(dataset).labels(sample)
    _check_size(sample, image, labels)
    return image, labels


def load_segments(sample: Sample, dataset: DataSet) -> tuple[NDArray[np.uint8], Segments]:
    """An image with its segments, crowds included; one for each class where truth has no objects.

    Returns:
        (H, W, 3) uint8 RGB, and segments of the same size.

    Raises:
        DataError: as `load_sample`.
    """
    image, segments = load_image(sample.image), truth_of(dataset).segments(sample)
    _check_size(sample, image, segments.map)
    return image, segments


def load_labels(sample: Sample, dataset: DataSet) -> NDArray[np.uint8]:
    """The labels of a sample, (H, W) uint8 class indices, 255 = ignored; see `load_sample`.

    Raises:
        DataError: as `load_sample`. The image is read as well, because its size is compared.
    """
    return load_sample(sample, dataset)[1]


def truth_of(dataset: DataSet) -> Truth:
    """How the files of a data set are read."""
    return dataset.truth or MaskTruth(
        name=dataset.name, classes=dataset.classes, label_table=dataset.label_table
    )


def _check_size(sample: Sample, image: NDArray[np.uint8], truth: NDArray[np.generic]) -> None:
    if image.shape[:2] == truth.shape:
        return
    turned = image.shape[1::-1] == truth.shape
    mend = "turn the mask as the image's EXIF orientation says" if turned else "scale the mask"
    raise DataError(
        f"{sample.mask or sample.image}: the mask is {_size(truth)}, its image {_size(image)}: "
        f"{mend}"
    )


def _complete(data: bytes) -> bool:
    """False for a JPEG or PNG file that ends early: OpenCV would fill the rest with grey."""
    if data.startswith(b"\xff\xd8"):  # the end mark must follow the last start of scan
        return data.rfind(b"\xff\xd9") > data.rfind(b"\xff\xda")
    return not data.startswith(b"\x89PNG") or b"IEND" in data


def _size(picture: NDArray[np.generic]) -> str:
    return f"{picture.shape[1]}x{picture.shape[0]}"
