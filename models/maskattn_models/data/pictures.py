"""Images and masks from disk, checked: what comes back has the documented shape and range."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from maskattn_edge.contract.errors import DataError
from maskattn_models.data.dataset import INVALID, DataSet, Sample
from maskattn_models.data.png import read_index_png

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp")


def load_image(path: Path) -> NDArray[np.uint8]:
    """Read an image file; grey and 16-bit images become 8-bit RGB, EXIF orientation is applied.

    Returns:
        (H, W, 3) uint8 RGB.

    Raises:
        DataError: the file is missing, cut short, or no image.
    """
    data = _read(path)
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
    """An image with its labels.

    Returns:
        (H, W, 3) uint8 RGB, and (H, W) uint8 class indices, 255 = ignored.

    Raises:
        DataError: as `load_image`; as `read_mask`; the mask has another size than its image, or
            holds a value that the data set gives no meaning.
    """
    image, mask = load_image(sample.image), read_mask(sample.mask)
    if image.shape[:2] != mask.shape:
        turned = image.shape[1::-1] == mask.shape
        mend = "turn the mask as the image's EXIF orientation says" if turned else "scale the mask"
        raise DataError(
            f"{sample.mask}: the mask is {_size(mask)}, its image {_size(image)}: {mend}"
        )
    return image, _to_classes(mask, sample, dataset)


def load_labels(sample: Sample, dataset: DataSet) -> NDArray[np.uint8]:
    """The labels of a sample, (H, W) uint8 class indices, 255 = ignored; see `load_sample`.

    Raises:
        DataError: as `load_sample`. The image is read as well, because its size is compared.
    """
    return load_sample(sample, dataset)[1]


def read_mask(path: Path) -> NDArray[np.uint8]:
    """The numbers in a mask file, (H, W) uint8, as stored.

    Raises:
        DataError: the file is missing, damaged, in colours, or of 16 bits.
    """
    try:
        return read_index_png(_read(path))
    except DataError as error:
        text = str(error)
        raise DataError(text if text.startswith(str(path)) else f"{path}: {text}") from error


def _to_classes(mask: NDArray[np.uint8], sample: Sample, dataset: DataSet) -> NDArray[np.uint8]:
    labels: NDArray[np.uint8] = dataset.label_table[mask]
    count = len(dataset.classes)
    if count <= INVALID and (invalid := labels == INVALID).any():
        raise DataError(
            f"{sample.mask}: the mask holds the value {int(mask[invalid][0])}, but {dataset.name} "
            f"has {count} classes, numbered from 0: correct the mask, set such pixels to 255 "
            "(ignored), or name all classes in classes.json"
        )
    return labels


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such file") from error
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error


def _complete(data: bytes) -> bool:
    """False for a JPEG or PNG file that ends early: OpenCV would fill the rest with grey."""
    if data.startswith(b"\xff\xd8"):  # the end mark must follow the last start of scan
        return data.rfind(b"\xff\xd9") > data.rfind(b"\xff\xda")
    return not data.startswith(b"\x89PNG") or b"IEND" in data


def _size(picture: NDArray[np.uint8]) -> str:
    return f"{picture.shape[1]}x{picture.shape[0]}"
