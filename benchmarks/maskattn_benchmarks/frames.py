"""Frames that a benchmark takes in turn, and pictures of what a model made of them."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from maskattn_benchmarks.harness import segment
from maskattn_edge.contract.errors import SourceError
from maskattn_edge.engines import Engine
from maskattn_edge.sources import open_source

JPEG_QUALITY = 90
PICTURES = 3
PICTURE_WIDTH = 320


def camera_frames(uri: str, count: int) -> tuple[list[bytes], int, int]:
    """Frames of a source as a USB camera sends them, JPEG.

    Args:
        uri: as `run --source` takes it.
        count: frames to take; fewer where the source has fewer.

    Returns:
        The files, and the height and width of the frames.

    Raises:
        SourceError: the source has no frame.
    """
    files: list[bytes] = []
    size = 0, 0
    with open_source(uri) as source:
        while len(files) < count:
            frame = source.read()
            if frame is None:
                break
            size = (frame.image_bgr.shape[0], frame.image_bgr.shape[1])
            files.append(_jpeg(frame.image_bgr, JPEG_QUALITY))
    if not files:
        raise SourceError(f"{uri} has no frame to measure with")
    return files, *size


def prediction_pictures(engine: Engine, frames: Sequence[bytes]) -> tuple[bytes, ...]:
    """Frames beside their overlays, JPEG, spread over `frames`."""
    spread = np.linspace(0, len(frames) - 1, min(PICTURES, len(frames))).round().astype(int)
    pictures = []
    for index in spread:
        image = cv2.imdecode(np.frombuffer(frames[index], np.uint8), cv2.IMREAD_COLOR)
        if image is None:
            raise SourceError("a frame of the benchmark is no picture")
        frame = np.asarray(image, np.uint8)
        answer, _, _ = segment(engine, frame)
        pair = np.hstack([frame, answer.overlay(frame)])
        height = max(1, round(frame.shape[0] * PICTURE_WIDTH / frame.shape[1]))
        small = cv2.resize(pair, (2 * PICTURE_WIDTH, height), interpolation=cv2.INTER_AREA)
        pictures.append(_jpeg(np.asarray(small, np.uint8), 80))
    return tuple(pictures)


def _jpeg(image_bgr: NDArray[np.uint8], quality: int) -> bytes:
    done, data = cv2.imencode(".jpg", image_bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not done:
        raise SourceError(f"a frame of {image_bgr.shape} cannot be stored as JPEG")
    return data.tobytes()
