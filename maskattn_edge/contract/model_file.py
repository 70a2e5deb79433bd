"""The model file: one ONNX file that describes itself.

Written by appending the description to a finished ONNX file, read without the onnx package.
Nothing in the file is executed and no path in it is followed: a graph that refers to external
data or to operators outside ONNX is refused.

Specification: github.com/onnx/onnx/blob/main/docs/IR.md and onnx.proto; our part is `spec.py`.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from maskattn_edge.contract.atomic import write_bytes
from maskattn_edge.contract.errors import ModelFileError
from maskattn_edge.contract.protobuf import WireError, encode_bytes, fields, spans
from maskattn_edge.contract.spec import ModelSpec, Task, decode_spec, encode_spec, undescribed_spec

METADATA_KEY = "maskattn_edge"
MAX_FILE_BYTES = 1 << 30
MIN_OPSET, MAX_OPSET = 17, 20
INPUT_NAME = "image"

DType = Literal["uint8", "int32", "float32", "float16", "int64", "other"]
_DTYPES: dict[int, DType] = {
    1: "float32", 2: "uint8", 6: "int32", 7: "int64", 10: "float16",
}  # fmt: skip

# Field numbers of onnx.proto.
_MODEL_GRAPH, _MODEL_OPSET, _MODEL_METADATA = 7, 8, 14
_GRAPH_NODE, _GRAPH_INITIALIZER, _GRAPH_INPUT, _GRAPH_OUTPUT = 1, 5, 11, 12
_NODE_OP_TYPE, _NODE_ATTRIBUTE, _NODE_DOMAIN = 4, 5, 7
_ATTRIBUTE_TENSOR, _ATTRIBUTE_GRAPH = 5, 6
_TENSOR_EXTERNAL, _TENSOR_LOCATION = 13, 14
_ONNX_DOMAINS = ("", "ai.onnx")


@dataclass(frozen=True)
class Port:
    """An input or output of the graph; a free dimension is -1."""

    name: str
    dtype: DType
    shape: tuple[int, ...]

    def __str__(self) -> str:
        """As in `image uint8 (1, 128, 128, 3)`."""
        return f"{self.name} {self.dtype} {self.shape}"


@dataclass(frozen=True, kw_only=True)
class ModelFile:
    """A validated model file, in memory.

    `described` tells whether `spec` came from the file or was made up for a file without one.
    `operators` counts the graph's nodes by type.
    """

    path: Path
    data: bytes
    sha256: str
    spec: ModelSpec
    described: bool
    opset: int
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    operators: dict[str, int]


@dataclass(frozen=True, kw_only=True)
class _Graph:
    opset: int
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    operators: dict[str, int]
    description: str | None


def read_model_file(path: Path) -> ModelFile:
    """Read and validate a model file.

    Raises:
        ModelFileError: the file is missing, too large, truncated, not ONNX, not of this contract
            (inputs, outputs, opset), uses external data or foreign operators, or carries a
            description that is not valid. The message names the file.
    """
    return parse_model(_read(path), path)


def parse_model(data: bytes, path: Path) -> ModelFile:
    """Validate a model file that is in memory; `path` is what messages and `ModelFile` name.

    Raises:
        ModelFileError: as `read_model_file`.
    """
    try:
        graph = _parse(data)
        _check_operators(graph)
        task, height, width = _check_ports(graph)
        if graph.description is None:
            spec = undescribed_spec(name=path.stem, task=task, height=height, width=width)
        else:
            spec = decode_spec(graph.description)
            _check_spec(spec, task, height, width)
    except ModelFileError as error:
        raise ModelFileError(f"{path}: {error}") from error
    except (WireError, UnicodeDecodeError) as error:
        raise ModelFileError(
            f"{path}: not a complete ONNX file ({error}): copy or export it again"
        ) from error
    return ModelFile(
        path=path,
        data=data,
        sha256=hashlib.sha256(data).hexdigest(),
        spec=spec,
        described=graph.description is not None,
        opset=graph.opset,
        inputs=graph.inputs,
        outputs=graph.outputs,
        operators=graph.operators,
    )


def describe(onnx: bytes, spec: ModelSpec) -> bytes:
    """An ONNX file with `spec` as its description; a former description is replaced.

    Raises:
        ModelFileError: `onnx` is not an ONNX file, or does not fit `spec` and the contract.
    """
    view = memoryview(onnx)
    try:
        kept = [
            view[start:end]
            for number, value, start, end in spans(view)
            if not (number == _MODEL_METADATA and _entry(value)[0] == METADATA_KEY)
        ]
        entry = encode_bytes(1, METADATA_KEY.encode()) + encode_bytes(2, encode_spec(spec).encode())
        described = b"".join([*kept, encode_bytes(_MODEL_METADATA, entry)])
        graph = _parse(described)
    except (WireError, UnicodeDecodeError) as error:
        raise ModelFileError(f"not a complete ONNX file ({error})") from error
    _check_operators(graph)
    _check_spec(spec, *_check_ports(graph))
    return described


def write_model_file(path: Path, onnx: bytes, spec: ModelSpec) -> None:
    """Write `onnx` with `spec` as its description, atomically.

    Raises:
        ModelFileError: the graph or the description breaks the contract; the disk is full or the
            folder cannot be written. The former file at `path` is then untouched.
    """
    try:
        write_bytes(path, describe(onnx, spec))
    except ModelFileError as error:
        raise ModelFileError(f"{path}: {error}") from error
    except OSError as error:
        raise ModelFileError(
            f"{path}: cannot write the model ({error.strerror}): free some space or choose "
            "another folder"
        ) from error


def _read(path: Path) -> bytes:
    try:
        size = path.stat().st_size
        if size > MAX_FILE_BYTES:
            raise ModelFileError(
                f"{path}: {size:,} bytes, a model file has at most {MAX_FILE_BYTES:,}"
            )
        return path.read_bytes()
    except FileNotFoundError as error:
        raise ModelFileError(f"{path}: no such file") from error
    except OSError as error:
        raise ModelFileError(f"{path}: cannot be read: {error.strerror}") from error


def _parse(data: bytes) -> _Graph:
    opset, description, graph = 0, None, None
    for number, value in fields(memoryview(data)):
        if number == _MODEL_GRAPH:
            if graph is not None:
                raise ModelFileError("it has two graphs: export it again")
            graph = _message(value)
        elif number == _MODEL_OPSET:
            opset = max(opset, _opset(_message(value)))
        elif number == _MODEL_METADATA:
            key, text = _entry(value)
            description = text if key == METADATA_KEY else description
    if graph is None:
        raise WireError("it has no graph")
    inputs, outputs, operators, initialized = [], [], Counter[str](), set()
    for number, value in fields(graph):
        if number == _GRAPH_NODE:
            operators.update(_operators(_message(value)))
        elif number == _GRAPH_INITIALIZER:
            initialized.add(_tensor_name(_message(value)))
        elif number == _GRAPH_INPUT:
            inputs.append(_port(_message(value)))
        elif number == _GRAPH_OUTPUT:
            outputs.append(_port(_message(value)))
    return _Graph(
        opset=opset,
        inputs=tuple(port for port in inputs if port.name not in initialized),
        outputs=tuple(outputs),
        operators=dict(operators),
        description=description,
    )


def _message(value: int | memoryview) -> memoryview:
    if isinstance(value, int):
        raise WireError("a number where a message belongs")
    return value


def _text(value: int | memoryview) -> str:
    return bytes(_message(value)).decode()


def _entry(value: int | memoryview) -> tuple[str, str]:
    parts = {number: item for number, item in fields(_message(value))}
    return _text(parts.get(1, memoryview(b""))), _text(parts.get(2, memoryview(b"")))


def _opset(message: memoryview) -> int:
    parts = dict(fields(message))
    if _text(parts.get(1, memoryview(b""))) not in _ONNX_DOMAINS:
        return 0
    version = parts.get(2, 0)
    return version if isinstance(version, int) else 0


def _operators(node: memoryview) -> list[str]:
    """The node's type, as domain::type where the domain is not ONNX's own."""
    op_type, domain = "", ""
    for number, value in fields(node):
        if number == _NODE_OP_TYPE:
            op_type = _text(value)
        elif number == _NODE_DOMAIN:
            domain = _text(value)
        elif number == _NODE_ATTRIBUTE:
            _check_attribute(_message(value))
    return [op_type if domain in _ONNX_DOMAINS else f"{domain}::{op_type}"]


def _check_attribute(attribute: memoryview) -> None:
    for number, value in fields(attribute):
        if number == _ATTRIBUTE_TENSOR:
            _tensor_name(_message(value))
        elif number == _ATTRIBUTE_GRAPH:
            raise ModelFileError("its graph has a loop or a branch, which engines do not take")


def _tensor_name(tensor: memoryview) -> str:
    name = ""
    for number, value in fields(tensor):
        if number == 8:
            name = _text(value)
        elif number == _TENSOR_EXTERNAL or (number == _TENSOR_LOCATION and value == 1):
            raise ModelFileError(
                "its weights lie in another file, which is never opened: save it as one file"
            )
    return name


def _port(message: memoryview) -> Port:
    name, dtype = "", 0
    shape: tuple[int, ...] = ()
    for number, value in fields(message):
        if number == 1:
            name = _text(value)
        elif number == 2:
            dtype, shape = _tensor_type(_message(value))
    return Port(name, _DTYPES.get(dtype, "other"), shape)


def _tensor_type(message: memoryview) -> tuple[int, tuple[int, ...]]:
    dtype = 0
    shape: tuple[int, ...] = ()
    for number, value in fields(message):
        if number != 1:  # TypeProto.tensor_type
            continue
        for inner, item in fields(_message(value)):
            if inner == 1 and isinstance(item, int):
                dtype = item
            elif inner == 2:
                shape = tuple(_dimension(_message(d)) for n, d in fields(_message(item)) if n == 1)
    return dtype, shape


def _dimension(message: memoryview) -> int:
    value = dict(fields(message)).get(1, -1)
    return value if isinstance(value, int) and value < 1 << 31 else -1


def _check_operators(graph: _Graph) -> None:
    foreign = sorted(name for name in graph.operators if "::" in name)
    if foreign:
        raise ModelFileError(f"it needs operators that ONNX does not have: {', '.join(foreign)}")
    if not MIN_OPSET <= graph.opset <= MAX_OPSET:
        raise ModelFileError(
            f"it has opset {graph.opset}, engines take {MIN_OPSET} to {MAX_OPSET}: export it again"
        )


def _check_ports(graph: _Graph) -> tuple[Task, int, int]:
    """The task that the graph's inputs and outputs fit, and the height and width of its input."""
    if len(graph.inputs) != 1:
        names = ", ".join(map(str, graph.inputs)) or "none"
        raise ModelFileError(f"it must have one input, {INPUT_NAME}; it has {names}")
    port = graph.inputs[0]
    shape = port.shape
    fits = port.dtype == "uint8" and len(shape) == 4 and shape[0] == 1 and shape[3] == 3
    if port.name != INPUT_NAME or not fits or min(shape) < 1:
        raise ModelFileError(
            f"its input must be `{INPUT_NAME} uint8 (1, H, W, 3)`, it is `{port}`: export it with "
            "`maskattn-edge export`"
        )
    height, width = shape[1], shape[2]
    semantic = {"labels": ("uint8", (1, height, width))}
    found = {port.name: (port.dtype, port.shape) for port in graph.outputs}
    if found == semantic:
        return "semantic", height, width
    rows = found.get("instance_class", ("", (1, 0)))[1][-1]
    objects = semantic | {
        "instances": ("uint8", (1, height, width)),
        "instance_class": ("uint8", (1, rows)),
        "instance_score": ("float32", (1, rows)),
        "instance_box": ("int32", (1, rows, 4)),
    }
    if found == objects and 1 <= rows <= 255:
        return "panoptic", height, width
    outputs = ", ".join(map(str, graph.outputs)) or "none"
    raise ModelFileError(
        f"its output must be `labels uint8 (1, {height}, {width})`, alone or with the instance "
        f"tables; it has `{outputs}`: export it with `maskattn-edge export`"
    )


def _check_spec(spec: ModelSpec, task: Task, height: int, width: int) -> None:
    if (spec.input.height, spec.input.width) != (height, width):
        raise ModelFileError(
            f"its description says an input of {spec.input.height}x{spec.input.width}, the graph "
            f"takes {height}x{width}"
        )
    if (spec.task == "semantic") != (task == "semantic"):
        raise ModelFileError(f"its description says {spec.task}, its outputs are {task}")
