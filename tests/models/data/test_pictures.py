from __future__ import annotations

import struct
import zlib

import cv2
import numpy as np
import pytest

from maskattn_edge.contract.classes import numbered_classes
from maskattn_edge.contract.errors import DataError
from maskattn_models.data import (
    DataSet,
    Sample,
    label_table,
    load_image,
    load_labels,
    load_sample,
)
from maskattn_models.data.png import read_index_png


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(samples, *, bits=8, kind=3, extra=()) -> bytes:
    """A PNG file written by hand: unfiltered rows of packed samples."""
    rows = b"".join(
        b"\0" + np.packbits(np.unpackbits(row[:, None], axis=1)[:, 8 - bits :].ravel()).tobytes()
        for row in samples.astype(np.uint8)
    )
    header = struct.pack(">IIBBBBB", samples.shape[1], samples.shape[0], bits, kind, 0, 0, 0)
    side = list(extra)
    if kind == 3:
        side.append(chunk(b"PLTE", bytes(range(7, 7 + 3 * min(2**bits, 64)))))
    return b"".join(
        [b"\x89PNG\r\n\x1a\n", chunk(b"IHDR", header), *side]
        + [chunk(b"IDAT", zlib.compress(rows)), chunk(b"IEND", b"")]
    )


def dataset_of(tmp_path, classes=3):
    return DataSet(
        name="hand",
        root=tmp_path,
        classes=numbered_classes(classes),
        splits={},
        label_table=label_table(classes),
    )


def sample_of(tmp_path, mask_file: bytes, size=(4, 6)) -> Sample:
    sample = Sample(tmp_path / "a.png", tmp_path / "a_mask.png")
    cv2.imwrite(str(sample.image), np.zeros((*size, 3), np.uint8))
    sample.mask.write_bytes(mask_file)
    return sample


@pytest.mark.parametrize("kind", [0, 3])
@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_indices_are_read_as_stored(kind, bits):
    samples = np.arange(60).reshape(6, 10) % 2**bits
    np.testing.assert_array_equal(read_index_png(png(samples, bits=bits, kind=kind)), samples)


def test_opencv_alone_would_turn_a_palette_into_colours():
    file = png(np.array([[0, 1], [2, 1]]))
    assert cv2.imdecode(np.frombuffer(file, np.uint8), cv2.IMREAD_UNCHANGED).ndim == 3


@pytest.mark.parametrize("kind", [0, 3])
def test_transparency_gamma_and_orientation_leave_indices_alone(kind):
    samples = np.arange(12).reshape(3, 4)
    exif = b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0"
    extra = [chunk(b"gAMA", struct.pack(">I", 45455)), chunk(b"eXIf", exif)]
    if kind == 0:
        extra.append(chunk(b"tRNS", b"\0\x02"))
    np.testing.assert_array_equal(read_index_png(png(samples, kind=kind, extra=extra)), samples)


def test_mask_written_by_opencv_is_read():
    samples = np.random.default_rng(0).integers(0, 255, (17, 23)).astype(np.uint8)
    np.testing.assert_array_equal(
        read_index_png(cv2.imencode(".png", samples)[1].tobytes()), samples
    )


@pytest.mark.parametrize(
    ("picture", "message"),
    [
        (np.zeros((4, 6), np.uint16), "a_mask.png: has 16 bits per sample; .* convert"),
        (np.zeros((4, 6, 3), np.uint8), "a_mask.png: holds RGB colours; .* class number"),
        (np.zeros((4, 6, 4), np.uint8), "a_mask.png: holds RGBA colours"),
        (np.zeros((4, 5), np.uint8), "the mask is 5x4, its image 6x4: scale the mask"),
        (np.zeros((6, 4), np.uint8), "the mask is 4x6, its image 6x4: turn the mask .* EXIF"),
        (np.full((4, 6), 3, np.uint8), "holds the value 3, but hand has 3 classes"),
        (np.full((4, 6), 254, np.uint8), "holds the value 254, but hand has 3 classes"),
    ],
)
def test_mask_that_is_no_index_image_is_refused(tmp_path, picture, message):
    sample = sample_of(tmp_path, cv2.imencode(".png", picture)[1].tobytes())
    with pytest.raises(DataError, match=message) as caught:
        load_labels(sample, dataset_of(tmp_path))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kept", [0, 7, 20, 60, -13, -5])
