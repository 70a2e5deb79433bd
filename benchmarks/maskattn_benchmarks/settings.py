"""How a benchmark is taken."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path

from maskattn_benchmarks.loadgen import LoadGenSettings
from maskattn_benchmarks.results import Settings
from maskattn_benchmarks.robot import RobotSettings
from maskattn_edge.contract.errors import ContractError
from maskattn_edge.latency import LatencySettings


@dataclass(frozen=True, kw_only=True)
class BenchmarkSettings:
    """How a benchmark is taken.

    Args:
        latency: warm-up, and the two minima that end the timed part when both are met.
        max_seconds: timed seconds after which a candidate is done even without its frames, so
            that a slow one does not hold up the rest; its warm-up ends after a tenth of them.
        block_frames: frames that are taken without a pause; whole blocks are compared.
        block_seconds: a slow candidate's blocks have fewer frames, about so long, but at least one.
        interleave: take a block of each candidate in turn, in an order drawn for each round.
        threads: CPU threads per frame; None takes all cores.
        source: where frames come from, as `run --source` takes it.
        frames: how many different ones are taken in turn.
        starts: processes that start-up and memory are measured with, for each candidate.
        timeout_s: how long a candidate may take for any one step, loading included.
        data: folder of a data set to score on, or None.
        split: part of it.
        limit: images of it, or None for all.
        seed: of the order of candidates.
        loadgen: lets MLPerf LoadGen run each candidate too; None does not.
        robot: runs the whole loop of each candidate too; None does not.

    Raises:
        ContractError: a number is out of range.
    """

    latency: LatencySettings = field(
        default_factory=lambda: LatencySettings(warmup_frames=50, min_frames=1000, min_seconds=10)
    )
    max_seconds: float | None = None
    block_frames: int = 25
    block_seconds: float | None = None
    interleave: bool = False
    threads: int | None = None
    source: str = "synthetic://?frames=16"
    frames: int = 16
    starts: int = 3
    timeout_s: float = 300.0
    data: Path | None = None
    split: str = "test"
    limit: int | None = None
    seed: int = 0
    loadgen: LoadGenSettings | None = None
    robot: RobotSettings | None = None

    @property
    def max_warmup_s(self) -> float:
        """Seconds after which a warm-up ends with fewer frames."""
        return math.inf if self.max_seconds is None else self.max_seconds / 10

    def __post_init__(self) -> None:
        if self.block_frames < 1 or self.frames < 1 or not 0 <= self.starts <= 100:
            raise ContractError(
                "a benchmark needs blocks of 1 frame or more, 1 source frame or more and 0 to 100 "
                f"starts, got {self.block_frames}, {self.frames} and {self.starts}"
            )
        bounds = (self.max_seconds, self.block_seconds, self.timeout_s)
        if any(bound is not None and not bound > 0 for bound in bounds):
            raise ContractError(f"bounds of time must be above 0 s, got {bounds}")


def recorded(settings: BenchmarkSettings, frames: int, height: int, width: int) -> Settings:
    """The settings as the report keeps them, with the number and size of the frames there were."""
    latency = settings.latency
    return Settings(
        source=settings.source,
        frames=frames,
        height=height,
        width=width,
        warmup_frames=latency.warmup_frames,
        min_frames=latency.min_frames,
        min_seconds=latency.min_seconds,
        max_seconds=settings.max_seconds,
        block_frames=settings.block_frames,
        block_seconds=settings.block_seconds,
        interleave=settings.interleave,
        threads=settings.threads,
        starts=settings.starts,
        seed=settings.seed,
    )
