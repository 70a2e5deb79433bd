"""The roundings of a Q/DQ graph, in PyTorch: what a network answers in INT8, with gradients.

The Q/DQ graph is the only source: which operand of which node is quantised, and with which scale,
is read from it, so that what learns is what the file computes. The network is traced, its nodes
get the names that the ONNX graph has, and each rounds the operands that the graph rounds.
Gradients pass straight through, except where a value was clipped (arxiv.org/abs/1308.3432;
Jacob et al., arxiv.org/abs/1712.05877, for training with fake quantisation).
"""

from __future__ import annotations

import operator
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import onnx
import torch
import torch.nn.functional as F  # noqa: N812 - the name that PyTorch's own documents use
from onnx import numpy_helper
from torch import Tensor, fx, nn

from maskattn_edge.contract.errors import MaskAttnError
from maskattn_export.graph import GROUPING, unique_name
from maskattn_models.grouping import HeadMaps
from maskattn_models.network import MaskAttention, MaskAttnUNet

_LOW, _HIGH = -128, 127
_OUTPUT = -1  # in place of an operand's index
_SMALLEST = 1e-12  # a channel of zeros has no scale

_MODULES: dict[type[nn.Module], str] = {
    nn.Conv2d: "Conv",
    nn.ReLU: "Relu",
    nn.ReLU6: "Clip",
    nn.ZeroPad2d: "Pad",
}
_FUNCTIONS = {operator.add: "Add", F.interpolate: "Resize"}
"""ONNX operator of each module and function that a Q/DQ graph may quantise the operands of."""


@dataclass(frozen=True)
class Rounding:
    """What a Q/DQ graph rounds.

    Args:
        operands: scale of each quantised activation that a node reads, by (node, input's index).
        made_by: node that makes each of these activations, before it is quantised.
        weights: names of the nodes whose weights are INT8.
    """

    operands: Mapping[tuple[str, int], float]
    made_by: Mapping[tuple[str, int], str]
    weights: frozenset[str]


def roundings(graph: onnx.GraphProto) -> Rounding:
    """Read them from a Q/DQ graph."""
    made_by = {output: node for node in graph.node for output in node.output}
    constants = {tensor.name: tensor for tensor in graph.initializer}
    operands, makers, weights = {}, {}, set()
    for node in graph.node:
        for index, name in enumerate(node.input):
            dequantize = made_by.get(name)
            if dequantize is None or dequantize.op_type != "DequantizeLinear":
                continue
            if dequantize.input[0] in constants:
                weights.add(node.name)
            elif node.op_type != "QuantizeLinear":
                scale = numpy_helper.to_array(constants[dequantize.input[1]])
                operands[node.name, index] = float(scale)
                makers[node.name, index] = made_by[made_by[dequantize.input[0]].input[0]].name
    return Rounding(operands, makers, frozenset(weights))