def test_damaged_mask_is_refused(tmp_path, kept):
    whole = cv2.imencode(".png", np.arange(24, dtype=np.uint8).reshape(4, 6) % 3)[1].tobytes()
    with pytest.raises(DataError, match=r"a_mask.png: (not|an incomplete or damaged) "):
        load_labels(sample_of(tmp_path, whole[:kept]), dataset_of(tmp_path))


def test_mask_with_flipped_byte_is_refused(tmp_path):
    data = bytearray(png(np.zeros((4, 6), np.uint8)))
    data[-20] ^= 1
    with pytest.raises(DataError, match="incomplete or damaged PNG"):
        load_labels(sample_of(tmp_path, bytes(data)), dataset_of(tmp_path))


def test_labels_go_through_the_table(tmp_path):
    mask = np.array([[0, 1, 2, 255, 1, 0]] * 4, np.uint8)
    image, labels = load_sample(sample_of(tmp_path, png(mask)), dataset_of(tmp_path))
    assert image.shape == (4, 6, 3)
    np.testing.assert_array_equal(labels, mask)


def test_with_255_classes_every_value_is_valid(tmp_path):
    mask = np.arange(232, 256, dtype=np.uint8).reshape(4, 6)
    np.testing.assert_array_equal(
        load_labels(sample_of(tmp_path, png(mask, kind=0)), dataset_of(tmp_path, 255)), mask
    )


def test_image_is_rgb(tmp_path):
    cv2.imwrite(str(tmp_path / "a.png"), np.full((2, 3, 3), (30, 20, 10), np.uint8))
    assert load_image(tmp_path / "a.png")[0, 0].tolist() == [10, 20, 30]


@pytest.mark.parametrize(
    "picture",
    [
        np.full((2, 3), 200, np.uint8),
        np.full((2, 3), 200 * 257, np.uint16),
        np.full((2, 3, 3), 200 * 257, np.uint16),
        np.full((2, 3, 4), 200, np.uint8),
    ],
)
def test_grey_deep_and_transparent_images_become_8_bit_rgb(tmp_path, picture):
    cv2.imwrite(str(tmp_path / "a.png"), picture)
    image = load_image(tmp_path / "a.png")
    assert image.dtype == np.uint8
    np.testing.assert_array_equal(image, np.full((2, 3, 3), 200))


def test_exif_orientation_is_applied(tmp_path):
    jpeg = cv2.imencode(".jpg", np.zeros((8, 16, 3), np.uint8))[1].tobytes()
    exif = b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0"
    segment = b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif
    (tmp_path / "a.jpg").write_bytes(jpeg[:2] + segment + jpeg[2:])
    assert load_image(tmp_path / "a.jpg").shape == (16, 8, 3)


@pytest.mark.parametrize("suffix", [".jpg", ".png"])
def test_image_that_is_cut_short_is_refused(tmp_path, suffix):
    noise = np.random.default_rng(0).integers(0, 255, (40, 50, 3)).astype(np.uint8)
    data = cv2.imencode(suffix, noise)[1].tobytes()
    path = tmp_path / f"a{suffix}"
    path.write_bytes(data[: int(len(data) * 0.9)])
    with pytest.raises(DataError, match=rf"a\{suffix}: the image is cut short"):
        load_image(path)


@pytest.mark.parametrize("data", [b"", b"no picture at all"])
def test_file_that_is_no_image_is_refused(tmp_path, data):
    (tmp_path / "a.jpg").write_bytes(data)
    with pytest.raises(DataError, match=r"a\.jpg: not a readable image"):
        load_image(tmp_path / "a.jpg")


def test_missing_image_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"a\.jpg: no such file"):
        load_image(tmp_path / "a.jpg")
