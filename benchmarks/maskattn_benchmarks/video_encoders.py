"""What writing and reading a video costs: `python -m maskattn_benchmarks.video_encoders CLIP`.

Compares the WebM writer of `run --save` with OpenCV's own VP8 and with H.264 through PyAV, and the
reading of the clip by OpenCV and by PyAV. Processor time counts all threads.
"""

from __future__ import annotations

import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from maskattn_edge.sinks.video import WRITERS

_SIZE = (480, 640)
_FRAMES = 100

Pictures = list[NDArray[np.uint8]]


def write_with(suffix: str, pictures: Pictures, path: Path) -> None:
    """Write `pictures` as `--save` does."""
    with path.open("wb") as file:
        writer = WRITERS[suffix](path)(file, _SIZE)
        for index, picture in enumerate(pictures):
            writer.write(picture, index * 40)
        writer.close()


def write_with_opencv(pictures: Pictures, path: Path) -> None:
    """Write `pictures` with OpenCV's VP8 encoder, which takes no options."""
    fourcc = cv2.VideoWriter.fourcc(*"VP80")
    writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, fourcc, 25.0, _SIZE[::-1])
    for picture in pictures:
        writer.write(picture)
    writer.release()


def read_with_opencv(path: Path) -> Iterator[NDArray[np.uint8]]:
    """All pictures of a video."""
    capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
    while True:
        read, picture = capture.read()
        if not read:
            return
        yield np.asarray(picture, dtype=np.uint8)


def read_with_pyav(path: Path) -> Iterator[Any]:
    """All pictures of a video."""
    import av

    with av.open(str(path)) as container:
        container.streams.video[0].thread_type = "AUTO"
        for frame in container.decode(video=0):
            yield frame.to_ndarray(format="bgr24")


def cost(work: Callable[[], object], frames: int) -> str:
    """Run `work` once; its processor time and rate over `frames`."""
    cpu, wall = time.process_time(), time.perf_counter()
    work()
    cpu_ms = (time.process_time() - cpu) / frames * 1e3
    rate = frames / (time.perf_counter() - wall)
    return f"{cpu_ms:5.1f} ms of processor per frame, {rate:6.1f} fps"


def main(clip: Path) -> None:
    """Print one line per way."""
    pictures: Pictures = []
    for picture in read_with_opencv(clip):
        pictures.append(np.asarray(cv2.resize(picture, _SIZE[::-1]), dtype=np.uint8))
        if len(pictures) == _FRAMES:
            break
    total = sum(1 for _ in read_with_opencv(clip))
    print(f"{len(pictures)} frames of {clip.name} at 640x480; it has {total}")
    with tempfile.TemporaryDirectory() as folder:
        ways: dict[str, Callable[[Path], None]] = {
            "write .webm": lambda path: write_with(".webm", pictures, path),
            "write VP80 by OpenCV .webm": lambda path: write_with_opencv(pictures, path),
            "write .mp4": lambda path: write_with(".mp4", pictures, path),
        }
        for name, write in ways.items():
            path = Path(folder) / f"clip{name[-5:].strip()}"
            line = cost(lambda write=write, path=path: write(path), len(pictures))  # type: ignore[misc]
            print(f"{name:28}{line}, {path.stat().st_size / len(pictures) / 1024:5.1f} KiB a frame")
    for name, read in {"OpenCV": read_with_opencv, "PyAV": read_with_pyav}.items():
        line = cost(lambda read=read: [None for _ in read(clip)], total)  # type: ignore[misc]
        print(f"read by {name:20}{line}")
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"resident memory at most {peak_mb:.0f} MB")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
