"""Which video encoder of this PyAV build is used for which kind of file."""

from __future__ import annotations

from dataclasses import dataclass, field

from maskattn_edge.contract.errors import SinkError


@dataclass(frozen=True)
class Encoder:
    """An encoder and its options; all give 8-bit 4:2:0, which every browser plays."""

    name: str
    options: dict[str, str] = field(default_factory=dict)


_H264 = (
    Encoder("libx264", {"preset": "veryfast", "crf": "23"}),
    Encoder("libopenh264", {"rc_mode": "quality"}),
)
_VPX = {"deadline": "realtime", "cpu-used": "8", "row-mt": "1", "b": "2M"}
_WEB = (
    Encoder("libvpx-vp9", _VPX),
    Encoder("libvpx", _VPX),
    Encoder("libsvtav1", {"preset": "11", "crf": "35"}),
    Encoder("libaom-av1", {"usage": "realtime", "cpu-used": "9", "crf": "35"}),
)
_VP8_NOT_IN_MP4 = tuple(encoder for encoder in _WEB if encoder.name != "libvpx")

ENCODERS = {
    ".mp4": _H264 + _VP8_NOT_IN_MP4,
    ".mkv": _H264 + _WEB,
    ".webm": _WEB,
}
"""Suffix of a video file -> encoders that suit it, best first."""


def choose_encoder(suffix: str) -> Encoder:
    """The first encoder for `suffix` that this PyAV build has.

    Raises:
        SinkError: it has none of them.
    """
    import av

    for encoder in ENCODERS[suffix]:
        if encoder.name in av.codecs_available:
            return encoder
    names = ", ".join(encoder.name for encoder in ENCODERS[suffix])
    raise SinkError(
        f"this PyAV build cannot encode {suffix} (it has none of {names}): pip install -U av"
    )
