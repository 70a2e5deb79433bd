"""What a run tells while it goes on: to observers, to sinks, to a file, to systemd."""

import errno
import itertools
import json
import math
import os
import socket
import threading
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from maskattn_edge.contract.errors import ContractError, MaskAttnWarning, SinkError, SourceError
from maskattn_edge.engines import open_engine
from maskattn_edge.pipeline import Observer, OutputStats, Pipeline, Stats, StatsFile, SummaryFile
from maskattn_edge.pipeline import SystemdNotifier as Systemd
from maskattn_edge.pipeline.figures import Percentiles, Window
from maskattn_edge.pipeline.meters import Meter
from maskattn_edge.pipeline.reporter import Rates, Reporter
from maskattn_edge.sinks import Sink
from maskattn_edge.sources import Frame, Source
from maskattn_edge.sources.losses import Losses

SOME = Percentiles(count=2, p50=1.0, p90=2.0, p99=3.0, max=4.0, exact=True)
STATS = Stats(
    time="2026-11-23T12:00:00.000+00:00", seconds=5.0, source="fake", live=True,
    losses=Losses(reopened=1, seconds=2.5), model="tiny",
    engine="abacus", device="desk", captured=9, processed=7, dropped=2, capture_fps=math.nan,
    fps=1.5, latency_ms=SOME, engine_ms=SOME, age_ms=SOME,
    outputs=(OutputStats(name="window", delivered=6, dropped=1),), memory_mb=50.0,
    memory_peak_mb=60.0,
)  # fmt: skip


class Frames(Source):
    """Gives `length` frames; fails instead of the last one where `broken` says so."""

    def __init__(self, length, *, broken=False):
        self.length, self.live, self.broken, self.index = length, False, broken, 0

    def read(self):
        if self.index == self.length:
            if self.broken:
                raise SourceError("the cable broke")
            return None
        self.index += 1
        image = np.zeros((20, 30, 3), np.uint8)
        return Frame(image_bgr=image, captured=time.monotonic(), index=self.index - 1)

    def describe(self):
        return "frames"


class Diary(Observer):
    """Writes down what it is told, and by whose thread."""

    def __init__(self):
        self.calls, self.told, self.summary = [], [], None

    def ready(self):
        self._note("ready")

    def alive(self):
        self._note("alive")

    def stats(self, stats):
        self._note("stats")
        self.told.append(stats)

    def stopping(self):
        self._note("stopping")

    def ended(self, summary):
        self._note("ended")
        self.summary = summary

    def _note(self, what):
        self.calls.append((what, threading.current_thread().name))

    def order(self):
        names = [what for what, _ in self.calls if what != "stats"]
        return [name for name, _ in itertools.groupby(names)]


class Watching(Sink):
    """A sink that wants the figures."""

    name, observes = "watching", True

    def __init__(self):
        self.seen = []

    def write(self, frame, segmentation):
        pass

    def observe(self, figures):
        self.seen.append(figures)


@pytest.fixture
def engine(tiny_model: Path):
    with open_engine(tiny_model, backend="onnxruntime", threads=1) as opened:
        yield opened


def test_observers_and_sinks_are_told_the_same(engine):
    diary, sink = Diary(), Watching()
    summary = Pipeline(Frames(12), engine, [sink], observers=[diary]).run()
    assert diary.order() == ["ready", "alive", "stopping", "ended"]
    assert diary.summary is summary
    here = threading.current_thread().name
    assert {thread for what, thread in diary.calls if what != "stats"} == {here}
    assert {thread for what, thread in diary.calls if what == "stats"} == {"figures"}
    last = diary.told[-1]  # the end is told too, however short the run was
    assert (last.captured, last.processed, last.dropped) == (12, 12, 0)
    assert (last.model, last.engine, last.source) == ("tiny", "onnxruntime", "frames")
    assert last.latency_ms.count == last.engine_ms.count == last.age_ms.count == 12
    assert last.latency_ms == summary.latency_ms
    assert last.outputs == (OutputStats(name="watching", delivered=12, dropped=0),)
    assert sink.seen == [json.loads(json.dumps(stats.as_dict())) for stats in diary.told]


