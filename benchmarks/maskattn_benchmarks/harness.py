"""Times frames on one engine, stage by stage; knows nothing of models.

The clock is read five times a frame and nothing else happens between the readings: what a frame
leaves behind is stored after the last one. What that costs is measured with `NullEngine`.
"""

from __future__ import annotations

import math
import time
from array import array
from collections.abc import Callable, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from maskattn_benchmarks.results import Samples
from maskattn_edge.contract.errors import ContractError, EngineError, SourceError
from maskattn_edge.contract.model_file import ModelFile
from maskattn_edge.engines import Engine
from maskattn_edge.frame import FrameTimes
from maskattn_edge.latency import LatencySettings
from maskattn_edge.preprocess import network_input
from maskattn_edge.segmentation import Segmentation

Clock = Callable[[], float]

_COLUMNS = ("decode", "scale", "engine", "enlarge")


class NullEngine(Engine):
    """Answers at once with class 0 everywhere: what is left is the harness's own cost."""

    name = "null"

    def __init__(self, file: ModelFile) -> None:
        super().__init__(file)
        size = file.spec.input
        self._labels = np.zeros((1, size.height, size.width), np.uint8)

    @property
    def device(self) -> str:
        """Nowhere."""
        return "no device"

    def _run(self, image_nhwc: NDArray[np.uint8]) -> dict[str, NDArray[np.generic]]:
        if "instances" not in {port.name for port in self.file.outputs}:
            return {"labels": self._labels}
        return {
            "labels": self._labels,
            "instances": self._labels,
            "instance_class": np.zeros((1, 1), np.uint8),
            "instance_score": np.zeros((1, 1), np.float32),
            "instance_box": np.zeros((1, 1, 4), np.int32),
        }


class Stopwatch:
    """Takes the frames of one engine in blocks, and keeps every sample.

    Args:
        engine: what is timed; the caller closes it.
        frames: JPEG files as a camera gives them, at least one; taken in turn.
        settings: warm-up, and the two minima that end the run when both are met.
        started: the clock's reading that samples are counted from.
        max_warmup_s: seconds after which the warm-up ends with fewer frames, but at least one.
        clock: seconds, monotonic.

    Raises:
        ContractError: there is no frame.
    """

    def __init__(
        self,
        engine: Engine,
        frames: Sequence[bytes],
        settings: LatencySettings,
        *,
        started: float = 0.0,
        max_warmup_s: float = math.inf,
        clock: Clock = time.perf_counter,
    ) -> None:
        if not frames:
            raise ContractError("a benchmark needs at least one frame")
        self._engine, self._settings, self._clock = engine, settings, clock
        self._frames = [np.frombuffer(data, np.uint8) for data in frames]
        self._started, self._max_warmup_s = started, max_warmup_s
        self._next = 0
        self.warmup, self.steady = _Log(), _Log()
        self.seconds = 0.0

    @property
    def done(self) -> bool:
        """Whether enough frames and enough time have passed, warm-up not counted."""
        enough = len(self.steady) >= self._settings.min_frames
        return enough and self.seconds >= self._settings.min_seconds

    def warm_up(self) -> None:
        """Take the frames of the warm-up, which are kept apart. Raises as `take`."""
        begin = self._clock()
        for _ in range(self._settings.warmup_frames):
            self.warmup.add(0, *self._frame())
            if self._clock() - begin > self._max_warmup_s:
                return

    def take(self, block: int, frames: int) -> float:
        """Take a block of frames without a pause; the seconds that it took.

        Raises:
            EngineError: the engine fails.
            SourceError: a frame is no picture.
        """
        begin = self._clock()
        for _ in range(frames):
            self.steady.add(block, *self._frame())
        took = self._clock() - begin
        self.seconds += took
        return took

    def drain(self) -> Samples:
        """The timed samples since the last call; they are kept no longer."""
        log, self.steady = self.steady, _Log()
        return log.samples()

    def _frame(self) -> tuple[float | None, float, float, float, float, float]:
        """The GPU's milliseconds, the start in seconds of the run, milliseconds of the stages."""
        data = self._frames[self._next % len(self._frames)]
        self._next += 1
        clock, engine = self._clock, self._engine
        start = clock()
        image_bgr = cv2.imdecode(data, cv2.IMREAD_COLOR)
        decoded = clock()
        if image_bgr is None:
            raise SourceError("a frame of the benchmark is no picture")
        answer, scaled, inferred = segment(engine, np.asarray(image_bgr, np.uint8), clock)
        labels = answer.frame_labels
        enlarged = clock()
        if labels.shape != image_bgr.shape[:2]:
            raise EngineError(f"the labels are {labels.shape}, the frame {image_bgr.shape[:2]}")
        marks = (start, decoded, scaled, inferred, enlarged)
        decode, scale, infer, enlarge = (
            (after - before) * 1e3 for before, after in zip(marks, marks[1:], strict=False)
        )
        return engine.gpu_ms, start - self._started, decode, scale, infer, enlarge


def segment(
    engine: Engine, image_bgr: NDArray[np.uint8], clock: Clock = time.perf_counter
) -> tuple[Segmentation, float, float]:
    """Segment a frame as the pipeline does.

    Returns:
        The answer, placed in the frame; when the frame was scaled, and when labels were there.
    """
    image, place = network_input(image_bgr, engine.spec.input)
    scaled = clock()
    answer = engine.infer(image)
    inferred = clock()
    return answer.at(place, FrameTimes(captured=scaled)), scaled, inferred


class _Log:
    """Samples as they come, in arrays that grow without an object per number."""

    def __init__(self) -> None:
        self._at, self._block, self._gpu = array("d"), array("l"), array("d")
        self._stages = {name: array("d") for name in _COLUMNS}

    def __len__(self) -> int:
        return len(self._at)

    def add(self, block: int, gpu_ms: float | None, at: float, *stages: float) -> None:
        self._at.append(at)
        if gpu_ms is not None:
            self._gpu.append(gpu_ms)
        self._block.append(block)
        for column, value in zip(self._stages.values(), stages, strict=True):
            column.append(value)

    def samples(self) -> Samples:
        """What was taken so far, rounded to 0.1 us: a clock tells no more."""
        return Samples(
            at=_rounded(self._at),
            block=tuple(self._block),
            **{name: _rounded(column) for name, column in self._stages.items()},
            gpu=_rounded(self._gpu),
        )


def _rounded(column: array[float]) -> tuple[float, ...]:
    return tuple(np.round(np.array(column), 4).tolist())
