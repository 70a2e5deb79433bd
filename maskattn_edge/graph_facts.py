"""What a model file's graph costs: operations, weights and memory, by block; nothing is executed.

Shapes come from ONNX Runtime, which infers them when it opens a graph; the rest is read from the
bytes. Message numbers are those of onnx.proto.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from maskattn_edge.contract.errors import ModelFileError
from maskattn_edge.contract.model_file import ModelFile
from maskattn_edge.contract.protobuf import encode_bytes, fields
from maskattn_edge.optional import require

_MODEL_GRAPH, _GRAPH_NODE, _GRAPH_INITIALIZER, _GRAPH_OUTPUT = 7, 1, 5, 12
_NODE_INPUT, _NODE_OUTPUT, _NODE_NAME, _NODE_OP_TYPE = 1, 2, 3, 4
_TENSOR_DIMS, _TENSOR_TYPE, _TENSOR_NAME = 1, 2, 8
_BYTES = {1: 4, 2: 1, 3: 1, 6: 4, 7: 8, 9: 1, 10: 2, 11: 8, 16: 2}  # of an element, by type code
_INT8 = (2, 3)
_WORK = ("Conv", "Gemm", "MatMul")
_ELEMENT = {
    "tensor(float)": ("fp32", 4), "tensor(float16)": ("fp16", 2), "tensor(int8)": ("int8", 1),
    "tensor(uint8)": ("uint8", 1), "tensor(bool)": ("bool", 1), "tensor(int32)": ("int32", 4),
    "tensor(int64)": ("int64", 8),
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class BlockFacts:
    """Layers with weights, or products, of one block, in one precision.

    `operations` are 2 x MAC of one image; `parameters` and `weight_bytes` as they are stored.
    """

    block: str
    precision: str
    layers: int
    operations: int
    parameters: int
    weight_bytes: int


@dataclass(frozen=True, kw_only=True)
class GraphFacts:
    """A whole graph. `activation_bytes` is the largest sum of tensors that live at once.

    It is an estimate: nodes in the file's order, a dequantised tensor counted as the INT8 that it
    came from. An engine fuses layers and needs less, or copies and needs more.
    """

    blocks: tuple[BlockFacts, ...]
    activation_bytes: int

    @property
    def operations(self) -> int:
        """2 x MAC of one image."""
        return sum(block.operations for block in self.blocks)

    @property
    def parameters(self) -> int:
        """Of the layers in `blocks`."""
        return sum(block.parameters for block in self.blocks)

    @property
    def weight_bytes(self) -> int:
        """As they are stored, without scales."""
        return sum(block.weight_bytes for block in self.blocks)


@dataclass(frozen=True)
class _Node:
    name: str
    kind: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


@dataclass(frozen=True)
class _Value:
    """`shape` without free dimensions, and the name and bytes of the element's type."""

    shape: tuple[int, ...]
    precision: str
    element_bytes: int

    @property
    def size(self) -> int:
        return math.prod(self.shape)


def graph_facts(file: ModelFile) -> GraphFacts:
    """Count what is in a model file.

    Raises:
        ModelFileError: ONNX Runtime refuses the graph.
    """
    nodes = list(_nodes(file.data))
    weights = dict(_weights(file.data))
    values = _inferred(file, nodes)
    made_by = {output: node for node in nodes for output in node.outputs}
    found: dict[tuple[str, str], list[int]] = {}
    for node in nodes:
        if node.kind in _WORK:
            facts = _work(node, made_by, weights, values)
            precision = _precision(node, made_by, weights, values)
            total = found.setdefault((node.name.split(".")[0], precision), [0] * 4)
            for index, one in enumerate((1, *facts)):
                total[index] += one
    blocks = tuple(
        BlockFacts(
            block=block,
            precision=precision,
            layers=total[0],
            operations=total[1],
            parameters=total[2],
            weight_bytes=total[3],
        )
        for (block, precision), total in found.items()
    )
    return GraphFacts(blocks=blocks, activation_bytes=_most_alive(nodes, values))


def _work(
    node: _Node,
    made_by: dict[str, _Node],
    weights: dict[str, tuple[int, tuple[int, ...]]],
    values: dict[str, _Value],
) -> tuple[int, int, int]:
    """Operations, parameters and their bytes of one layer."""
    parameters = stored = 0
    reach = 0  # products that one output sums up
    for index, name in enumerate(node.inputs):
        code, shape = weights.get(_stored(name, made_by), (0, ()))
        if code:
            parameters += math.prod(shape)
            stored += math.prod(shape) * _BYTES.get(code, 4)
        if code and index == 1 and node.kind == "Conv":
            reach = math.prod(shape[1:])
    if node.kind != "Conv":
        first = values.get(node.inputs[0])
        reach = first.shape[-1] if first and first.shape else 0
    output = values.get(node.outputs[0])
    return 2 * reach * (output.size if output else 0), parameters, stored