def test_a_run_that_fails_ends_with_the_reason(engine):
    diary = Diary()
    with pytest.raises(SourceError, match="cable"):
        Pipeline(Frames(3, broken=True), engine, observers=[diary]).run()
    assert diary.order()[-2:] == ["stopping", "ended"]
    assert diary.summary.error == "the cable broke"
    assert (diary.summary.captured, diary.summary.interrupted) == (3, False)


def test_the_summary_is_a_file_of_a_run_that_failed_too(engine, tmp_path):
    path = tmp_path / "made" / "s.json"
    for broken, error in ((False, None), (True, "the cable broke")):
        with suppress(SourceError), SummaryFile(path) as file:
            Pipeline(Frames(3, broken=broken), engine, observers=[file]).run()
        told = json.loads(path.read_text())
        assert (told["error"], told["captured"]) == (error, 3)
    assert list(path.parent.iterdir()) == [path]


def test_a_summary_that_cannot_be_written_is_found_before_the_run(tmp_path):
    (tmp_path / "file").write_text("")
    for path in (tmp_path, tmp_path / "file" / "s.json"):
        with pytest.raises(SinkError, match="cannot be written"):
            SummaryFile(path)
    with SummaryFile(tmp_path / "s.json"):
        pass  # no run, no summary
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_nobody_asks_no_thread(engine):
    seen = set()

    class Look(Frames):
        def read(self):
            seen.update(thread.name for thread in threading.enumerate())
            return super().read()

    Pipeline(Look(3), engine).run()
    assert "capture" in seen
    assert "figures" not in seen  # as an observer's statistics come from, above


def test_reporter_tells_again_and_again_and_at_the_end():
    twice, calls = threading.Event(), []

    def tell():
        calls.append(1)
        if len(calls) == 2:
            twice.set()

    reporter = Reporter(tell, period_s=0.001)
    reporter.start()
    assert twice.wait(10)
    reporter.finish(10)
    assert not reporter.is_alive()
    ended = len(calls)
    assert ended >= 3
    Reporter(tell).finish(1)
    assert len(calls) == ended


def test_window_forgets_and_is_bounded():
    window = Window(seconds=10, capacity=100)
    assert math.isnan(window.percentiles(0.0).p50)
    for second in range(30):
        window.add(float(second), float(second))
    recent = window.percentiles(29.0)
    assert (recent.count, recent.p50, recent.max, recent.exact) == (10, 24.5, 29.0, True)
    for _ in range(200):
        window.add(30.0, 7.0)
    full = window.percentiles(30.0)
    assert (full.count, full.p50, full.exact) == (100, 7.0, False)


