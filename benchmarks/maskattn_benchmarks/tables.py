"""The tables that both the page and the Markdown show; every cell is text."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from maskattn_benchmarks.cells import NOT_MEASURED, Table, ms, percent
from maskattn_benchmarks.load_tables import loadgen_table, robot_tables
from maskattn_benchmarks.percentiles import Distribution, distribution
from maskattn_benchmarks.results import METRICS, ClassScore, Metric, Report, Run

METRIC_NAMES: dict[Metric, str] = {
    "engine": "engine: network's input to labels on its grid",
    "host_to_host": "host to host: frame in memory, scaled, to labels on the grid",
    "frame_to_labels": "frame to labels: JPEG of a camera to labels of the frame's size",
}


def figures(run: Run, metric: Metric) -> Distribution | None:
    """The distribution of a run's timed frames; None where it has none."""
    samples = run.steady.of(metric)
    return distribution(samples, run.steady.blocks) if len(samples) else None


def tables(report: Report) -> list[Table]:
    """All tables, in the order of reading."""
    made = [_overview(report)]
    made += [_latency(report, metric) for metric in METRICS]
    made.append(_stages(report))
    made += [_start(report), _memory(report), _energy(report)]
    made.append(_accuracy(report))
    scored = [run for run in report.runs if run.accuracy is not None]
    if scored:
        made.append(_classes(scored))
    loadgen = loadgen_table(report)
    made += [loadgen] if loadgen else []
    made += robot_tables(report)
    return [*made, _models(report), _settings(report), _conditions(report)]


def accuracy_text(run: Run) -> str:
    """mIoU, PQ or AP in percent, on the grid and at full size, as the task has them."""
    if run.accuracy is None:
        return NOT_MEASURED
    said = []
    for key, name in {"miou": "mIoU", "pq": "PQ", "ap": "AP"}.items():
        if key in run.accuracy.grid:
            grid, full = run.accuracy.grid[key], run.accuracy.full.get(key)
            said.append(f"{name} {percent(grid)} ({percent(full)} full size)")
    return ", ".join(said) or NOT_MEASURED


def _overview(report: Report) -> Table:
    rows = []
    for run in report.runs:
        told = [figures(run, metric) for metric in METRICS]
        p50 = [ms(each.p50) if each else NOT_MEASURED for each in told]
        last = told[2]
        rows.append(
            (
                run.name,
                *p50,
                ms(last.p99) if last else NOT_MEASURED,
                f"{1e3 / last.mean:.1f}" if last and last.mean else NOT_MEASURED,
                f"{run.memory.peak:.0f}" if run.memory else NOT_MEASURED,
                accuracy_text(run) if run.accuracy else run.accuracy_note,
                _state(run),
            )
        )
    headings = ("run", "engine p50, ms", "host to host p50, ms", "frame to labels p50, ms",
                "frame to labels p99, ms", "frames/s", "peak memory, MiB", "accuracy, %",
                "state")  # fmt: skip
    note = "Frames per second: one frame after the other, JPEG to labels of the frame's size."
    return Table(title="Overview", headings=headings, rows=tuple(rows), note=note)


def _state(run: Run) -> str:
    if run.failure:
        return f"failed: {run.failure}"
    if run.not_run:
        return f"not run: {run.not_run}"
    if run.complete and run.bounded:
        return f"complete, but only {len(run.steady)} frames: its time was up"
    return "complete" if run.complete else "incomplete"


def _latency(report: Report, metric: Metric) -> Table:
    rows = []
    for run in report.runs:
        told = figures(run, metric)
        if told is None:
            continue
        tail = f"{ms(told.p999)}" if told.p999 is not None else "needs 1,000 frames"
        jitter = ms(told.jitter) if told.jitter is not None else NOT_MEASURED
        rows.append((run.name, ms(told.p50), ms(told.p90), ms(told.p99), tail, ms(told.max),
                     ms(told.mean), jitter, f"{told.count:,}"))  # fmt: skip
    headings = ("run", "p50", "p90", "p99", "p99.9", "max", "mean", "jitter", "frames")
    note = ""
    null = report.harness
    harness = figures(null, metric) if null is not None else None
    if harness is not None:
        what = "the harness's own cost" if metric == "engine" else "what is left without a network"
        note = f"Null engine, {what}: p50 {ms(harness.p50)}, p99 {ms(harness.p99)} ms."
    title = f"Latency in ms, {METRIC_NAMES[metric]}"
    return Table(title=title, headings=headings, rows=tuple(rows), note=note)


def _stages(report: Report) -> Table:
    """Medians of the parts of a frame, and the GPU's share where its clock tells it."""
    rows = []
    for run in report.runs:
        if not len(run.steady):
            continue
        parts = [ms(float(np.median(getattr(run.steady, name))))
                 for name in ("decode", "scale", "engine", "enlarge")]  # fmt: skip
        gpu = run.steady.gpu
        parts.insert(3, ms(float(np.median(gpu))) if gpu else "not told by the engine")
        rows.append((run.name, *parts))
    headings = ("run", "decode", "scale", "engine", "of that, GPU", "enlarge")
    note = "The GPU's part is by its own clock, copies included; the rest of the engine is host."
    return Table(title="Parts of a frame in ms, medians", headings=headings, rows=tuple(rows),
                 note=note)  # fmt: skip


