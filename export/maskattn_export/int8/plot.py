"""The plot of what INT8 costs: calibrations, blocks, and the curve over blocks in INT8."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from maskattn_edge.contract.atomic import replacing
from maskattn_edge.optional import require
from maskattn_export.int8.search import Int8Result

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_BAR, _CURVE, _BUDGET = "#2166ac", "#1b7837", "#b2182b"


def write_plot(path: Path, result: Int8Result) -> None:
    """Draw `result` as PNG; sensitivities and curve only where they were measured.

    Raises:
        OSError: the folder cannot be written, or the disk is full.
        MissingDependencyError: matplotlib is not installed.
    """
    require("matplotlib", purpose="the plot of INT8's losses", extra="train")
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    panels = 3 if result.sensitivities else 1
    figure = Figure(figsize=(4.2 * panels, 3.4), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(1, panels, squeeze=False)[0]
    names: list[str] = list(result.methods)
    _bars(axes[0], names, list(result.methods.values()), "calibration, every block in INT8")
    if result.sensitivities:
        worst = list(reversed(result.sensitivities))
        losses = [one.loss for one in worst]
        _bars(axes[1], [one.block for one in worst], losses, "one block in INT8 at a time")
        _curve(axes[2], result)
    for axis in axes[:2]:
        axis.set_xlabel(f"points of {result.metric} lost")
    with replacing(path) as temporary:
        figure.savefig(temporary, dpi=120)


def _bars(axes: Axes, names: list[str], losses: list[float], title: str) -> None:
    axes.barh(names, losses, color=_BAR)
    axes.axvline(0, color="black", linewidth=0.8)
    axes.set_title(title, fontsize=9)


def _curve(axes: Axes, result: Int8Result) -> None:
    blocks = [point.blocks for point in result.curve]
    axes.plot(blocks, [point.loss for point in result.curve], marker="o", color=_CURVE)
    if result.budget is not None:
        axes.axhline(result.budget, color=_BUDGET, linestyle="--", label="budget")
        axes.legend()
    axes.set_xticks(blocks)
    axes.set_xlabel("blocks in INT8")
    axes.set_ylabel(f"points of {result.metric} lost")
    axes.set_title("worst blocks in fp16", fontsize=9)
