"""Whether something spoiled a run: warnings from the machine's state before and after."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

from maskattn_benchmarks.machine import MachineState, machine_state
from maskattn_benchmarks.results import Run

OTHER_CORES = 0.1
"""Cores that other processes may use before a run counts as disturbed."""

STOLEN_SHARE = 0.01
CLOCK_DROP = 0.05
DRIFT = 0.1
"""Share by which the first frames may differ from the last, in their median engine time."""

REST_SECONDS = 1.0


def other_load(
    before: MachineState, after: MachineState, *, own_s: float | None = None
) -> float | None:
    """Cores that other processes used on average between two moments; None where not told.

    Args:
        before: at the start.
        after: at the end.
        own_s: CPU seconds of this program, processes that it started included; those of this
            process alone if not given.
    """
    seconds = after.at - before.at
    if before.busy_s is None or after.busy_s is None or seconds <= 0:
        return None
    own = after.own_s - before.own_s if own_s is None else own_s
    return max(0.0, after.busy_s - before.busy_s - own) / seconds


def load_at_rest(
    *,
    seconds: float = REST_SECONDS,
    state: Callable[[], MachineState] = machine_state,
    sleep: Callable[[float], None] = time.sleep,
) -> float | None:
    """Cores that others use while this process sleeps; None where the machine does not tell."""
    before = state()
    sleep(seconds)
    return other_load(before, state())


def warnings_before(governor: str, rest: float | None) -> list[str]:
    """What can be said before the first frame."""
    said = []
    if governor not in ("performance", "unknown"):
        said.append(
            f"The CPU governor is {governor}: clocks follow the load. Set it to performance for "
            "figures that can be repeated."
        )
    if governor == "unknown":
        said.append("The CPU's governor and clocks are not visible here: they may have changed.")
    if rest is not None and rest > OTHER_CORES:
        said.append(f"Before the run, other processes already used {rest:.2f} cores.")
    return said


def warnings_during(
    before: MachineState, after: MachineState, *, children_s: float = 0.0
) -> list[str]:
    """What disturbed the timed part between two moments.

    Args:
        before: at the start.
        after: at the end.
        children_s: CPU seconds of the processes that take part.
    """
    said = []
    seconds = after.at - before.at
    others = other_load(before, after, own_s=after.own_s - before.own_s + children_s)
    if others is not None and others > OTHER_CORES:
        said.append(
            f"Another load spoiled this run: other processes used {others:.2f} cores while frames "
            "were timed."
        )
    if before.steal_s is not None and after.steal_s is not None and seconds > 0:
        stolen = (after.steal_s - before.steal_s) / seconds
        if stolen > STOLEN_SHARE:
            said.append(f"The hypervisor took {stolen:.2f} cores away (steal time).")
    if _rose(before.throttled, after.throttled):
        said.append("Heat or power limits throttled the CPU during the run.")
    if _rose(before.quota_throttled, after.quota_throttled):
        said.append("The container's CPU quota stopped this process during the run.")
    if before.frequency_mhz and after.frequency_mhz:
        first, last = (sum(f) / len(f) for f in (before.frequency_mhz, after.frequency_mhz))
        if last < (1 - CLOCK_DROP) * first:
            said.append(f"Core clocks fell from {first:.0f} to {last:.0f} MHz during the run.")
    return said


def unsteady(run: Run) -> list[str]:
    """Whether the first tenth of the timed frames differs from their last half."""
    engine = run.steady.of("engine")
    if len(engine) < 100:
        return []
    first, last = np.median(engine[: len(engine) // 10]), np.median(engine[len(engine) // 2 :])
    if last <= 0 or abs(first / last - 1) <= DRIFT:
        return []
    return [
        f"{run.name}: the engine's median over the first tenth of the timed frames differs by "
        f"{100 * (first / last - 1):+.0f} % from the last half: the warm-up was too short, or the "
        "machine changed."
    ]


def _rose(before: int | None, after: int | None) -> bool:
    return before is not None and after is not None and after > before
