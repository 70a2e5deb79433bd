"""The JSON file beside a plan: what it is, and how to know that it is whole. Schema 1.

The plan itself stays plain, so that trtexec and DeepStream read it. Cache folders get copied
between machines, so a sidecar is read as from a stranger.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from maskattn_edge.engines.tensorrt.fingerprint import Fingerprint

MAX_SIDECAR_BYTES = 64 * 2**10
_Size = Annotated[int, msgspec.Meta(ge=0, le=2**40)]
_Share = Annotated[float, msgspec.Meta(ge=0, le=1)]
_Short = Annotated[str, msgspec.Meta(max_length=256)]


class Agreement(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Engine against reference answers, fractions in [0, 1].

    Args:
        reference: what the engine was compared with, in words.
        images: how many.
        labels: share of pixels with the same label.
        miou: mean IoU between both label maps, over classes that fill 0.2 % of either.
        file_labels: share of equal labels that the model file itself reaches on the CPU.
        objects: share of objects that have a partner (2 matched / all); None without objects.
    """

    reference: _Short
    images: Annotated[int, msgspec.Meta(ge=1)]
    labels: _Share
    miou: _Share
    file_labels: _Share
    objects: _Share | None = None


class Measured(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the build itself took and gave; activation memory is the engine's while it runs."""

    build_s: Annotated[float, msgspec.Meta(ge=0)]
    peak_host_bytes: _Size
    activation_bytes: _Size
    layers: Annotated[int, msgspec.Meta(ge=0)]


class Sidecar(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One engine of the cache."""

    schema: Literal[1] = 1
    model: _Short
    precision: _Short
    plan: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9_-]{1,128}\.plan$")]
    plan_sha256: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]
    plan_bytes: _Size
    fingerprint: Fingerprint
    measured: Measured
    agreement: Agreement
    built_at: Annotated[float, msgspec.Meta(ge=0)]


def encode_sidecar(sidecar: Sidecar) -> bytes:
    """The JSON text, indented for people."""
    return msgspec.json.format(msgspec.json.encode(sidecar), indent=2) + b"\n"


def decode_sidecar(text: bytes) -> Sidecar:
    """Read a sidecar.

    Raises:
        ValueError: it is too long, not JSON, of another schema, or breaks a bound.
    """
    if len(text) > MAX_SIDECAR_BYTES:
        raise ValueError(f"it has {len(text):,} bytes, at most {MAX_SIDECAR_BYTES:,} are possible")
    try:
        return msgspec.json.decode(text, type=Sidecar)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(str(error)) from error
