"""The pipeline's cost: the frames are the same, nothing is timed here, memory stays."""

import json

import numpy as np
import pytest

from maskattn_benchmarks.harness import NullEngine
from maskattn_benchmarks.pipeline_cost import (
    Overload,
    camera,
    main,
    memory_growth,
    overload,
    pipeline_cost,
)
from maskattn_benchmarks.stand_ins import MemorySource, SleepingEngine, camera_images
from maskattn_edge.contract.model_file import read_model_file
from maskattn_edge.models import default_model

IMAGES = [np.full((12, 16, 3), value, np.uint8) for value in (0, 100, 200)]


@pytest.fixture(scope="module")
def file():
    return read_model_file(default_model())


class Counting(NullEngine):
    """Keeps the mean of what it saw."""

    def __init__(self, file):
        super().__init__(file)
        self.seen = []

    def _run(self, image_nhwc):
        self.seen.append(int(image_nhwc.mean()))
        return super()._run(image_nhwc)


def test_loop_and_pipeline_get_the_same_frames(file):
    engine = Counting(file)
    found = pipeline_cost(engine, IMAGES, frames=7, rounds=2)
    once = [0, 100, 200, 0, 100, 200, 0]
    assert engine.seen == once * 5  # a warm-up, then twice both
    assert found.loop_ms > 0
    assert "bare loop" in str(found)


def test_a_camera_keeps_its_times():
    now = [100.0]
    source = MemorySource(
        IMAGES,
        4,
        fps=10,
        clock=lambda: now[0],
        sleep=lambda seconds: now.__setitem__(0, now[0] + seconds),
    )
    assert source.live
    frames = []
    while (frame := source.read()) is not None:
        frames.append((frame.index, round(frame.captured, 6)))
        now[0] += 0.25 if frame.index == 1 else 0  # a reader that was away catches up
    assert frames == [(0, 100.0), (1, 100.1), (2, 100.35), (3, 100.35)]


def test_overload_drops_frames_and_counts_them(file):
    found = overload(SleepingEngine(file, 0.005), IMAGES, frames=60)
    assert found.processed < found.captured == 60
    assert found.limit_ms == pytest.approx(2 * found.period_ms + found.frame_ms)


def test_what_spoiled_a_part_is_said(monkeypatch, capsys, file):
    said = ["The hypervisor took 0.20 cores away (steal time)."]
    monkeypatch.setattr("maskattn_benchmarks.pipeline_cost.warnings_during", lambda *_: said)
    monkeypatch.setattr("maskattn_benchmarks.pipeline_cost._alone", lambda *_: [0.005])
    assert main(["overload", "--engine", "sleeping", "--period-ms", "5", "--frames", "10"]) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith("overload  a frame every 1.25 ms, the engine takes 5.00 ms ")
    assert second.strip() == said[0]


def test_the_verdict():
    figures = {"engine": "e", "period_ms": 8, "frame_ms": 2, "captured": 4}
    figures |= {"engine_p99_ms": 8.5, "age_p50_ms": 9}
    assert "within" in str(Overload(**figures, age_p99_ms=18, limit_ms=18, processed=1))
    assert "ABOVE" in str(Overload(**figures, age_p99_ms=18.1, limit_ms=18, processed=1))


def test_a_camera_that_the_engine_follows(file):
    result = camera(NullEngine(file), IMAGES, frames=20, fps=1000)
    assert result.captured == 20
    assert result.processed + result.dropped.engine + result.dropped.stop == 20


def test_memory_does_not_grow(file):
    settled, end = memory_growth(NullEngine(file), IMAGES, frames=5000)
    assert end - settled < 5


def test_the_command(tmp_path, capsys):
    out = tmp_path / "cost.json"
    line = ["cost", "--engine", "sleeping", "--period-ms", "0.1", "--frames", "5"]
    assert main([*line, "--json", str(out)]) == 0
    assert capsys.readouterr().out.startswith("cost      bare loop")
    assert json.loads(out.read_text())["cost"]["engine"] == "sleeping"
    assert main(["cost", "--model", str(tmp_path / "none.onnx")]) == 1
    assert camera_images(2, height=24, width=32)[1].shape == (24, 32, 3)
