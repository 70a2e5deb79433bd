"""What INT8 costs, for people and programs: JSON, Markdown and a plot beside the model file."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from maskattn_edge.contract.atomic import write_text
from maskattn_edge.contract.errors import ModelFileError
from maskattn_export.int8.plot import write_plot
from maskattn_export.int8.quantizers import PLACEMENTS
from maskattn_export.int8.search import Int8Result
from maskattn_export.int8.tuning import Tuning


def write_report(stem: Path, result: Int8Result) -> tuple[Path, Path, Path]:
    """Write `<stem>.int8.json`, `.md` and `.png`, each atomically.

    Raises:
        ModelFileError: the folder cannot be written, or the disk is full.
    """
    paths = [stem.with_name(f"{stem.name}.int8{suffix}") for suffix in (".json", ".md", ".png")]
    facts = asdict(result) | {"loss": result.loss, "holds": result.holds}
    try:
        write_text(paths[0], json.dumps(facts, indent=2) + "\n")
        write_text(paths[1], markdown(result))
        write_plot(paths[2], result)
    except OSError as error:
        raise ModelFileError(
            f"{stem}: cannot write the report on INT8 ({error.strerror}): free some space or "
            "choose another folder"
        ) from error
    return paths[0], paths[1], paths[2]


def markdown(result: Int8Result) -> str:
    """The report as Markdown."""
    score = "pixels with PyTorch's label" if result.metric == "agreement" else result.metric
    parts = [
        "# What INT8 costs\n",
        f"Losses are points of {score} less than PyTorch's fp32 ({result.reference:.2f}), on "
        f"{result.images} held-out images that also chose what is shown here. Q/DQ placed by "
        f"{PLACEMENTS[result.quantizer][0]}.\n",
        f"**{verdict(result)}**\n",
        _table(
            ("calibration, every block in INT8", "loss"),
            [(name, f"{loss:.3f}") for name, loss in result.methods.items()],
        ),
    ]
    if result.tuning is not None:
        parts += [_tuning(result.tuning, result)]
    if result.sensitivities:
        parts += [
            "One block in INT8 at a time, the rest in fp16:\n",
            _table(
                ("block", "layers", "loss"),
                [(one.block, str(one.layers), f"{one.loss:.3f}") for one in result.sensitivities],
            ),
            "The worst blocks kept in fp16, one more each time:\n",
            _table(
                ("blocks in INT8", "kept last", "loss"),
                [(str(p.blocks), p.kept or "none", f"{p.loss:.3f}") for p in result.curve],
            ),
        ]
    return "\n".join(parts)


def _tuning(tuning: Tuning, result: Int8Result) -> str:
    outcome = (
        f"All blocks in INT8 lose {tuning.untuned_loss:.3f} points without, and "
        f"{result.curve[0].loss:.3f} with the weights of epoch {tuning.best_epoch}."
        if tuning.best_epoch
        else "Its weights were not taken: they lose no less than the checkpoint's."
    )
    scores = [("0", f"{tuning.before:.2f}")]
    scores += [(str(epoch), f"{score:.2f}") for epoch, score in enumerate(tuning.scores, start=1)]
    return (
        f"Quantisation-aware fine-tuning on {tuning.images} images, {tuning.epochs} epochs chosen "
        f"on {tuning.choosing} images that judge nothing else, learning rate "
        f"{tuning.learning_rate:g}, {tuning.seconds:.0f} s on {tuning.device}. "
        f"{outcome}\n\n" + _table(("epoch", "validation, rounded as INT8"), scores)
    )


def verdict(result: Int8Result) -> str:
    """In one sentence."""
    if not result.holds:
        return f"{result.failure}."
    kept = f", with {', '.join(result.kept)} in fp16" if result.kept else ""
    kept += _weights(result)
    budget = "" if result.budget is None else f", within the budget of {result.budget:g}"
    return (
        f"INT8 loses {result.loss:.2f} points of {result.metric}{budget}: "
        f"{result.method} calibration{kept}."
    )


def _weights(result: Int8Result) -> str:
    tuning = result.tuning
    if tuning is None:
        return ""
    if not result.tunes:
        return ", without fine-tuning, which lost no less"
    return f", fine-tuned ({tuning.untuned_loss:.2f} without)"


def _table(headings: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    lines = [f"| {' | '.join(row)} |" for row in (headings, *rows)]
    rule = f"|---{'|--:' * (len(headings) - 1)}|"
    return "\n".join([lines[0], rule, *lines[1:], ""])
