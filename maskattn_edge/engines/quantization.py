"""INT8 as ONNX Runtime's CPU kernels like it: unsigned where values are never negative.

TensorRT wants signed INT8 with a zero point of 0 everywhere, so that is what a model file holds.
Behind a ReLU the same scale and zero point in UINT8 stand for the same values, and there ONNX
Runtime lets the rounding do the ReLU's work within one fused convolution. Only the type of such
zero points changes: one byte each, in memory, never in the file.

Source: onnxruntime.ai/docs/performance/model-optimizations/quantization.html
"""

from __future__ import annotations

from collections.abc import Iterator

from maskattn_edge.contract.protobuf import encode_bytes, fields, spans

# Field numbers of onnx.proto, and its codes of types.
_MODEL_GRAPH, _GRAPH_NODE, _GRAPH_INITIALIZER = 7, 1, 5
_NODE_INPUT, _NODE_OUTPUT, _NODE_OP_TYPE = 1, 2, 4
_TENSOR_TYPE, _TENSOR_INT32, _TENSOR_NAME, _TENSOR_RAW = 2, 5, 8, 9
_UINT8, _INT8 = 2, 3

_CUBIC = encode_bytes(4, b"cubic")  # a string as the value of an attribute
_KEEP_SIGN = ("QuantizeLinear", "DequantizeLinear", "Resize", "MaxPool", "Reshape", "Transpose")


def unsigned_after_relu(onnx: bytes) -> bytes:
    """`onnx`, a validated file, with UINT8 in place of INT8 where a ReLU's output is quantised.

    A value beyond the calibrated range is clipped at twice that range and no longer at it;
    within it nothing changes. A file without such places comes back as it is.
    """
    positive: set[str] = set()  # tensors without negative values
    behind: set[str] = set()
    elsewhere: set[str] = set()
    for kind, inputs, outputs in _nodes(onnx):  # an ONNX graph is sorted by what needs what
        if kind == "Relu" or (kind in _KEEP_SIGN and inputs[0] in positive):
            positive.update(outputs)
        if kind == "QuantizeLinear" and len(inputs) == 3:
            (behind if inputs[0] in positive else elsewhere).add(inputs[2])
    patched = bytearray(onnx)
    for position in _type_positions(onnx, behind - elsewhere):
        patched[position] = _UINT8
    return bytes(patched)


def _nodes(onnx: bytes) -> Iterator[tuple[str, list[str], list[str]]]:
    for node, _ in _graph_parts(onnx, _GRAPH_NODE):
        kind, inputs, outputs = "", [], []
        for number, value in fields(node):
            if number == _NODE_OP_TYPE:
                kind = _text(value)
            elif number == _NODE_INPUT:
                inputs.append(_text(value))
            elif number == _NODE_OUTPUT:
                outputs.append(_text(value))
        if kind == "Resize" and _CUBIC in bytes(node):
            kind = "cubic Resize"  # it overshoots, below zero too
        yield kind, inputs, outputs


def _type_positions(onnx: bytes, names: set[str]) -> Iterator[int]:
    """Where the type of each named initializer stands, if it is an INT8 zero."""
    for tensor, start in _graph_parts(onnx, _GRAPH_INITIALIZER):
        name, position, zero = "", -1, True
        for number, value, _, end in spans(tensor):
            if number == _TENSOR_NAME:
                name = _text(value)
            elif number == _TENSOR_TYPE and value == _INT8:
                position = start + end - 1  # the last byte of the field is its value
            elif number in (_TENSOR_RAW, _TENSOR_INT32):
                zero = zero and not (any(value) if isinstance(value, memoryview) else value)
        if name in names and position >= 0 and zero:
            yield position


def _graph_parts(onnx: bytes, wanted: int) -> Iterator[tuple[memoryview, int]]:
    """Messages of one kind in the graph, each with its position in the file."""
    for number, graph, _, end in spans(memoryview(onnx)):
        if number == _MODEL_GRAPH and isinstance(graph, memoryview):
            origin = end - len(graph)
            for part, value, _, stop in spans(graph):
                if part == wanted and isinstance(value, memoryview):
                    yield value, origin + stop - len(value)


def _text(value: int | memoryview) -> str:
    return "" if isinstance(value, int) else bytes(value).decode()