def test_meter_counts_what_many_threads_add():
    meter = Meter()
    threads = [
        threading.Thread(target=lambda: [meter.add(1.0, 2.0) for _ in range(500)]) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert meter.count == meter.of_run().count == meter.of_minute(1.0).count == 2000
    assert meter.median == 2.0


def test_rates_look_back_a_minute():
    rates = Rates(window_s=60)
    assert math.isnan(rates.per_second(0.0, 0)[0])
    for second in range(1, 101):
        rate = rates.per_second(float(second), 10 * second if second < 41 else 400)
    assert rate == (0.0,)
    assert rates.per_second(101.0, 461) == (61 / 60,)


def test_lines_come_when_due_and_the_summary_last(engine, tmp_path):
    path = tmp_path / "deep" / "stats.jsonl"
    with StatsFile(path, every_s=5) as file:
        for second in range(1, 12):
            jitter = 0.05 * (-1) ** second
            file.stats(replace(STATS, seconds=second + jitter))
        assert len(path.read_text().splitlines()) == 2  # whole lines while it is open
        file.ended(Pipeline(Frames(2), engine).run())
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [line["kind"] for line in lines] == ["stats", "stats", "summary"]
    assert [round(line["seconds"]) for line in lines[:2]] == [5, 10]
    assert lines[0]["capture_fps"] is None
    assert lines[0]["age_ms"]["p99"] == 3.0
    assert lines[0]["outputs"] == [{"name": "window", "delivered": 6, "dropped": 1}]
    assert lines[2]["processed"] == 2


def test_a_full_disk_leaves_lines_out_and_is_told_once(tmp_path, monkeypatch):
    path, full = tmp_path / "stats.jsonl", [True]
    write = os.write

    def fill(handle, data):
        if full[0]:
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(handle, data)

    with StatsFile(path, every_s=1) as file:
        monkeypatch.setattr(os, "write", fill)
        with pytest.warns(MaskAttnWarning, match="disk is full"):
            file.stats(replace(STATS, seconds=1.0))
        file.stats(replace(STATS, seconds=2.0))  # a second warning would be an error
        full[0] = False
        file.stats(replace(STATS, seconds=3.0))
        monkeypatch.undo()
    assert [json.loads(line)["seconds"] for line in path.read_text().splitlines()] == [3.0]


def test_stats_files_that_cannot_be(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(SinkError, match="cannot be written"):
        StatsFile(tmp_path / "file" / "stats.jsonl")
    with pytest.raises(ContractError, match="1 or more"):
        StatsFile(tmp_path / "stats.jsonl", every_s=0.5)


@pytest.fixture
def manager(tmp_path):
    """systemd's end of the socket: where it is, and what came so far."""
    path = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as end:
        end.bind(path)
        end.setblocking(False)

        def received():
            messages = []
            while True:
                try:
                    messages.append(end.recv(4096).decode())
                except BlockingIOError:
                    return messages

        yield path, received


def test_systemd_hears_ready_signs_of_life_and_the_end(manager, engine):
    path, received = manager
    environment = {"NOTIFY_SOCKET": path, "WATCHDOG_USEC": "60000000"}
    with Systemd.from_environment(environment) as notifier:
        Pipeline(Frames(5), engine, observers=[notifier]).run()
    messages = received()
    assert messages[:2] == ["READY=1", "WATCHDOG=1"]
    assert messages.count("WATCHDOG=1") == 1
    assert messages[2] == "STOPPING=1"
    assert messages[3].startswith("STATUS=5 frames")


def test_the_watchdog_is_fed_twice_in_its_time(manager):
    path, received = manager
    now = [100.0]
    with Systemd(path, watchdog_s=10, clock=lambda: now[0]) as notifier:
        for _ in range(21):
            notifier.alive()
            now[0] += 1
    assert received() == ["WATCHDOG=1"] * 5  # at 0, 5, 10, 15 and 20 s


@pytest.mark.parametrize(
    ("environment", "fed"),
    [
        ({}, 0),
        ({"WATCHDOG_USEC": "many"}, 0),
        ({"WATCHDOG_USEC": "0"}, 0),
        ({"WATCHDOG_USEC": "5000000", "WATCHDOG_PID": "1"}, 0),
        ({"WATCHDOG_USEC": "5000000", "WATCHDOG_PID": str(os.getpid())}, 1),
    ],
)
def test_a_watchdog_that_is_not_ours_is_not_fed(manager, environment, fed):
    path, received = manager
    with Systemd.from_environment({"NOTIFY_SOCKET": path, **environment}) as notifier:
        notifier.alive()
    assert received() == ["WATCHDOG=1"] * fed


def test_no_service_no_notifier():
    assert Systemd.from_environment({}) is None
    assert Systemd.from_environment({"NOTIFY_SOCKET": "vsock:2:1"}) is None


def test_an_abstract_socket_and_a_manager_that_is_gone():
    name = f"maskattn-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as end:
        end.bind("\0" + name)
        end.settimeout(5)
        with Systemd("@" + name) as notifier:
            notifier.ready()
            assert end.recv(100) == b"READY=1"
            end.close()
            notifier.stopping()  # raises nothing