def _start(report: Report) -> Table:
    parts: dict[str, Callable[[Run], list[float]]] = {
        "total": lambda run: [each.total for each in run.startup],
        "imports": lambda run: [each.imports for each in run.startup],
        "load": lambda run: [each.load for each in run.startup],
        "first labels": lambda run: [each.first for each in run.startup],
    }
    rows = []
    for run in report.runs:
        if not run.startup:
            reason = run.startup_note or NOT_MEASURED
            rows.append((run.name, reason, *[""] * len(parts)))
            continue
        medians = [f"{np.median(read(run)):.0f}" for read in parts.values()]
        spread = [each.total for each in run.startup]
        rows.append((run.name, *medians, f"{min(spread):.0f} to {max(spread):.0f}"))
    return Table(
        title="Start-up in ms, median of new processes",
        headings=("run", *parts, "range of total"),
        rows=tuple(rows),
        note="Total counts from before the process is made to the first labels.",
    )


def _memory(report: Report) -> Table:
    rows = []
    for run in report.runs:
        host: tuple[str, ...] = (NOT_MEASURED,) * 3
        if run.memory is not None:
            host = tuple(
                f"{value:.0f}"
                for value in (run.memory.before, run.memory.resident, run.memory.peak)
            )
        gpu = run.gpu_memory_mib
        others = [each.note if each.value is None else f"{each.value:.3g}"
                  for each in (gpu, run.activations_mib)]  # fmt: skip
        rows.append((run.name, *host, *others))
    return Table(
        title="Memory in MiB, of a process of its own",
        headings=("run", "before loading", "at work", "peak", "GPU", "engine's activations"),
        rows=tuple(rows),
        note="Activations lie between the layers; they are part of the other figures.",
    )


def _energy(report: Report) -> Table:
    rows = []
    for run in report.runs:
        for energy in run.energy:
            per_frame, watts = energy.per_frame_mj, energy.watts
            rows.append((run.name, energy.meter,
                         NOT_MEASURED if per_frame is None else f"{per_frame:.1f}",
                         NOT_MEASURED if watts is None else f"{watts:.2f}"))  # fmt: skip
        if not run.energy:
            rows.append((run.name, "none", NOT_MEASURED, NOT_MEASURED))
    return Table(
        title="Energy",
        headings=("run", "meter", "mJ per frame", "mean power, W"),
        rows=tuple(rows),
        note=" ".join(
            [
                "Includes what the part draws when idle.",
                *(f"{text[:1].upper()}{text[1:]}." for text in report.unmeasured),
            ]
        ),
    )


def _accuracy(report: Report) -> Table:
    rows = tuple(
        (run.name, accuracy_text(run) if run.accuracy else run.accuracy_note) for run in report.runs
    )
    return Table(title="Accuracy in %", headings=("run", "score"), rows=rows)


def _classes(scored: list[Run]) -> Table:
    """IoU of each class on the grid, a column per model; other classes leave cells empty."""
    scored = list({run.name.rpartition("/")[0]: run for run in reversed(scored)}.values())[::-1]
    names = list(dict.fromkeys(c.name for run in scored for c in (_scores(run))))
    rows = []
    for name in names:
        cells = []
        for run in scored:
            found = [c.grid_iou for c in _scores(run) if c.name == name]
            cells.append(percent(found[0]) if found else "")
        rows.append((name, *cells))
    first = scored[0].accuracy
    what = f"{first.dataset} {first.split}, {first.images} images" if first else ""
    ran = ", ".join(sorted({run.accuracy.runs_on for run in scored if run.accuracy}))
    return Table(
        title=f"IoU of each class in %, on the grid: {what}",
        headings=("class", *(run.name.rpartition("/")[0] or run.name for run in scored)),
        rows=tuple(rows),
        note=f"Labels by {ran}; a class that does not occur has no score.",
    )


def _scores(run: Run) -> tuple[ClassScore, ...]:
    return run.accuracy.classes if run.accuracy else ()


def _models(report: Report) -> Table:
    rows = tuple(
        (run.name, run.model, run.precision or "unknown", run.task or "unknown",
         run.input or "unknown", f"{run.file_bytes / 1e6:.2f}", run.device or "unknown",
         run.sha256[:16] or "unknown")
        for run in report.runs
    )  # fmt: skip
    headings = ("run", "file", "precision", "task", "input", "MB", "device", "SHA-256, first 16")
    return Table(title="Models", headings=headings, rows=rows)


def _settings(report: Report) -> Table:
    s = report.settings
    order = "interleaved by blocks, in a drawn order" if s.interleave else "one run after the other"
    bound = "" if s.max_seconds is None else f"; at the latest after {s.max_seconds:g} s"
    shorter = "" if s.block_seconds is None else f", fewer where they take {s.block_seconds:g} s"
    rows = (
        ("frames from", s.source),
        ("frames", f"{s.frames} different ones of {s.width}x{s.height}, JPEG quality 90"),
        ("warm-up", f"{s.warmup_frames} frames, kept apart"),
        ("ends after", f"{s.min_frames:,} frames and {s.min_seconds:g} s, both{bound}"),
        ("order", f"{order}; blocks of {s.block_frames} frames{shorter}"),
        ("processes", "each run has one of its own; one of them is at work at a time"),
        ("threads", "all cores" if s.threads is None else str(s.threads)),
        ("started", report.started),
        ("version", report.version),
        ("session", report.session),
    )
    return Table(title="Settings", headings=("setting", "value"), rows=rows)


def _conditions(report: Report) -> Table:
    facts = list(report.conditions.facts.items())
    names = dict.fromkeys((*report.conditions.before, *report.conditions.after))
    for name in names:
        before = report.conditions.before.get(name, "unknown")
        after = report.conditions.after.get(name, "unknown")
        facts.append((name, f"{before} before, {after} after"))
    return Table(title="Conditions", headings=("fact", "value"), rows=tuple(facts))