def _precision(
    node: _Node,
    made_by: dict[str, _Node],
    weights: dict[str, tuple[int, tuple[int, ...]]],
    values: dict[str, _Value],
) -> str:
    """INT8 where both operands were quantised, else what the layer gives."""
    kinds = [made_by[n].kind if n in made_by else "" for n in node.inputs[:2]]
    if kinds == ["DequantizeLinear"] * 2:
        return "int8"
    value = values.get(node.outputs[0])
    return value.precision if value else "unknown"


def _stored(name: str, made_by: dict[str, _Node]) -> str:
    """The initializer behind `name`, through Q and DQ."""
    while name in made_by and made_by[name].kind in ("QuantizeLinear", "DequantizeLinear"):
        name = made_by[name].inputs[0]
    return name


def _most_alive(nodes: list[_Node], values: dict[str, _Value]) -> int:
    last = {name: index for index, node in enumerate(nodes) for name in node.inputs}
    alive: dict[str, int] = {}
    most = 0
    for index, node in enumerate(nodes):
        for name in node.outputs:
            value = values.get(name)
            if value is not None and node.kind != "DequantizeLinear":
                alive[name] = value.size * value.element_bytes
        most = max(most, sum(alive.values()))
        alive = {name: size for name, size in alive.items() if last.get(name, index) > index}
    return most


def _inferred(file: ModelFile, nodes: list[_Node]) -> dict[str, _Value]:
    """Shape and type of each tensor: every one is marked as an output, and the session asked."""
    ort = require("onnxruntime", purpose="inspecting a model", extra="export")
    own = {port.name for port in file.outputs}
    ports = b"".join(
        encode_bytes(_GRAPH_OUTPUT, encode_bytes(1, name.encode()))
        for node in nodes
        for name in node.outputs
        if name and name not in own
    )
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 4
    try:
        # A message that appears twice is merged by protobuf's rules: the outputs are appended.
        session: Any = ort.InferenceSession(
            file.data + encode_bytes(_MODEL_GRAPH, ports),
            options,
            providers=["CPUExecutionProvider"],
        )
    except Exception as error:  # its exception types are not public
        reason = str(error).splitlines()[0]
        raise ModelFileError(f"{file.path}: ONNX Runtime refuses it: {reason}") from error
    return {
        port.name: _Value(tuple(port.shape), *_ELEMENT.get(port.type, (port.type, 4)))
        for port in (*session.get_inputs(), *session.get_outputs())
        if all(isinstance(side, int) for side in port.shape)
    }


def _nodes(data: bytes) -> Iterator[_Node]:
    for part in _parts(data, _GRAPH_NODE):
        texts: dict[int, list[str]] = {}
        for number, value in fields(part):
            if isinstance(value, memoryview) and number <= _NODE_OP_TYPE:
                texts.setdefault(number, []).append(bytes(value).decode())
        kind = texts.get(_NODE_OP_TYPE, [""])[0]
        name = texts.get(_NODE_NAME, [kind])[0]
        inputs, outputs = (tuple(texts.get(n, ())) for n in (_NODE_INPUT, _NODE_OUTPUT))
        yield _Node(name, kind, inputs, outputs)


def _weights(data: bytes) -> Iterator[tuple[str, tuple[int, tuple[int, ...]]]]:
    """Name -> (code of the type, shape) of each initializer."""
    for part in _parts(data, _GRAPH_INITIALIZER):
        name, code = "", 0
        shape: list[int] = []
        for number, value in fields(part):
            if number == _TENSOR_DIMS:
                shape += [value] if isinstance(value, int) else _packed(value)
            elif number == _TENSOR_TYPE and isinstance(value, int):
                code = value
            elif number == _TENSOR_NAME and isinstance(value, memoryview):
                name = bytes(value).decode()
        yield name, (code, tuple(shape))


def _packed(value: memoryview) -> list[int]:
    numbers, shift, current = [], 0, 0
    for byte in value:
        current |= (byte & 0x7F) << shift
        shift += 7
        if not byte & 0x80:
            numbers.append(current)
            shift, current = 0, 0
    return numbers


def _parts(data: bytes, wanted: int) -> Iterator[memoryview]:
    for number, graph in fields(memoryview(data)):
        if number == _MODEL_GRAPH and isinstance(graph, memoryview):
            for part, value in fields(graph):
                if part == wanted and isinstance(value, memoryview):
                    yield value
