"""What an export is asked for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from maskattn_edge.contract.errors import UsageError

Precision = Literal["fp32", "fp16", "int8"]
PRECISIONS: tuple[Precision, ...] = ("fp32", "fp16", "int8")

Quantizer = Literal["modelopt", "onnxruntime"]
QUANTIZERS: tuple[Quantizer, ...] = ("modelopt", "onnxruntime")
"""Who may place Q/DQ, the preferred one first."""

DEFAULT_BUDGET = 0.5
"""Points that INT8 may lose where nothing else is asked and labelled images are there."""


@dataclass(frozen=True, kw_only=True)
class ExportSettings:
    """How a checkpoint becomes model files.

    Args:
        precisions: files to write; fp32 is always among them, as the reference of the others.
        calibration: folder whose images set the INT8 ranges, instead of the checkpoint's own.
        data: data set whose labelled images judge, instead of the checkpoint's held-out ones.
        split: of `data`.
        budget: most points of mIoU, or PQ where objects are told apart, that INT8 may lose; None
            is `DEFAULT_BUDGET` where there are labels, and no limit where there are none.
        quantizer: that places Q/DQ; None takes ModelOpt where it is installed.
        qat: epochs of quantisation-aware fine-tuning on the split `train` of `data`; None for none.
        device: where to fine-tune; `auto` takes a CUDA device if there is one.
        golden: how many samples with their fp32 answers each file carries.

    Raises:
        UsageError: a precision is unknown or a number is out of range.
    """

    precisions: tuple[Precision, ...] = ("fp32",)
    calibration: Path | None = None
    data: Path | None = None
    split: str = "val"
    budget: float | None = None
    quantizer: Quantizer | None = None
    qat: int | None = None
    device: str = "auto"
    golden: int = 4

    def __post_init__(self) -> None:
        unknown = [name for name in self.precisions if name not in PRECISIONS]
        if unknown:
            raise UsageError(
                f"unknown precision {unknown[0]!r}; available: {', '.join(PRECISIONS)}"
            )
        if self.quantizer not in (None, *QUANTIZERS):
            raise UsageError(
                f"unknown quantizer {self.quantizer!r}; available: {', '.join(QUANTIZERS)}"
            )
        if not 0 <= self.golden <= 16:
            raise UsageError(f"a model file carries 0 to 16 samples, got {self.golden}")
        if self.budget is not None and not 0 <= self.budget <= 100:
            raise UsageError(f"a budget is 0 to 100 points, got {self.budget:g}")
        if self.budget is not None and "int8" not in self.precisions:
            raise UsageError("a budget is for INT8: give --int8 too")
        if self.qat is not None:
            self._check_tuning(self.qat)

    def _check_tuning(self, epochs: int) -> None:
        if "int8" not in self.precisions:
            raise UsageError("--qat fine-tunes for INT8: give --int8 too")
        if not 1 <= epochs <= 10_000:
            raise UsageError(f"--qat takes 1 to 10000 epochs, got {epochs}")
        if self.split == "train":
            raise UsageError(
                "--qat learns from the split train, which cannot judge it: name another"
            )
        if self.data is None:
            raise UsageError(
                "--qat fine-tunes on labelled training images, which a checkpoint does not carry: "
                "give the data set with --data DIR"
            )
