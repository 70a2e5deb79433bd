"""The report as Markdown: the same tables as the page, for a pull request or a README."""

from __future__ import annotations

from maskattn_benchmarks.cells import Table
from maskattn_benchmarks.results import Report
from maskattn_benchmarks.tables import tables


def markdown(report: Report) -> str:
    """The whole report."""
    state = (
        "" if report.complete else "\n**Incomplete:** the benchmark was ended before it was done.\n"
    )
    parts = [f"# Benchmark of {report.started}\n{state}"]
    if report.warnings:
        parts.append("\n".join(f"- **Warning:** {cell(text)}" for text in report.warnings) + "\n")
    parts += [table_text(table) for table in tables(report)]
    return "\n".join(parts)


def table_text(table: Table) -> str:
    """A table under its title."""
    lines = [f"## {cell(table.title)}", ""]
    lines.append(f"| {' | '.join(map(cell, table.headings))} |")
    lines.append(f"|{'---|' * len(table.headings)}")
    lines += [f"| {' | '.join(map(cell, row))} |" for row in table.rows]
    lines += ["", cell(table.note), ""] if table.note else [""]
    return "\n".join(lines)


def cell(text: str) -> str:
    """Text that can end neither its cell nor its line, nor become HTML or a link."""
    flat = " ".join(text.split()).replace("\\", "\\\\")
    for mark in "|<>[]`*_":
        flat = flat.replace(mark, f"\\{mark}")
    return flat
