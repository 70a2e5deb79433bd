"""INT8 with an accuracy budget: the best calibration, and the worst blocks in fp16.

Sensitivity is measured with one block in INT8 at a time and the rest in fp16. So each block's loss
is its own: where two blocks both ruin the answer, keeping one of them would show no gain. How
losses add up is what the curve measures, which keeps blocks from the worst on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import onnx
from numpy.typing import NDArray

from maskattn_edge.contract.spec import KeptLayer, PrecisionSpec
from maskattn_export.int8.blocks import blocks_of
from maskattn_export.int8.calibration import observe, with_ranges
from maskattn_export.int8.islands import with_fp16_islands
from maskattn_export.int8.judge import Judge, Metric
from maskattn_export.int8.kept import kept_layers
from maskattn_export.int8.qdq import in_float, in_int8, quantized_tensors
from maskattn_export.int8.quantizers import PLACEMENTS, finished, place
from maskattn_export.int8.thresholds import METHODS, Method
from maskattn_export.int8.tuning import Tuning
from maskattn_export.settings import Quantizer


@dataclass(frozen=True, kw_only=True)
class BlockLoss:
    """Points that one block in INT8 costs, all others in fp16; `layers` have weights."""

    block: str
    layers: int
    loss: float


@dataclass(frozen=True, kw_only=True)
class CurvePoint:
    """`blocks` in INT8, after `kept` was put back, too, lose so many points; "" at the start."""

    blocks: int
    kept: str
    loss: float


_TUNED = ", weights of epoch {} of a fine-tuning through these roundings"
_METHOD = "explicit Q/DQ by {}, symmetric, weights per channel, activations per tensor, {} ranges"


@dataclass(frozen=True, kw_only=True)
class Int8Result:
    """What was tried, and what came of it. Losses are points of `metric` less than PyTorch's fp32.

    Args:
        quantizer: that placed Q/DQ.
        method: the calibration that lost least.
        methods: loss of each calibration, all blocks in INT8.
        budget: in points; None if there was none.
        metric: of the task, on `images` held-out ones; `reference` is PyTorch's.
        sensitivities: worst first; empty if the budget held at once.
        curve: from all blocks in INT8 on.
        kept: blocks in fp16, beside what is kept by rule.
        tuning: how the weights were fine-tuned for INT8; None if they were not.
    """

    quantizer: Quantizer
    method: Method
    methods: dict[Method, float]
    budget: float | None
    metric: Metric
    reference: float
    images: int
    sensitivities: tuple[BlockLoss, ...]
    curve: tuple[CurvePoint, ...]
    kept: tuple[str, ...]
    tuning: Tuning | None = None

    @property
    def loss(self) -> float:
        """Of the graph that was chosen."""
        return self.curve[-1].loss

    @property
    def holds(self) -> bool:
        """Whether that graph is within the budget, and has a block in INT8 at all."""
        within = self.budget is None or self.loss <= self.budget
        return within and self.curve[-1].blocks > 0

    @property
    def tunes(self) -> bool:
        """Whether the graph has fine-tuned weights."""
        return self.tuning is not None and self.tuning.best_epoch > 0

    @property
    def failure(self) -> str:
        """Why there is no INT8 file, in a few words."""
        return (
            f"INT8 is not within the budget of {self.budget:g} and was not written: it loses "
            f"{self.curve[0].loss:.2f} points of {self.metric} in all {self.curve[0].blocks} "
            f"blocks, and {self._lowest:.2f} in the best mixture"
        )

    @property
    def _lowest(self) -> float:
        return min(point.loss for point in self.curve if point.blocks)


def precision_of(model: onnx.ModelProto, result: Int8Result) -> PrecisionSpec:
    """What the file made of `model`, from `to_onnx`, says of its precision."""
    losses = {one.block: one.loss for one in result.sensitivities}
    beyond = [
        KeptLayer(
            name=block,
            reason=f"alone in INT8 it loses {losses[block]:.2f} points of {result.metric}; all "
            f"blocks in INT8 lose more than the budget of {result.budget:g}",
        )
        for block in result.kept
    ]
    return PrecisionSpec(
        name="int8",
        kept=(*kept_layers(model), *beyond),
        method=_METHOD.format(PLACEMENTS[result.quantizer][0], result.method)
        + (_TUNED.format(result.tuning.best_epoch) if result.tuning and result.tunes else ""),
    )


def search(
    model: onnx.ModelProto,
    images: Sequence[NDArray[np.uint8]],
    judge: Judge,
    *,
    quantizer: Quantizer,
    budget: float | None,
    on_step: Callable[[str], None] = lambda step: None,
) -> tuple[onnx.ModelProto, Int8Result]:
    """The INT8 graph of the fp32 graph that loses least, or just enough less.

    Args:
        model: from `to_onnx`.
        images: for the ranges; see `place`.
        judge: of the loss.
        quantizer: that places Q/DQ.
        budget: most points to lose; None takes the best calibration as it is.
        on_step: told what is being done.

    Raises:
        DataError, UsageError, MissingDependencyError: as `place`.
    """
    on_step("INT8: placing Q/DQ and observing ranges")
    placed = place(model, images, quantizer)
    full, methods, method = _calibrated(model, placed, images, judge, on_step)
    blocks = _Blocks(model, full)
    best = full
    curve = [CurvePoint(blocks=len(blocks.names), kept="", loss=methods[method])]
    losses: list[BlockLoss] = []
    kept: list[str] = []
    if budget is not None and methods[method] > budget:
        for name in blocks.names:
            on_step(f"INT8: sensitivity of {name}")
            alone = blocks.kept([other for other in blocks.names if other != name])
            loss = judge.reference - judge(with_fp16_islands(alone))
            losses.append(BlockLoss(block=name, layers=blocks.layers(name), loss=loss))
        losses.sort(key=lambda one: -one.loss)
        for worst in losses:
            kept.append(worst.block)
            on_step(f"INT8: {worst.block} in fp16 too ({len(kept)} blocks)")
            best = blocks.kept(kept)
            left = len(blocks.names) - len(kept)
            loss = judge.reference - judge(with_fp16_islands(best))
            curve.append(CurvePoint(blocks=left, kept=worst.block, loss=loss))
            if loss <= budget:
                break
    return with_fp16_islands(finished(best)), Int8Result(
        quantizer=quantizer,
        method=method,
        methods=methods,
        budget=budget,
        metric=judge.metric,
        reference=judge.reference,
        images=judge.judged,
        sensitivities=tuple(losses),
        curve=tuple(curve),
        kept=tuple(kept),
    )


def _calibrated(
    model: onnx.ModelProto,
    placed: onnx.ModelProto,
    images: Sequence[NDArray[np.uint8]],
    judge: Judge,
    on_step: Callable[[str], None],
) -> tuple[onnx.ModelProto, dict[Method, float], Method]:
    """The graph with the best calibration, the loss of each, and which it was."""
    tensors = sorted({name for group in quantized_tensors(placed.graph).values() for name in group})
    histograms = observe(model, tensors, images)
    losses: dict[Method, float] = {}
    graphs = {}
    for method in METHODS:
        on_step(f"INT8: calibration by {method}")
        graphs[method] = finished(with_ranges(placed, histograms, method))
        losses[method] = judge.reference - judge(with_fp16_islands(graphs[method]))
    best = min(losses, key=lambda method: losses[method])
    return graphs[best], losses, best


class _Blocks:
    """The blocks of a Q/DQ graph that compute in INT8, in the network's order."""

    def __init__(self, original: onnx.ModelProto, quantized: onnx.ModelProto) -> None:
        self._original, self._quantized = original, quantized
        self._block = blocks_of(original.graph)
        self._layers = in_int8(quantized.graph)
        order = [self._block[n.name] for n in original.graph.node if n.name in self._layers]
        self.names = list(dict.fromkeys(order))

    def layers(self, block: str) -> int:
        return sum(self._block[name] == block for name in self._layers)

    def kept(self, blocks: Sequence[str]) -> onnx.ModelProto:
        """The graph with these blocks in floating point."""
        nodes = {name for name, block in self._block.items() if block in blocks}
        return in_float(self._quantized, self._original, nodes)
