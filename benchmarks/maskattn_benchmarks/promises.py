"""What the runtime promises on two cores, and what `pipeline_cost` found, as a table."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

Results = Mapping[str, Mapping[str, Any]]
"""Part of `pipeline_cost` -> its figures."""


@dataclass(frozen=True, kw_only=True)
class Promise:
    """One row. `part`: where it is measured; `found` and `limit` take the figures of all parts."""

    what: str
    part: str
    unit: str
    found: Callable[[Results], float]
    limit: Callable[[Results], float]

    def row(self, results: Results) -> tuple[str, str, str, str]:
        """What, limit, found, and whether it is kept; "not measured" where the part was not run."""
        if self.part not in results:
            return self.what, "", "not measured", ""
        found, limit = self.found(results), self.limit(results)
        kept = "yes" if found <= limit else "**no**"
        return self.what, f"{limit:.4g} {self.unit}", f"{found:.3g} {self.unit}", kept


def _always(limit: float) -> Callable[[Results], float]:
    return lambda results: limit


PROMISES = (
    Promise(
        what="640x480 camera frame to labels, p50",
        part="camera", unit="ms", limit=_always(5),
        found=lambda results: results["camera"]["latency_ms"]["p50"],
    ),
    Promise(
        what="the same, p99 (three times p50)",
        part="camera", unit="ms",
        limit=lambda results: 3 * results["camera"]["latency_ms"]["p50"],
        found=lambda results: results["camera"]["latency_ms"]["p99"],
    ),
    Promise(
        what="resident memory of `run`, at most",
        part="start", unit="MiB", limit=_always(250 * 1e6 / 2**20),
        found=lambda results: results["start"]["peak_mib"],
    ),
    Promise(
        what="start of `run` to its first result",
        part="start", unit="s", limit=_always(1.5),
        found=lambda results: results["start"]["first_result_ms"] / 1e3,
    ),
    Promise(
        what="pipeline over a bare loop, by the clock",
        part="cost", unit="%", limit=_always(10),
        found=lambda results: 100 * results["cost"]["share"],
    ),
    Promise(
        what="the same, processor time",
        part="cost", unit="%", limit=_always(10),
        found=lambda results: 100 * results["cost"]["cpu_share"],
    ),
    Promise(
        what="source at 4 times the engine's rate: frame age p99",
        part="overload", unit="ms",
        limit=lambda results: results["overload"]["limit_ms"],
        found=lambda results: results["overload"]["age_p99_ms"],
    ),
    Promise(
        what="growth of memory in 90,000 frames, after 10,000",
        part="memory", unit="MiB", limit=_always(5 * 1e6 / 2**20),
        found=lambda results: results["memory"]["end_mib"] - results["memory"]["settled_mib"],
    ),
)  # fmt: skip


def promise_table(results: Results, *, device: str) -> str:
    """The table in Markdown; `device` heads the column of what was found."""
    rows = [("promise", "limit", device, "kept"), ("---", "--:", "--:", "---")]
    rows += [promise.row(results) for promise in PROMISES]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)
