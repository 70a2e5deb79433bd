"""H.264 in MP4 through PyAV, which the extra `h264` brings."""

from __future__ import annotations

from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import cv2
import numpy as np
from numpy.typing import NDArray

from maskattn_edge.contract.errors import MissingDependencyError, SinkError

if TYPE_CHECKING:
    from av import VideoFrame

_ENCODERS = {
    "libx264": {"preset": "veryfast", "crf": "23"},
    "libopenh264": {"rc_mode": "quality"},
}
_MILLISECOND = Fraction(1, 1000)


def h264_encoder(path: Path) -> str:
    """The name of the encoder that writes `path`.

    Raises:
        MissingDependencyError: PyAV is not installed.
        SinkError: it has no H.264 encoder.
    """
    webm = path.with_suffix(".webm").name
    try:
        import av
    except ModuleNotFoundError as error:
        if error.name != "av":
            raise
        raise MissingDependencyError(
            f"--save {path}: {path.suffix} needs an H.264 encoder: use --save {webm}, which needs "
            "nothing more, or pip install 'maskattn-edge[h264]'"
        ) from error
    for name in _ENCODERS:
        if name in av.codecs_available:
            return name
    raise SinkError(
        f"--save {path}: this PyAV build has no H.264 encoder ({', '.join(_ENCODERS)}): "
        f"use --save {webm}"
    )


class H264Writer:
    """Writes an MP4 file. Pictures get an even size, because colour has half resolution.

    Args:
        file: open for writing, seekable, empty; the caller closes it.
        size: (height, width) of all pictures.
        encoder: as `h264_encoder` names it.
    """

    def __init__(self, file: BinaryIO, *, size: tuple[int, int], encoder: str) -> None:
        import av

        # Into our own file object: FFmpeg's would keep a full disk to itself.
        self._container = av.open(file, "w", format="mp4")
        stream: Any = self._container.add_stream(encoder, rate=25, options=dict(_ENCODERS[encoder]))
        stream.height, stream.width = (side + side % 2 for side in size)
        stream.pix_fmt = "yuv420p"
        stream.codec_context.time_base = _MILLISECOND
        self._stream, self._size, self._encoder = stream, size, encoder

    def write(self, picture: NDArray[np.uint8], time_ms: int) -> None:
        """Encode one picture, (H, W, 3) uint8 BGR, shown from `time_ms` on, which only grows."""
        import av

        height, width = self._size
        if height % 2 or width % 2:
            picture = np.asarray(
                cv2.copyMakeBorder(picture, 0, height % 2, 0, width % 2, cv2.BORDER_REPLICATE),
                dtype=np.uint8,
            )
        frame = av.VideoFrame.from_ndarray(picture, format="bgr24")
        frame.pts, frame.time_base = time_ms, _MILLISECOND
        self._mux(frame)

    def close(self) -> None:
        """Write what the encoder keeps back, and the index without which no MP4 plays."""
        self._mux(None)
        self._container.close()

    def abandon(self) -> None:
        """Give back the encoder; the file is of no use any more."""
        with suppress(Exception):
            self._container.close()

    def _mux(self, frame: VideoFrame | None) -> None:
        try:
            for packet in self._stream.encode(frame):
                self._container.mux(packet)
        except OSError as error:
            if error.errno:
                raise
            raise SinkError(f"{self._encoder} cannot encode: {error}") from error
        except ValueError as error:
            raise SinkError(f"{self._encoder} cannot encode: {error}") from error
