"""What an export is asked for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from maskattn_edge.contract.errors import UsageError

Precision = Literal["fp32", "fp16", "int8"]
PRECISIONS: tuple[Precision, ...] = ("fp32", "fp16", "int8")


@dataclass(frozen=True, kw_only=True)
class ExportSettings:
    """How a checkpoint becomes model files.

    Args:
        precisions: files to write; fp32 is always among them, as the reference of the others.
        calibration: folder whose images set the INT8 ranges, instead of the checkpoint's own.
        golden: how many samples with their fp32 answers each file carries.

    Raises:
        UsageError: a precision is unknown or a number is out of range.
    """

    precisions: tuple[Precision, ...] = ("fp32",)
    calibration: Path | None = None
    golden: int = 4

    def __post_init__(self) -> None:
        unknown = [name for name in self.precisions if name not in PRECISIONS]
        if unknown:
            raise UsageError(
                f"unknown precision {unknown[0]!r}; available: {', '.join(PRECISIONS)}"
            )
        if not 0 <= self.golden <= 16:
            raise UsageError(f"a model file carries 0 to 16 samples, got {self.golden}")
