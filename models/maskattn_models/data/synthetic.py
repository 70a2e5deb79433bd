"""Write generated scenes as a folder data set, complete or not at all."""

from __future__ import annotations

import errno
import json
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import cv2

from maskattn_edge.contract.classes import classes_json
from maskattn_edge.contract.errors import UsageError
from maskattn_edge.optional import require
from maskattn_edge.synthetic import CLASSES, GENERATOR_VERSION, render_clip, render_image
from maskattn_models.data.generation import (
    CHUNK,
    SPLITS,
    appearing,
    check_numbers,
    child_seed,
    finished,
    save,
    shares,
    until_stopped,
)

if TYPE_CHECKING:
    import av.container
    import av.video.stream

_HEIGHT, _WIDTH = 240, 320
_CLIP_HEIGHT, _CLIP_WIDTH = 480, 640
_CLIP_FPS = 15
_JPEG_QUALITY = 92
_CLIPS_BRANCH = len(SPLITS)  # clips take their seeds beside those of the splits


@dataclass(frozen=True, kw_only=True)
class _Task:
    """A run of images of one split, or one clip; `first` is then the clip's number."""

    folder: Path
    seed: int
    branch: int
    first: int
    count: int


def prepare_synthetic(
    folder: Path,
    *,
    images: int,
    seed: int,
    clips: int = 2,
    clip_frames: int = 90,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Write `images` generated pictures with labels, and clips, as a folder data set.

    The folder appears under its name only when all is written. The same arguments give the same
    files whatever `workers` is, for one version of OpenCV and of FFmpeg.

    Layout: `images/{train,val,test}/000000.jpg` (320x240), `masks/...png` (class of each pixel),
    `instances/...png` (0 = none, 1..K), `classes.json`, `clips/clip_0.mp4` (640x480) with the
    labels of its frames in `clips/clip_0/000000.png`, and `manifest.json`. Every tenth part is
    `val`, another `test`; no two splits share a scene.

    Args:
        folder: what to create; it may exist if it is empty.
        images: how many in all splits together, 10 or more.
        seed: 0 or more; another seed gives other scenes.
        clips: how many.
        clip_frames: frames of each clip, at 15 frames a second.
        workers: processes; as many as there are processors if not given, 1 for none beside this.
        progress: called with the frames written and the frames in all.

    Raises:
        UsageError: a number is out of range.
        DataError: `folder` is not empty, cannot be written, or the disk is full.
        MissingDependencyError: there are clips to write, and PyAV is not installed.
    """
    counts = shares(images)
    check_numbers(seed, workers)
    if clips < 0 or (clips > 0 and clip_frames < 1):
        raise UsageError(f"{clips} clips of {clip_frames} frames cannot be written")
    if clips:
        require("av", purpose="writing clips", extra="h264")  # before the long work
    with appearing(folder) as unfinished:
        tasks = _tasks(unfinished, seed, counts, clips, clip_frames)
        total, done = sum(task.count for task in tasks), 0
        for count in finished(_write, tasks, workers):
            done += count
            if progress is not None:
                progress(done, total)
        (unfinished / "classes.json").write_bytes(classes_json(CLASSES))
        manifest = _manifest(seed, counts, clips, clip_frames)
        (unfinished / "manifest.json").write_text(json.dumps(manifest, indent=2) + "\n")


def _tasks(
    folder: Path, seed: int, counts: dict[str, int], clips: int, clip_frames: int
) -> list[_Task]:
    """All the work; clips first, for they take longest."""
    tasks = []
    for number in range(clips):
        (folder / "clips" / f"clip_{number}").mkdir(parents=True)
        tasks.append(
            _Task(folder=folder, seed=seed, branch=_CLIPS_BRANCH, first=number, count=clip_frames)
        )
    for branch, (split, count) in enumerate(counts.items()):
        for kind in ("images", "masks", "instances"):
            (folder / kind / split).mkdir(parents=True)
        for first in range(0, count, CHUNK):
            size = min(CHUNK, count - first)
            tasks.append(_Task(folder=folder, seed=seed, branch=branch, first=first, count=size))
    return tasks


def _write(task: _Task) -> int:
    if task.branch == _CLIPS_BRANCH:
        _write_clip(task)
    else:
        for index in until_stopped(task.count):
            _write_image(task, task.first + index)
    return task.count


def _write_image(task: _Task, index: int) -> None:
    frame = render_image(child_seed(task.seed, task.branch, index), height=_HEIGHT, width=_WIDTH)
    name, split = f"{index:06d}", SPLITS[task.branch]
    jpeg = [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY]
    save(task.folder / "images" / split / f"{name}.jpg", frame.image_bgr, jpeg)
    save(task.folder / "masks" / split / f"{name}.png", frame.labels)
    save(task.folder / "instances" / split / f"{name}.png", frame.instances)


def _write_clip(task: _Task) -> None:
    import av

    folder = task.folder / "clips"
    frames = render_clip(
        child_seed(task.seed, task.branch, task.first),
        frames=task.count,
        fps=_CLIP_FPS,
        height=_CLIP_HEIGHT,
        width=_CLIP_WIDTH,
    )
    path = folder / f"clip_{task.first}.mp4"
    try:
        with av.open(str(path), "w") as container:
            stream = _video_stream(container)
            for index, frame in zip(until_stopped(task.count), frames, strict=True):
                picture = av.VideoFrame.from_ndarray(frame.image_bgr, format="bgr24")
                container.mux(stream.encode(picture))
                save(folder / f"clip_{task.first}" / f"{index:06d}.png", frame.labels)
            container.mux(stream.encode(None))
    except av.error.FFmpegError as error:
        raise OSError(error.errno or errno.EIO, f"video: {error.strerror}") from error


def _video_stream(container: av.container.OutputContainer) -> av.video.stream.VideoStream:
    import av

    if "libx264" in av.codecs_available:
        stream = container.add_stream("libx264", rate=Fraction(_CLIP_FPS), options={"crf": "20"})
    else:
        options = {"crf": "28", "b": "0", "cpu-used": "5", "deadline": "realtime"}
        stream = container.add_stream("libvpx-vp9", rate=Fraction(_CLIP_FPS), options=options)
    stream.width, stream.height = _CLIP_WIDTH, _CLIP_HEIGHT
    stream.pix_fmt = "yuv420p"
    stream.codec_context.thread_count = 1  # the bytes depend on the number of threads
    return stream


def _manifest(seed: int, counts: dict[str, int], clips: int, clip_frames: int) -> dict[str, object]:
    return {
        "dataset": "synthetic",
        "generator_version": GENERATOR_VERSION,
        "opencv_version": cv2.__version__,
        "seed": seed,
        "height": _HEIGHT,
        "width": _WIDTH,
        "images": counts,
        "clips": [
            {
                "file": f"clips/clip_{number}.mp4",
                "labels": f"clips/clip_{number}",
                "frames": clip_frames,
                "fps": _CLIP_FPS,
                "height": _CLIP_HEIGHT,
                "width": _CLIP_WIDTH,
            }
            for number in range(clips)
        ],
        "classes": [info.name for info in CLASSES],
    }
