"""Threads, drops, errors and endings, with sources and sinks that do as they are told."""

import json
import os
import signal
import threading
from pathlib import Path

import numpy as np
import pytest

from maskattn_edge.contract.errors import EngineError, SinkError, SourceError
from maskattn_edge.engines import Engine, open_engine
from maskattn_edge.pipeline import Pipeline, Progress, Settings, Summary
from maskattn_edge.segmentation import Segmentation
from maskattn_edge.sinks import Sink
from maskattn_edge.sources import Frame, Source

IMAGE = np.zeros((20, 30, 3), np.uint8)
IMAGE[..., 1] = 200  # green: class 1 of the tiny model


class FakeSource(Source):
    """Gives `length` frames; a live one waits for `pace` before each."""

    def __init__(self, length, *, live=False, fail_at=None, pace=None, captured=0.0):
        self.length, self.live, self.fail_at = length, live, fail_at
        self.pace = pace or (lambda index: None)
        self.captured, self.index, self.closed = captured, 0, 0

    def read(self):
        if self.index == self.fail_at:
            raise SourceError("the cable broke")
        if self.index == self.length:
            return None
        self.pace(self.index)
        self.index += 1
        return Frame(image_bgr=IMAGE, captured=self.captured, index=self.index - 1)

    def describe(self):
        return "fake"

    def close(self):
        self.closed += 1


class FakeSink(Sink):
    """Keeps what comes; waits for `gate` before each write."""

    def __init__(self, name="sink", *, fail_at=None, gate=None, quit_at=None):
        self.name, self.fail_at, self.gate, self.quit_at = name, fail_at, gate, quit_at
        self.indices: list[int] = []
        self.answers: list[Segmentation] = []
        self.closed_by: list[str] = []

    def write(self, frame, segmentation):
        if self.gate is not None:
            self.gate(frame)
        if frame.index == self.fail_at:
            raise SinkError("no room")
        self.indices.append(frame.index)
        self.answers.append(segmentation)
        self.stop_requested = self.quit_at is not None and frame.index >= self.quit_at

    def close(self):
        self.closed_by.append(threading.current_thread().name)


class Broken(Engine):
    """Fails at its n-th inference."""

    name, device = "broken", "nowhere"

    def __init__(self, engine, fail_at):
        super().__init__(engine.file)
        self.engine, self.left = engine, fail_at

    def _run(self, image_nhwc):
        self.left -= 1
        if self.left < 0:
            raise EngineError("the device is gone")
        return self.engine._run(image_nhwc)


@pytest.fixture
def engine(tiny_model: Path):
    with open_engine(tiny_model, backend="onnxruntime", threads=1) as opened:
        yield opened


def test_a_file_is_complete_and_in_order_for_a_slow_sink(engine: Engine) -> None:
    source = FakeSource(40)
    slow = FakeSink("slow", gate=lambda frame: threading.Event().wait(0.002))
    quick = FakeSink("quick")
    summary = Pipeline(source, engine, [slow, quick], Settings(queue_frames=1)).run()
    assert slow.indices == quick.indices == list(range(40))
    assert (summary.captured, summary.processed) == (40, 40)
    assert (summary.dropped.engine, summary.dropped.stop) == (0, 0)
    assert [output.dropped for output in summary.outputs] == [0, 0]
    assert slow.closed_by == ["sink slow"]
    assert source.closed == 1
    assert not summary.interrupted
    answer = slow.answers[0]
    assert answer.frame_labels.shape == (20, 30)
    assert np.unique(answer.labels).tolist() == [1]
    assert answer.times.taken <= answer.times.inferred <= answer.times.delivered


def test_a_slow_sink_of_a_live_source_holds_nobody_back(engine: Engine) -> None:
    served = threading.Semaphore(1)
    quick_done = threading.Event()
    quick = FakeSink("quick", gate=lambda frame: served.release())
    stuck = FakeSink("stuck", gate=lambda frame: quick_done.wait(20))

    def pace(index: int) -> None:  # a camera frame each time the quick sink got one
        if index == 29:
            quick_done.set()
        assert served.acquire(timeout=20)

    summary = Pipeline(FakeSource(30, live=True, pace=pace), engine, [stuck, quick]).run()
    assert quick.indices == list(range(30))
    outputs = {output.name: output for output in summary.outputs}
    assert (outputs["quick"].delivered, outputs["quick"].dropped) == (30, 0)
    assert outputs["stuck"].dropped > 0
    assert outputs["stuck"].delivered + outputs["stuck"].dropped == 30


def test_a_live_source_gives_the_newest_frame(engine: Engine) -> None:
    read_all = threading.Event()

    class Waiting(FakeSource):
        def close(self):
            super().close()
            read_all.set()

    source = Waiting(50, live=True)
    sink = FakeSink()
    pipeline = Pipeline(source, engine, [sink])
    take = pipeline._slot.take

    def take_late(timeout):
        read_all.wait(20)  # an engine that is busy while the camera goes on
        return take(timeout)

    pipeline._slot.take = take_late
    summary = pipeline.run()
    assert sink.indices == [49]
    assert (summary.captured, summary.processed, summary.dropped.engine) == (50, 1, 49)


