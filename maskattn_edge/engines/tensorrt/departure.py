"""Which layer of a wrong engine is the first to depart: bisection over marked outputs.

Each probe makes one inner tensor an output, builds that engine, and compares the tensor with ONNX
Runtime's. Marking a tensor keeps TensorRT from fusing across it, so a fault of a fusion may hide:
then the answer is None. As Polygraphy's `debug` does it.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from maskattn_edge.contract.errors import MaskAttnError
from maskattn_edge.contract.model_file import ModelFile
from maskattn_edge.contract.protobuf import encode_bytes, encode_varint, fields
from maskattn_edge.engines.tensorrt.builder import OnStep
from maskattn_edge.engines.tensorrt.child import build_in_child
from maskattn_edge.engines.tensorrt.cuda import Cuda
from maskattn_edge.engines.tensorrt.fingerprint import BuildOptions
from maskattn_edge.engines.tensorrt.library import load_tensorrt
from maskattn_edge.engines.tensorrt.plan import LoadedPlan
from maskattn_edge.engines.tensorrt.request import BuildRequest
from maskattn_edge.optional import require

# Field numbers of onnx.proto.
_MODEL_GRAPH, _GRAPH_NODE, _GRAPH_OUTPUT = 7, 1, 12
_NODE_OUTPUT, _NODE_OP_TYPE = 2, 4
_PORT_NAME, _PORT_TYPE, _TYPE_TENSOR, _TYPE_ELEMENT = 1, 2, 1, 1
_TYPES = {"float32": 1, "float16": 10}  # and its codes of types; all that a probed layer gives

_PROBED = frozenset({b"Conv", b"MatMul", b"Softmax", b"Resize", b"Relu", b"Add", b"Concat"})

TOLERANCE = {"fp32": 0.02, "fp16": 0.05, "int8": 0.25}
"""Largest difference by precision, as a share of the reference's largest value."""

Reference = Callable[[str], NDArray[np.generic]]
"""The right value of an inner tensor, by its name, for one image."""

Probe = Callable[[str, np.dtype[Any]], NDArray[np.generic]]
"""The engine's value of an inner tensor, by its name and type."""


@dataclass(frozen=True)
class Departure:
    """The first inner tensor that differs, and by how much of its largest value."""

    tensor: str
    difference: float

    def __str__(self) -> str:
        """As a hint in a message."""
        return f"the first tensor to depart is {self.tensor}, by {self.difference:.1%} of its range"


def inner_tensors(onnx: bytes) -> list[str]:
    """Names of the tensors that are worth a probe, in the order of the graph."""
    names = []
    for node in _nodes(onnx):
        kind = [bytes(value) for number, value in node if number == _NODE_OP_TYPE]
        outputs = [bytes(value).decode() for number, value in node if number == _NODE_OUTPUT]
        if kind and kind[0] in _PROBED:
            names.append(outputs[0])
    return names


def marked(onnx: bytes, tensor: str, dtype: np.dtype[Any] | None = None) -> bytes:
    """The same model with `tensor` as one more output.

    A message that appears twice is merged by protobuf's rules, so the output is simply appended.
    ONNX Runtime finds the type of an output itself; TensorRT's parser wants it stated.
    """
    port = encode_bytes(_PORT_NAME, tensor.encode())
    if dtype is not None:
        code = encode_varint(_TYPE_ELEMENT << 3) + encode_varint(_TYPES[dtype.name])
        port += encode_bytes(_PORT_TYPE, encode_bytes(_TYPE_TENSOR, code))
    return onnx + encode_bytes(_MODEL_GRAPH, encode_bytes(_GRAPH_OUTPUT, port))


def first_departure(
    tensors: Sequence[str],
    engine: Probe,
    reference: Reference,
    *,
    tolerance: float,
    on_probe: Callable[[int, int], None] = lambda done, total: None,
) -> Departure | None:
    """Bisect: what departs stays departed further down.

    Args:
        tensors: in the order of the graph.
        engine: what the engine computes.
        reference: what is right.
        tolerance: largest difference that is rounding.
        on_probe: told (probes done, probes at most).

    Returns:
        None if even the last tensor agrees.
    """
    total = len(tensors).bit_length() + 1
    agrees, found, done = -1, None, 0
    departs = len(tensors) - 1
    middle = departs
    while middle > agrees:
        right = reference(tensors[middle])
        difference = _difference(engine(tensors[middle], right.dtype), right)
        done += 1
        on_probe(done, total)
        if difference > tolerance:
            departs, found = middle, Departure(tensors[middle], difference)
        elif found is None:
            return None
        else:
            agrees = middle
        middle = (agrees + departs) // 2
    return found


def explain(
    file: ModelFile, image: NDArray[np.uint8], options: BuildOptions, on_step: OnStep | None = None
) -> str:
    """The hint for a refused engine; takes a build per probe.

    Args:
        file: the model.
        image: (H, W, 3) uint8, one that the engine answers wrongly.
        options: with which the refused engine was built.
        on_step: told how far it is.
    """

    def told(done: int, total: int) -> None:
        if on_step is not None:
            on_step("looking for the layer that departs", done, total)

    try:
        found = first_departure(
            inner_tensors(file.data),
            lambda name, dtype: by_tensorrt(marked(file.data, name, dtype), name, image, options),
            lambda name: by_onnxruntime(marked(file.data, name), name, image),
            tolerance=TOLERANCE[file.spec.precision.name],
            on_probe=told,
        )
    except MaskAttnError as error:
        return f"which layer departs could not be found: {error}"
    return str(found or "no layer departs when it is looked at alone: a fused kernel is at fault")


def by_tensorrt(
    onnx: bytes, name: str, image: NDArray[np.uint8], options: BuildOptions
) -> NDArray[np.generic]:
    """One output of a model, by an engine that is built for it. Raises MaskAttnError."""
    with tempfile.TemporaryDirectory() as folder:
        plan = Path(folder) / "plan"
        build_in_child(BuildRequest(onnx=onnx, options=options, plan=str(plan)))
        loaded = LoadedPlan(
            load_tensorrt(), Cuda.open(), plan.read_bytes(), graph=False, dla=options.dla
        )
    try:
        return loaded.run(image[None])[name]
    finally:
        loaded.close()


def by_onnxruntime(onnx: bytes, name: str, image: NDArray[np.uint8]) -> NDArray[np.generic]:
    """One output of a model for an image (H, W, 3), on the CPU with nothing fused."""
    ort = require("onnxruntime", purpose="verification", extra="export")
    options = ort.SessionOptions()
    options.log_severity_level = 3
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = ort.InferenceSession(onnx, options, providers=["CPUExecutionProvider"])
    value: NDArray[np.generic] = session.run([name], {"image": image[None]})[0]
    return value


def _difference(found: NDArray[np.generic], right: NDArray[np.generic]) -> float:
    """Largest difference as a share of the largest right value; infinite where one is NaN."""
    a, b = found.astype(np.float64), right.astype(np.float64)
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        return float("inf")
    return float(np.abs(a - b).max() / max(np.abs(b).max(), 1e-6))


def _nodes(onnx: bytes) -> Iterator[list[tuple[int, memoryview]]]:
    """The strings and messages of each node, by field number."""
    for number, graph in fields(memoryview(onnx)):
        if number == _MODEL_GRAPH and isinstance(graph, memoryview):
            for part, node in fields(graph):
                if part == _GRAPH_NODE and isinstance(node, memoryview):
                    yield [
                        (key, value) for key, value in fields(node) if isinstance(value, memoryview)
                    ]
