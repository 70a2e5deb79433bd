"""A candidate's process: what it answers, and what its death leaves."""

import os
import signal
import time
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from maskattn_benchmarks import isolated
from maskattn_benchmarks.benchmark import benchmark, benchmark_candidates
from maskattn_benchmarks.candidate import Candidate
from maskattn_benchmarks.channel import Channel, Take
from maskattn_benchmarks.frames import camera_frames
from maskattn_benchmarks.isolated import CandidateProcess
from maskattn_benchmarks.settings import BenchmarkSettings
from maskattn_edge.contract.errors import ContractError, EngineError
from maskattn_edge.latency import LatencySettings
from maskattn_edge.models import default_model

SETTINGS = BenchmarkSettings(
    latency=LatencySettings(warmup_frames=2, min_frames=10, min_seconds=0),
    block_frames=5,
    source="synthetic://?frames=2&width=160&height=120",
    starts=0,
)


@pytest.fixture(autouse=True)
def _no_rest(monkeypatch):
    monkeypatch.setattr("maskattn_benchmarks.benchmark.load_at_rest", lambda: 0.0)


@pytest.fixture(scope="module")
def frames():
    return camera_frames(SETTINGS.source, 2)[0]


def test_blocks_come_from_a_process_of_its_own_on_our_clock(frames):
    started = time.perf_counter()
    process = CandidateProcess(default_model(), "onnxruntime", frames, SETTINGS, started)
    try:
        assert (len(process.opened.warmup), len(process.opened.pictures)) == (2, 2)
        before = process.cpu_s
        first, seconds = process.take(3, 4)
        second, _ = process.take(4, 1)
        assert (first.block, second.block) == ((3,) * 4, (4,))
        assert 0 < first.at[0] < second.at[0] < time.perf_counter() - started
        assert sum(first.of("frame_to_labels")) <= seconds * 1e3
        assert process.cpu_s > before
        os.kill(process._process.pid, signal.SIGKILL)
        with pytest.raises(EngineError, match="ended during a block of frames: signal 9"):
            process.take(5, 1)
    finally:
        process.close()
        process.close()


def test_a_candidate_that_takes_too_long_is_ended(frames):
    with pytest.raises(EngineError, match=r"loading and warming up took more than 0\.01 s"):
        CandidateProcess(
            default_model(), "onnxruntime", frames, replace(SETTINGS, timeout_s=0.01), 0.0
        )


def test_what_it_started_ends_with_it(tmp_path, monkeypatch, frames):
    """A compiler, say: `torch-compile` starts one, and must be done in time."""
    program, started = tmp_path / "program", tmp_path / "pid"
    program.write_text(f"#!/bin/sh\nsleep 60 &\necho $! > {started}.new\n"
                       f"mv {started}.new {started}\nwait\n")  # fmt: skip
    program.chmod(0o755)
    monkeypatch.setattr(isolated.sys, "executable", str(program))
    settings = replace(SETTINGS, timeout_s=0.5)
    with pytest.raises(EngineError, match=r"loading, compiling and warming up took more than"):
        CandidateProcess(default_model(), "torch-compile", frames, settings, 0.0)
    state = Path("/proc", started.read_text().strip(), "stat")
    deadline = time.monotonic() + 5  # it was killed, and dies when the kernel next lets it run
    while not _has_ended(state) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert _has_ended(state)


def _has_ended(state):
    try:
        return state.read_text().rpartition(")")[2].split()[0] in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return True


def test_a_crash_is_a_row_and_the_others_go_on():
    pytest.importorskip("openvino", reason="the other candidate needs openvino")

    class Dies(Candidate):
        def take(self, block, meters):
            if block == 1:
                os.kill(self._process._process.pid, signal.SIGSEGV)
            super().take(block, meters)

    dying, other = Dies(default_model(), "onnxruntime"), Candidate(default_model(), "openvino")
    done = benchmark_candidates([dying, other], replace(SETTINGS, interleave=True))
    crashed, good = done.runs
    assert "signal 11" in crashed.failure
    assert (len(crashed.steady), crashed.complete) == (5, False)
    assert (good.failure, good.complete) == ("", True)


def test_an_engine_that_is_missing_is_a_row():
    (run,) = benchmark([default_model()], ["pytorch"], SETTINGS).runs
    assert "default.pt2: no such file; write it with" in run.failure


def test_a_candidate_may_be_left_out_on_purpose():
    settings = replace(SETTINGS, starts=1, data=Path("/nowhere"))
    left_out = Candidate(default_model(), "pytorch", called="ours", not_run="it has no program")
    (run,) = benchmark_candidates([left_out], settings).runs
    assert (run.name, run.failure, run.not_run) == ("ours/pytorch", "", "it has no program")
    assert (run.complete, len(run.steady), run.startup, run.sha256 != "") == (False, 0, (), True)


def test_files_of_one_name_are_told_apart_by_their_folders(tmp_path):
    paths = [tmp_path / way for way in ("x/a/best.onnx", "y/a/best.onnx", "best.int8.onnx")]
    report = benchmark(paths, ["onnxruntime"], SETTINGS)
    assert [run.name for run in report.runs] == [
        "x/a/best/onnxruntime", "y/a/best/onnxruntime", "best.int8/onnxruntime"
    ]  # fmt: skip


def test_time_bounds_a_slow_candidate(frames):
    settings = replace(SETTINGS, max_seconds=1e-3, block_seconds=1e-6)
    candidate = Candidate(default_model(), "onnxruntime")
    with ExitStack() as stack:
        candidate.open(stack, frames, settings, 0.0)
        assert len(candidate.run().warmup) == 1  # a tenth of the time is over after one frame
        candidate.take(0, [])
    run = candidate.run()
    assert (len(run.steady), run.bounded, run.complete) == (1, True, True)


@pytest.mark.parametrize("changes", [{"max_seconds": 0.0}, {"timeout_s": -1.0}])
def test_bounds_that_are_none(changes):
    with pytest.raises(ContractError, match="must be above 0 s"):
        replace(SETTINGS, **changes)


def test_messages_come_whole_or_not_at_all():
    reading, writing = os.pipe()
    channel = Channel(reading, writing)
    channel.send(Take(block=1, frames=2))
    assert channel.receive(1.0) == Take(block=1, frames=2)
    with pytest.raises(TimeoutError):
        channel.receive(0.0)
    os.write(writing, (100).to_bytes(8, "big") + b"half")
    with pytest.raises(TimeoutError):
        channel.receive(0.01)
    os.close(writing)
    with pytest.raises(EOFError):
        channel.receive(1.0)
    os.close(reading)


def test_what_it_said_last_is_the_reason(monkeypatch, frames):
    monkeypatch.setattr(isolated.sys, "executable", "/bin/false")
    with pytest.raises(EngineError, match="its process ended during loading"):
        CandidateProcess(default_model(), "onnxruntime", frames, SETTINGS, 0.0)
