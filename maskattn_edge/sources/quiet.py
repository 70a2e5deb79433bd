"""OpenCV prints its own remarks on stderr; the errors here say what matters in one line."""

from __future__ import annotations

import os

import cv2


def silence_opencv() -> None:
    """Turn off OpenCV's and its FFmpeg's messages. To be called before a capture is opened."""
    getattr(cv2.utils, "logging", cv2).setLogLevel(0)  # before OpenCV 4.13 it is in cv2 itself
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