def test_frames_limit(engine: Engine) -> None:
    source, sink = FakeSource(30), FakeSink()
    summary = Pipeline(source, engine, [sink], Settings(max_frames=7)).run()
    assert sink.indices == list(range(7))
    assert (summary.captured, source.index) == (7, 7)
    live = Pipeline(FakeSource(None, live=True), engine, [], Settings(max_frames=5)).run()
    assert live.processed == 5
    assert live.captured == 5 + live.dropped.engine + live.dropped.stop


def test_a_sink_may_end_the_run(engine: Engine) -> None:
    sink = FakeSink(quit_at=3)
    summary = Pipeline(FakeSource(None, live=True), engine, [sink]).run()
    assert not summary.interrupted
    assert len(sink.closed_by) == 1


@pytest.mark.parametrize("live", [False, True])
def test_source_failure_ends_the_run(engine: Engine, live: bool) -> None:
    source, sinks = FakeSource(9, live=live, fail_at=5), [FakeSink("a"), FakeSink("b")]
    with pytest.raises(SourceError, match="cable"):
        Pipeline(source, engine, sinks).run()
    assert [sink.closed_by for sink in sinks] == [["sink a"], ["sink b"]]
    assert source.closed == 1


@pytest.mark.parametrize("good", [0, 4])
def test_engine_failure_ends_the_run(engine: Engine, good: int) -> None:
    source, sinks = FakeSource(50), [FakeSink("a"), FakeSink("b")]
    with pytest.raises(EngineError, match="device is gone"):
        Pipeline(source, Broken(engine, good), sinks, Settings(warmup_frames=2)).run()
    assert [len(sink.closed_by) for sink in sinks] == [1, 1]
    assert source.closed == 1
    assert sinks[0].indices == list(range(max(0, good - 2)))


@pytest.mark.parametrize("live", [False, True])
def test_sink_failure_ends_the_run(engine: Engine, live: bool) -> None:
    source = FakeSource(None if live else 500, live=live)
    bad, good = FakeSink("bad", fail_at=None), FakeSink("good")
    bad.gate = lambda frame: (_ for _ in ()).throw(SinkError("no room"))
    with pytest.raises(SinkError, match="no room"):
        Pipeline(source, engine, [bad, good]).run()
    assert len(bad.closed_by) == len(good.closed_by) == 1
    assert source.closed == 1


def test_a_sink_that_fails_to_close_is_told(engine: Engine) -> None:
    sink = FakeSink()
    sink.close = lambda: (_ for _ in ()).throw(SinkError("not completed"))
    with pytest.raises(SinkError, match="not completed"):
        Pipeline(FakeSource(3), engine, [sink]).run()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_run_with_a_summary(engine: Engine, number: int) -> None:
    sink = FakeSink()

    def pace(index: int) -> None:
        if index == 20:
            os.kill(os.getpid(), number)

    before = signal.getsignal(number)
    summary = Pipeline(FakeSource(None, live=True, pace=pace), engine, [sink]).run()
    assert summary.interrupted
    assert len(sink.closed_by) == 1
    assert summary.outputs[0].delivered + summary.outputs[0].dropped == summary.processed
    assert signal.getsignal(number) is before


def test_a_second_signal_aborts(engine: Engine) -> None:
    hold = threading.Event()

    def gate(frame: Frame) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        threading.Event().wait(0.05)
        os.kill(os.getpid(), signal.SIGINT)
        hold.wait(20)

    with pytest.raises(KeyboardInterrupt):
        Pipeline(FakeSource(500), engine, [FakeSink(gate=gate)]).run()
    hold.set()


def test_a_run_in_another_thread_needs_no_signals(engine: Engine) -> None:
    results: list[Summary] = []
    pipeline = Pipeline(FakeSource(3), engine)
    thread = threading.Thread(target=lambda: results.append(pipeline.run()))
    thread.start()
    thread.join(20)
    assert results[0].processed == 3


def test_the_figures_with_a_clock_of_our_own(engine: Engine) -> None:
    ticks = {"now": 100.0}
    lock = threading.Lock()

    def clock() -> float:
        with lock:
            ticks["now"] += 0.001
            return ticks["now"]

    class Timed(Broken):
        def _run(self, image_nhwc):
            with lock:
                ticks["now"] += 0.5
            return self.engine._run(image_nhwc)

    seen: list[Progress] = []
    pipeline = Pipeline(FakeSource(8, captured=100.0), Timed(engine, 0), clock=clock)
    summary = pipeline.run(seen.append)
    assert summary.engine_ms.count == 8
    assert 500 < summary.engine_ms.p50 < 530
    assert summary.latency_ms.p50 > summary.engine_ms.p50
    assert summary.age_ms.max > 4000  # the last frame waited for 7 inferences and the warm-up
    assert summary.age_ms.p50 < summary.age_ms.p90 < summary.age_ms.max
    assert 1 < summary.fps < 2.1
    assert seen
    assert seen[-1].length == 8
    assert [progress.processed for progress in seen] == sorted(p.processed for p in seen)
    report = json.loads(summary.to_json())
    assert report["processed"] == 8
    assert report["latency_ms"]["count"] == 8
    assert report["memory_peak_mb"] >= report["memory_mb"] > 0
    assert (report["model"], report["engine"]) == ("tiny", "broken")
