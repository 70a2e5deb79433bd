"""The files of a benchmark: results.json, report.md and report.html in one folder."""

from __future__ import annotations

from pathlib import Path

from maskattn_benchmarks.markdown import markdown
from maskattn_benchmarks.page import page
from maskattn_benchmarks.results import Report, write_results
from maskattn_edge.contract.atomic import write_text
from maskattn_edge.contract.errors import SinkError


def write_reports(folder: Path, report: Report) -> None:
    """Write all three, each atomically.

    Raises:
        MissingDependencyError: jinja2 is not installed.
        SinkError: the folder cannot be written, or the disk is full.
    """
    write_results(folder / "results.json", report)
    for name, text in {"report.md": markdown(report), "report.html": page(report)}.items():
        try:
            write_text(folder / name, text)
        except OSError as error:
            raise SinkError(f"{folder / name}: cannot write it: {error.strerror}") from error
