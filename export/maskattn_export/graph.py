"""From a PyTorch network to the fp32 ONNX graph that every precision is made from."""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator

import numpy as np
import onnx
import torch
from numpy.typing import NDArray

from maskattn_edge.contract.errors import EngineVerificationError
from maskattn_edge.contract.spec import InputSpec
from maskattn_export.fold import fold_batch_norm
from maskattn_export.normalization import fold_division, subtract_before_transpose
from maskattn_models.answers import Answer, answers
from maskattn_models.grouping import Objects
from maskattn_models.network import Deployed, SegmentationNetwork

OPSET = 18
"""Opset that PyTorch's exporter writes natively; within 17-20, which every engine here reads."""

GROUPING = "grouping"
"""Names of the nodes that make objects out of a network's maps begin with it."""

IR_VERSION = 9
"""Of the file format: the newest that TensorRT 10.3's parser and old ONNX Runtimes read."""


def to_onnx(network: SegmentationNetwork, size: InputSpec) -> onnx.ModelProto:
    """The graph from image (1, H, W, 3) uint8 to the task's outputs, batch norms folded.

    Outputs are uint8 labels (1, H, W), and those of `Objects` where objects are told apart.

    Raises:
        EngineVerificationError: the written graph breaks ONNX's own rules.
    """
    deployed = Deployed(fold_batch_norm(network)).eval()
    example = torch.zeros((1, size.height, size.width, 3), dtype=torch.uint8)
    with _quiet():
        program = torch.onnx.export(
            deployed,
            (example,),
            dynamo=True,
            opset_version=OPSET,
            input_names=["image"],
            output_names=list(_outputs(deployed)),
            verbose=False,
        )
    assert program is not None
    model = clean(program.model_proto)
    fold_division(model.graph)
    subtract_before_transpose(model.graph, size.width)
    return model


def clean(model: onnx.ModelProto) -> onnx.ModelProto:
    """`model` with names from the network, and without the exporter's notes.

    The exporter notes stack traces with paths of the machine on each node; a node's place in the
    network, `stage1.0.conv`, is what a reader of the graph needs.

    Raises:
        EngineVerificationError: the graph breaks ONNX's own rules.
    """
    kept = {port.name for port in model.graph.output}
    renamed: dict[str, str] = {}
    used: set[str] = set()
    for node in model.graph.node:
        node.name = unique_name(_place(node), used)
        for index, output in enumerate(node.output):
            if output not in kept:
                renamed[output] = node.name if index == 0 else f"{node.name}.{index}"
        del node.metadata_props[:]
        node.doc_string = ""
    for node in model.graph.node:
        node.input[:] = [renamed.get(name, name) for name in node.input]
        node.output[:] = [renamed.get(name, name) for name in node.output]
    for entry in (*model.graph.input, *model.graph.output, *model.graph.initializer):
        del entry.metadata_props[:]
        entry.doc_string = ""
    del model.graph.value_info[:]
    del model.graph.metadata_props[:]
    del model.metadata_props[:]
    model.graph.name, model.graph.doc_string, model.doc_string = "maskattn", "", ""
    model.ir_version = IR_VERSION
    try:
        onnx.checker.check_model(model, full_check=True)
    except onnx.checker.ValidationError as error:
        first = str(error).splitlines()[0]
        raise EngineVerificationError(f"the exported graph is not valid ONNX: {first}") from error
    return model


def _outputs(deployed: Deployed) -> tuple[str, ...]:
    return ("labels",) if deployed.grouping is None else Objects._fields


def _place(node: onnx.NodeProto) -> str:
    """The node's module in the network and its operation, as in `stage1.0.0.Conv`."""
    notes = {entry.key: entry.value for entry in node.metadata_props}
    scopes = notes.get("pkg.torch.onnx.name_scopes", "")
    modules = [part.strip(" '\"") for part in scopes.strip("[]").split(",")]
    inside = [name for name in modules[:-1] if name.startswith(("network.", GROUPING))]
    module = inside[-1].removeprefix("network.") if inside else ""
    return f"{module}.{node.op_type}" if module else node.op_type


def unique_name(name: str, used: set[str]) -> str:
    """`name`, with a number if it is in `used`; adds it there."""
    candidate, count = name, 1
    while candidate in used:
        count += 1
        candidate = f"{name}_{count}"
    used.add(candidate)
    return candidate


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep the exporter's progress and advice to its own developers off the terminal."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "onnxscript", "onnx_ir")]
    levels = [logger.level for logger in loggers]
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        try:
            yield
        finally:
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)


def run_torch(network: SegmentationNetwork, images: list[NDArray[np.uint8]]) -> list[Answer]:
    """PyTorch's fp32 answers for images (H, W, 3) uint8 RGB, one by one as an engine does."""
    deployed = Deployed(network).eval()
    return [answers(deployed, image[None])[0] for image in images]