class FakeQuantized(MaskAttnUNet):
    """A network that rounds as a Q/DQ graph of it does.

    It has the parameters of the folded network, under the same names, and trains as one does.
    Weights are rounded per channel, to the scales of the present weights' largest magnitudes, as
    both quantizers set them; activations to the graph's scales. Attention, which is not quantised,
    does not change its way of working in training: its masks stay hard.

    Args:
        folded: a network without batch norms; its modules become this one's.
        quantized: its graph with Q/DQ.

    Raises:
        MaskAttnError: the graph quantises what is not found in the network.
    """

    unit: Tensor
    zero: Tensor

    def __init__(self, folded: MaskAttnUNet, quantized: onnx.ModelProto) -> None:
        super().__init__(folded.config)
        for name, child in folded.named_children():
            setattr(self, name, child)
        self.requires_grad_(True)  # folding makes biases that ask for none
        self._graphs = {"decode": trace(folded, "decode")}
        heads = "maps" if self.config.finds_objects else "coarse"
        self._graphs[heads] = trace(folded, heads)
        found = roundings(quantized.graph)
        self._weights = found.weights
        self._scales: dict[tuple[str, int], str] = {}
        for (name, index), scale in self._within(found).items():
            buffer = f"scale_{name.replace('.', '_')}_{index + 1}"
            self.register_buffer(buffer, torch.tensor(scale), persistent=False)
            self._scales[name, index] = buffer
        # Where the graph has no division by the image's deviation, its first weights have that.
        divides = any(
            node.op_type == "Div" and not node.name.startswith(GROUPING)
            for node in quantized.graph.node
        )
        self.first = "" if divides else self._first_convolution()
        deviation = torch.tensor(self.normalization[1]).view(1, -1, 1, 1)
        self.register_buffer("unit", deviation, persistent=False)
        self.register_buffer("zero", torch.zeros((), dtype=torch.int32), persistent=False)

    def _within(self, found: Rounding) -> dict[tuple[str, int], float]:
        """Scales of operands of the traced nodes; of what others read, as the maker's output."""
        nodes = [node for graph in self._graphs.values() for node in graph.nodes]
        known = {node.meta["place"] for node in nodes if "place" in node.meta}
        scales: dict[tuple[str, int], float] = {}
        for (name, index), scale in found.operands.items():
            maker = found.made_by[name, index]
            scales[(name, index) if name in known else (maker, _OUTPUT)] = scale
        named = {name for name, _ in scales} | found.weights
        if missing := named - known:
            raise MaskAttnError(
                f"quantisation-aware training does not know the layer {min(missing)}, which INT8 "
                "quantises: export without --qat"
            )
        return scales

    def _first_convolution(self) -> str:
        places = (str(node.meta.get("place", "")) for node in self._graphs["decode"].nodes)
        return next(place for place in places if place.endswith(".Conv"))

    def train(self, mode: bool = True) -> FakeQuantized:
        """Only dropout trains otherwise than it answers."""
        super().train(mode)
        for module in self.modules():
            if isinstance(module, MaskAttention):
                module.eval()
        return self

    def decode(self, x: Tensor) -> Tensor:
        """As in the network."""
        decoded: Tensor = self._run("decode", x)
        return decoded

    def coarse(self, x: Tensor) -> Tensor:
        """As in the network."""
        logits: Tensor = self._run("coarse", x)
        return logits

    def maps(self, decoded: Tensor) -> HeadMaps:
        """As in the network."""
        maps: HeadMaps = self._run("maps", decoded)
        return maps

    def _run(self, graph: str, x: Tensor) -> Any:  # noqa: ANN401 - Tensor or HeadMaps
        return _Rounding(self, self._graphs[graph]).run(x)

    def rounded(self, name: str, index: int, value: Tensor) -> Tensor:
        """An operand as the graph's node `name` reads it; index -1 is what the node gives."""
        buffer = self._scales.get((name, index))
        if buffer is None:
            return value
        scale = self.get_buffer(buffer)
        return torch.fake_quantize_per_tensor_affine(value, scale, self.zero, _LOW, _HIGH)

    def convolved(self, name: str, layer: nn.Conv2d, x: Tensor) -> Tensor:
        """A convolution with its weights rounded, where the graph's are."""
        weight = layer.weight
        if name == self.first:
            weight = weight / self.unit
        if name in self._weights:
            scale = weight.detach().abs().amax((1, 2, 3)).clamp(min=_SMALLEST) / _HIGH
            zeros = self.zero.expand(len(scale)).contiguous()
            weight = torch.fake_quantize_per_channel_affine(weight, scale, zeros, 0, _LOW, _HIGH)
        convolved: Tensor = layer._conv_forward(x, weight, layer.bias)
        return convolved


class _Rounding(fx.Interpreter):
    """Runs a traced graph of a network with the roundings of its Q/DQ graph."""

    module: FakeQuantized

    def __init__(self, network: FakeQuantized, graph: fx.Graph) -> None:
        super().__init__(network, graph=graph)

    def run_node(self, n: fx.Node) -> Any:  # noqa: ANN401 - as the base class has it
        """The value of a node."""
        place = n.meta.get("place")
        if place is None:
            return super().run_node(n)
        args, kwargs = self.fetch_args_kwargs_from_env(n)
        if place == self.module.first:
            args = (args[0] * self.module.unit, *args[1:])
        tensors = [
            self.module.rounded(place, index, value) if isinstance(value, Tensor) else value
            for index, value in enumerate(args)
        ]
        layer = self.submodules.get(n.target) if isinstance(n.target, str) else None
        if isinstance(layer, nn.Conv2d):
            value = self.module.convolved(place, layer, tensors[0])
        else:
            value = getattr(self, n.op)(n.target, tuple(tensors), kwargs)
        return self.module.rounded(place, _OUTPUT, value)


class _Tracer(fx.Tracer):
    """Stops at attention, which loops over shapes, and which is not quantised."""

    def __init__(self, method: str) -> None:
        super().__init__()
        self.traced_func_name = method

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        """Whether `m` is one node."""
        leaf: bool = super().is_leaf_module(m, module_qualified_name)
        return leaf or isinstance(m, MaskAttention)


def trace(network: MaskAttnUNet, method: str) -> fx.Graph:
    """The graph of a method; nodes that ONNX could quantise have its name for them in `place`."""
    graph = _Tracer(method).trace(network)
    modules: Mapping[str, nn.Module] = dict(network.named_modules())
    used: set[str] = set()
    for node in graph.nodes:
        if node.op == "call_module":
            kind, module = _MODULES.get(type(modules[node.target])), str(node.target)
        else:
            kind = _FUNCTIONS.get(node.target) if node.op == "call_function" else None
            module = next(reversed(node.meta.get("nn_module_stack") or [""]))
        if kind is not None:
            node.meta["place"] = unique_name(f"{module}.{kind}" if module else kind, used)
    return graph
