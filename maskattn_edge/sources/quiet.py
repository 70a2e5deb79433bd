"""OpenCV prints its own remarks on stderr; the errors here say what matters in one line."""

from __future__ import annotations

import os

import cv2


def silence_opencv() -> None:
    """Turn off OpenCV's and its FFmpeg's messages. To be called before a capture is opened."""
    cv2.utils.logging.setLogLevel(0)
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
