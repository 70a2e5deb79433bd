"""Timing with a clock that moves only when an engine moves it."""

from collections.abc import Iterator

import cv2
import numpy as np
import pytest

from maskattn_benchmarks.harness import NullEngine, Stopwatch
from maskattn_benchmarks.percentiles import distribution, percentile
from maskattn_edge.contract.errors import ContractError, SourceError
from maskattn_edge.contract.model_file import read_model_file
from maskattn_edge.latency import LatencySettings
from maskattn_edge.models import default_model


class FakeTime:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class PacedEngine(NullEngine):
    """Takes known milliseconds, on a clock of its own."""

    def __init__(self, time: FakeTime, latencies_ms: Iterator[float]) -> None:
        super().__init__(read_model_file(default_model()))
        self._time, self._latencies = time, latencies_ms

    def _run(self, image_nhwc):
        self._time.now += next(self._latencies) / 1e3
        return super()._run(image_nhwc)


@pytest.fixture(scope="module")
def frame() -> bytes:
    return cv2.imencode(".jpg", np.full((48, 64, 3), 90, np.uint8))[1].tobytes()


def timed(latencies_ms, frame, *, warmup=0, block=25, seconds=0.0):
    time = FakeTime()
    latencies = list(latencies_ms)
    settings = LatencySettings(
        warmup_frames=warmup, min_frames=len(latencies) - warmup, min_seconds=seconds
    )
    watch = Stopwatch(
        PacedEngine(time, iter(latencies)), [frame], settings, started=100.0, clock=time
    )
    watch.warm_up()
    number = 0
    while not watch.done:
        watch.take(number, block)
        number += 1
    return watch


def test_known_latencies_give_known_percentiles(frame):
    order = np.random.default_rng(3).permutation(1000) + 1.0  # 1..1000 ms in a drawn order
    samples = timed(order, frame).steady.samples()
    told = distribution(samples.of("engine"), samples.blocks)
    assert (told.p50, told.p90, told.p99, told.p999, told.max) == (501, 901, 991, 1000, 1000)
    assert told.mean == 500.5
    np.testing.assert_array_equal(samples.of("engine"), order)
    np.testing.assert_array_equal(samples.of("host_to_host"), order)  # nothing else moves the clock
    np.testing.assert_array_equal(samples.of("frame_to_labels"), order)


def test_one_stall_in_a_thousand_is_seen(frame):
    latencies = [2.0] * 2000
    latencies[700] = latencies[1500] = 80.0
    samples = timed(latencies, frame).steady.samples()
    told = distribution(samples.of("engine"), samples.blocks)
    assert (told.p99, told.p999, told.max) == (2.0, 80.0, 80.0)


def test_warm_up_is_kept_apart(frame):
    watch = timed([50.0] * 3 + [2.0] * 50, frame, warmup=3)
    assert watch.warmup.samples().engine == (50.0,) * 3
    assert set(watch.steady.samples().engine) == {2.0}
    assert watch.steady.samples().at[0] == pytest.approx(0.15)


def test_it_ends_when_time_and_count_are_met(frame):
    time = FakeTime()
    latency = LatencySettings(warmup_frames=0, min_frames=10, min_seconds=0.99)
    watch = Stopwatch(PacedEngine(time, iter([20.0] * 100)), [frame], latency, clock=time)
    taken = []
    while not watch.done:
        watch.take(len(taken), 10)
        taken.append(len(watch.steady))
    assert taken == [10, 20, 30, 40, 50]  # the count was met at once, the second after 50 frames
    assert watch.steady.samples().block == tuple(np.repeat(range(5), 10).tolist())


def test_jitter_counts_within_blocks_only():
    told = distribution(np.array([1.0, 3.0, 100.0, 101.0]), np.array([0, 0, 1, 1]))
    assert told.jitter == 1.5
    assert told.p999 is None


def test_labels_come_at_the_frames_size(frame):
    watch = timed([1.0] * 5, frame, block=5)
    assert len(watch.steady) == 5


@pytest.mark.parametrize("rank", [0, 500, 999])
@pytest.mark.parametrize("count", [1, 7, 1000])
def test_a_percentile_is_the_sorted_value_at_its_index(count, rank):
    values = np.random.default_rng(count).random(count)
    assert percentile(values, rank) == sorted(values)[count * rank // 1000]


def test_what_cannot_be_timed():
    engine = NullEngine(read_model_file(default_model()))
    settings = LatencySettings(warmup_frames=1)
    with pytest.raises(ContractError, match="at least one frame"):
        Stopwatch(engine, [], settings)
    with pytest.raises(SourceError, match="no picture"):
        Stopwatch(engine, [b"no jpeg"], settings).warm_up()
    with pytest.raises(ContractError, match="rank of 0 to 999"):
        percentile(np.array([]), 500)
