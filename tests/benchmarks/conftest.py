"""Reports made by hand, without any engine."""

from collections.abc import Callable, Sequence

import pytest

from maskattn_benchmarks.results import Conditions, Report, Run, Samples, Settings

BLOCK = 25


def samples_of(engine_ms: Sequence[float]) -> Samples:
    count = len(engine_ms)
    return Samples(
        at=tuple(0.05 * k for k in range(count)),
        block=tuple(k // BLOCK for k in range(count)),
        decode=(1.0,) * count,
        scale=(0.5,) * count,
        engine=tuple(map(float, engine_ms)),
        enlarge=(0.25,) * count,
    )


def report_of(*, session: str = "a", interleave: bool = False, **runs: Sequence[float]) -> Report:
    settings = Settings(
        source="synthetic://", frames=1, height=480, width=640, warmup_frames=0, min_frames=1,
        min_seconds=0, block_frames=BLOCK, interleave=interleave, threads=None, starts=0, seed=0,
    )  # fmt: skip
    return Report(
        session=session,
        started="2026-11-23T12:00:00+00:00",
        version="0",
        complete=True,
        settings=settings,
        conditions=Conditions(facts={"CPU": "abacus"}),
        runs=tuple(
            Run(name=name, model=f"{name}.onnx", engine="fake", steady=samples_of(values),
                complete=True)
            for name, values in runs.items()
        ),
    )  # fmt: skip


@pytest.fixture(scope="session")
def make_report() -> Callable[..., Report]:
    """(session=, interleave=, NAME=milliseconds...) -> a report with these runs."""
    return report_of
