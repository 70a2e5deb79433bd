"""Plots of a study: every seed is a point, so that the spread shows as it is."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from maskattn_edge.contract.atomic import replacing
from maskattn_edge.optional import require
from maskattn_models.study.results import StudyResult
from maskattn_models.study.summary import ArmSummary, Spread, summarise

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MEAN, _SEED = "#1b7837", "#2166ac"
_INK, _GRID = "#404040", "#e4e4e4"


def write_scores(path: Path, result: StudyResult) -> None:
    """Draw each arm's mIoU: over the images for shares of the data, else a row per arm.

    Raises:
        OSError: the folder cannot be written, or the disk is full.
        MissingDependencyError: matplotlib is not installed.
    """
    arms = summarise(result)
    if len({arm.images for arm in arms}) > 1:
        _write_over_images(path, result, arms)
        return
    points = [[run.miou for run in result.of_arm(arm.name).values()] for arm in arms]
    spreads = [arm.miou for arm in arms]
    _write_rows(path, result, arms, points, spreads, label="mIoU, %")


def write_differences(path: Path, result: StudyResult) -> None:
    """Draw each arm's difference to the baseline, seed by seed, a row per arm.

    Raises:
        OSError, MissingDependencyError: as `write_scores`.
    """
    baseline = result.of_arm(result.baseline)
    arms = [arm for arm in summarise(result) if arm.difference is not None]
    points = [
        [
            run.miou - baseline[seed].miou
            for seed, run in result.of_arm(arm.name).items()
            if seed in baseline
        ]
        for arm in arms
    ]
    spreads = [arm.difference for arm in arms if arm.difference is not None]
    label = f"mIoU less that of {result.arms[result.baseline]}, percentage points"
    _write_rows(path, result, arms, points, spreads, label=label, zero=True)


def _write_rows(
    path: Path,
    result: StudyResult,
    arms: list[ArmSummary],
    points: list[list[float]],
    spreads: list[Spread],
    *,
    label: str,
    zero: bool = False,
) -> None:
    figure, axes = _figure(result, height=1.6 + 0.45 * len(arms))
    for row, (values, spread) in enumerate(zip(points, spreads, strict=True)):
        axes.plot([100 * value for value in values], [row] * len(values), "o", color=_SEED,
                  alpha=0.6, label="one seed" if row == 0 else None)  # fmt: skip
        axes.errorbar(
            [100 * spread.mean],
            [row],
            xerr=None if spread.deviation is None else [100 * spread.deviation],
            fmt="|",
            markersize=16,
            color=_MEAN,
            capsize=3,
            label="mean, standard deviation" if row == 0 else None,
        )
    if zero:
        axes.axvline(0, color=_INK, linewidth=1)
    axes.set_yticks(range(len(arms)), [arm.title for arm in arms])
    axes.set_ylim(len(arms) - 0.5, -0.5)
    axes.set_xlabel(label, color=_INK)
    _save(path, figure, axes)


def _write_over_images(path: Path, result: StudyResult, arms: list[ArmSummary]) -> None:
    figure, axes = _figure(result, height=4.5)
    arms = sorted(arms, key=lambda arm: arm.images)
    for index, arm in enumerate(arms):
        values = [100 * run.miou for run in result.of_arm(arm.name).values()]
        axes.plot([arm.images] * len(values), values, "o", color=_SEED, alpha=0.6,
                  label="one seed" if index == 0 else None)  # fmt: skip
    axes.errorbar(
        [arm.images for arm in arms],
        [100 * arm.miou.mean for arm in arms],
        yerr=[100 * (arm.miou.deviation or 0) for arm in arms],
        color=_MEAN,
        capsize=3,
        label="mean, standard deviation",
    )
    axes.set_xticks([arm.images for arm in arms], [f"{arm.images:,}\n{arm.title}" for arm in arms])
    axes.set_xlim(left=0)
    axes.set_xlabel("different training images", color=_INK)
    axes.set_ylabel("mIoU, %", color=_INK)
    _save(path, figure, axes)


def _figure(result: StudyResult, *, height: float) -> tuple[Figure, Axes]:
    require("matplotlib.figure", purpose="drawing plots", extra="train")
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, height), dpi=120, layout="constrained")
    axes = figure.subplots()
    axes.grid(color=_GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(colors=_INK, length=0)
    for side in axes.spines.values():
        side.set_visible(False)
    what = f"{result.data} {result.split}, size {result.size}, {result.epochs} epochs"
    figure.suptitle(f"{result.title}\n{what}", color=_INK, fontsize=11)
    return figure, axes


def _save(path: Path, figure: Figure, axes: Axes) -> None:
    figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=2,
                  frameon=False, labelcolor=_INK)  # fmt: skip
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png")
