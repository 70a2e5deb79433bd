"""Results of a camera or file, one after the other, for a `for` loop."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

from maskattn_edge.closing import Closing
from maskattn_edge.frame import Frame
from maskattn_edge.model import Model
from maskattn_edge.model import open as open_model
from maskattn_edge.pipeline.capture import Capture
from maskattn_edge.pipeline.settings import Settings
from maskattn_edge.pipeline.slot import Slot
from maskattn_edge.pipeline.stop import Stop
from maskattn_edge.segmentation import Segmentation
from maskattn_edge.sources import Source, open_source


class Stream(Closing, Iterator[Segmentation]):
    """The results of a source. An iterator and a context manager; one thread uses it.

    A thread of its own reads the source. Of a live one, each step takes the newest frame, however
    long the loop's body took; of a file, every frame in order. The loop's end, `break` and an
    error in its body close the source.
    """

    def __init__(self, source: Source, model: Model, settings: Settings, *, owns: bool) -> None:
        self._source, self._model, self._settings, self._owns = source, model, settings, owns
        self._stop = Stop()
        self._slot: Slot[Frame] = Slot(
            1 if source.live else settings.queue_frames, lossy=source.live
        )
        limit = None if source.live else settings.max_frames
        self._capture = Capture(source, self._slot, self._stop, limit=limit, clock=time.monotonic)
        self._due = float("-inf")
        self._open = True
        self.processed = 0
        """Results so far."""

    @property
    def captured(self) -> int:
        """Frames read from the source so far."""
        return self._capture.captured

    @property
    def dropped(self) -> int:
        """Frames that a newer one replaced before they were asked for."""
        return self._slot.dropped

    def __next__(self) -> Segmentation:
        """The next result.

        Raises:
            StopIteration: the source is at its end, or the stream is closed.
            SourceError: the source failed; the results before it have all come.
            EngineError: the engine failed.
        """
        if not self._open or self.processed == self._settings.max_frames:
            self.close()
            raise StopIteration
        if self._capture.ident is None:
            self._capture.start()
        self._pace()
        frame = self._slot.take()
        if frame is None:
            self.close()
            if self._stop.error is not None:
                raise self._stop.error
            raise StopIteration
        answer = self._model(frame)
        self.processed += 1
        return answer

    def _pace(self) -> None:
        """Wait until the next frame may be taken."""
        if self._settings.max_fps is None:
            return
        wait_s = self._due - time.monotonic()
        if wait_s > 0:
            time.sleep(wait_s)
        self._due = time.monotonic() + 1 / self._settings.max_fps

    def close(self) -> None:
        """Close the source, and the model where the stream opened it; may be called twice."""
        if not self._open:
            return
        self._open = False
        self._capture.end()
        if self._owns:
            self._model.close()

    def __del__(self) -> None:
        """A loop that was left by `break` holds no camera."""
        if hasattr(self, "_open"):  # the constructor may have failed
            self.close()


def stream(
    source: str | int | Path | Source,
    model: Model | str | Path | None = None,
    *,
    max_frames: int | None = None,
    max_fps: float | None = None,
) -> Stream:
    """Segment a camera, a stream, a video or pictures, frame by frame.

    Args:
        source: what `--source` takes, a camera's number, or an open source, which is then closed
            with the stream.
        model: an open model, which stays open; a model file or None (the shipped one) is opened,
            and closed with the stream.
        max_frames: end after so many results.
        max_fps: give at most so many results a second.

    Raises:
        UsageError: the kind of source is not known.
        SourceError: the source cannot be opened.
        ContractError: a number is out of range.
        MaskAttnError: as `open` does, where the model is a file.
    """
    settings = Settings(max_frames=max_frames, max_fps=max_fps)
    opened = source if isinstance(source, Source) else open_source(str(source))
    if isinstance(model, Model):
        return Stream(opened, model, settings, owns=False)
    try:
        return Stream(opened, open_model(model), settings, owns=True)
    except BaseException:
        opened.close()
        raise
