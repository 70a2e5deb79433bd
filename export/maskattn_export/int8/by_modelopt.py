"""Q/DQ placed by NVIDIA ModelOpt, which knows what TensorRT fuses.

It runs in a process of its own: it replaces functions inside ONNX Runtime's quantizer, which then
fails for everyone else in the process.
"""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray

from maskattn_edge.contract.errors import MaskAttnError, MissingDependencyError
from maskattn_export.graph import IR_VERSION
from maskattn_export.int8.images import ImageReader

NAME = "NVIDIA ModelOpt"
PACKAGE = "modelopt"

_OPSET = 19  # the least that ModelOpt writes for INT8; model files have 17 to 20
_SECONDS = 600  # it takes about ten


def place(
    model: onnx.ModelProto, images: Sequence[NDArray[np.uint8]], excluded: Sequence[str]
) -> onnx.ModelProto:
    """A Q/DQ graph of the fp32 graph, as `by_onnxruntime.place` gives one.

    Raises:
        MissingDependencyError: ModelOpt is not installed.
        MaskAttnError: it failed; the message has its last line.
    """
    if importlib.util.find_spec(PACKAGE) is None:
        raise MissingDependencyError(
            "Q/DQ placed by ModelOpt needs the package modelopt: pip install "
            "'maskattn-edge[modelopt]', in an environment of its own"
        )
    with tempfile.TemporaryDirectory() as folder:
        onnx.save(model, Path(folder, "fp32.onnx"))
        np.save(Path(folder, "images.npy"), np.stack(images))
        Path(folder, "excluded.json").write_text(json.dumps(list(excluded)))
        command = [sys.executable, "-m", __name__, folder]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS)
        except subprocess.TimeoutExpired as error:
            raise MaskAttnError(f"ModelOpt did not end within {_SECONDS} s") from error
        if done.returncode:
            last = (done.stderr.strip() or f"exit code {done.returncode}").splitlines()[-1]
            raise MaskAttnError(f"ModelOpt failed: {last}; use --quantizer onnxruntime")
        quantized = onnx.load(Path(folder, "int8.onnx"))
    quantized.ir_version = IR_VERSION
    return quantized


def main(folder: Path) -> None:
    """Quantise `fp32.onnx` of the folder to `int8.onnx`, on its images, but for excluded nodes."""
    from modelopt.onnx.quantization import quantize

    quantize(
        str(folder / "fp32.onnx"),
        quantize_mode="int8",
        calibration_method="max",
        # Its own default is random input.
        calibration_data_reader=ImageReader(list(np.load(folder / "images.npy"))),
        calibration_eps=["cpu"],
        nodes_to_exclude=json.loads((folder / "excluded.json").read_text()),
        high_precision_dtype="fp32",
        dq_only=True,  # weights as INT8, not as floats that are quantised at load
        opset=_OPSET,
        output_path=str(folder / "int8.onnx"),
        log_level="CRITICAL",
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
