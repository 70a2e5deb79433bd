"""What an engine was built from and for. If any of it differs, the engine is another's."""

from __future__ import annotations

import hashlib
from typing import Annotated

import msgspec

from maskattn_edge.contract.errors import UsageError
from maskattn_edge.engines.gpu import DeviceFacts

_Short = Annotated[str, msgspec.Meta(max_length=256)]

DEFAULT_WORKSPACE_MB = 256


class BuildOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a user may ask of the builder. Precision is none of it: it lies in the model file.

    Args:
        opt_level: 0 (built quickly) to 5 (every kernel tried); TensorRT's default is 3.
        workspace_mb: most scratch memory that a kernel may use, MiB.
        dla: number of the DLA core to build for; None for the GPU.
    """

    opt_level: Annotated[int, msgspec.Meta(ge=0, le=5)] = 3
    workspace_mb: Annotated[int, msgspec.Meta(ge=16, le=65536)] = DEFAULT_WORKSPACE_MB
    dla: Annotated[int, msgspec.Meta(ge=0, le=7)] | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.opt_level <= 5:
            raise UsageError(f"the optimisation level is 0 to 5, got {self.opt_level}")
        if not 16 <= self.workspace_mb <= 65536:
            raise UsageError(f"the workspace is 16 to 65536 MB, got {self.workspace_mb}")
        if self.dla is not None and not 0 <= self.dla <= 7:
            raise UsageError(f"a DLA core is a number from 0, got {self.dla}")


class Fingerprint(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All that decides whether a plan may be loaded. Plans are not portable."""

    onnx_sha256: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]
    tensorrt: _Short
    sm: _Short
    device: _Short
    driver: _Short
    options: BuildOptions = BuildOptions()

    @property
    def key(self) -> str:
        """32 hexadecimal digits; another fingerprint has another."""
        text = msgspec.json.encode(self, order="sorted")
        return hashlib.sha256(text).hexdigest()[:32]

    def with_options(self, options: BuildOptions) -> Fingerprint:
        """The same model on the same device, built otherwise."""
        return msgspec.structs.replace(self, options=options)

    def difference(self, other: Fingerprint) -> str | None:
        """Why an engine of `self` is of no use where `other` is asked for; None if they agree.

        Builder options are named last: they matter only where all else agrees.
        """
        for what in ("onnx_sha256", "tensorrt", "sm", "device", "driver", "options"):
            mine, wanted = getattr(self, what), getattr(other, what)
            if mine != wanted:
                return _REASONS[what].format(mine=mine, wanted=wanted)
        return None


_REASONS = {
    "onnx_sha256": "it was built from another model file",
    "tensorrt": "it was built with TensorRT {mine}, {wanted} is installed",
    "sm": "it was built for compute capability {mine}, this GPU has {wanted}",
    "device": "it was built on {mine}, this is {wanted}",
    "driver": "it was built with driver {mine}, {wanted} is installed",
    "options": "it was built with other options",
}


def fingerprint(
    onnx_sha256: str, tensorrt: str, device: DeviceFacts, options: BuildOptions
) -> Fingerprint:
    """The fingerprint of one model on one device."""
    return Fingerprint(
        onnx_sha256=onnx_sha256,
        tensorrt=tensorrt,
        sm=device.sm,
        device=device.name,
        driver=device.driver,
        options=options,
    )
