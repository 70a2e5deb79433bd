"""`fastest` measures once per device and model, and remembers."""

import json

import numpy as np
import pytest

from maskattn_edge.contract.errors import EngineError, MissingDependencyError
from maskattn_edge.contract.model_file import read_model_file
from maskattn_edge.engines import Engine, fastest, open_engine
from maskattn_edge.engines.fastest import Memory, conditions, measure, open_fastest


class Clock:
    """Time that passes only in engines."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


class Timed(Engine):
    """Takes `cost_s` by the clock for each frame."""

    device = "CPU"

    def __init__(self, file, name, clock, cost_s):
        super().__init__(file)
        self.name, self.clock, self.cost_s = name, clock, cost_s
        self.frames, self.closed = 0, False

    def _run(self, image_nhwc):
        self.frames += 1
        self.clock.now += self.cost_s
        return {"labels": np.zeros(image_nhwc.shape[:3], np.uint8)}

    def close(self):
        self.closed = True


@pytest.fixture
def file(tiny_model):
    return read_model_file(tiny_model)


@pytest.fixture
def engines(file, monkeypatch):
    clock = Clock()
    monkeypatch.setattr(fastest.time, "perf_counter", clock)
    monkeypatch.setattr(measure, "__kwdefaults__", {**measure.__kwdefaults__, "clock": clock})
    return {name: Timed(file, name, clock, cost) for name, cost in (("a", 0.03), ("b", 0.01))}


def test_engines_take_turns_and_two_seconds_are_for_all(file, engines):
    medians = measure(file, engines, seconds=2.0)
    assert medians == {"a": pytest.approx(30), "b": pytest.approx(10)}
    assert engines["a"].frames == engines["b"].frames
    assert engines["a"].clock.now == pytest.approx(2.0, abs=0.4)


def opened(file, engines, cache, **how):
    notes, skipped = [], []
    engine = open_fastest(
        file,
        {name: (lambda engine=engine: engine) for name, engine in engines.items()} | how,
        threads=None,
        cache=cache,
        on_skip=lambda *why: skipped.append(why),
        on_note=notes.append,
    )
    return engine, notes, skipped


def test_the_winner_is_remembered(file, engines, tmp_path):
    engine, notes, _ = opened(file, engines, tmp_path)
    assert engine is engines["b"]
    assert notes == ["fastest: b 10.00 ms, a 30.00 ms; median on the model's samples, 2 s in all"]
    assert engines["a"].closed
    assert not engine.closed
    before = engine.frames
    again, notes, _ = opened(file, engines, tmp_path)
    assert again is engine
    assert again.frames == before
    assert "remembered from" in notes[0]


@pytest.mark.parametrize("change", ["model", "threads", "version"])
def test_what_is_stale_is_measured_again(change, file, engines, tmp_path, monkeypatch):
    opened(file, engines, tmp_path)
    facts = conditions(file, None)
    if change == "version":
        monkeypatch.setattr(fastest, "_version", lambda package: "99")
    changed = {
        "model": lambda: {**facts, "model_sha256": "0" * 64},
        "threads": lambda: conditions(file, 64),
        "version": lambda: conditions(file, None),
    }[change]()
    assert Memory(tmp_path).recall(facts) is not None
    assert Memory(tmp_path).recall(changed) is None


@pytest.mark.parametrize("damage", ["", "{", '{"engine": "b"}', "foreign"])
def test_a_damaged_memory_is_measured_again(damage, file, engines, tmp_path):
    opened(file, engines, tmp_path)
    path = Memory(tmp_path).path(conditions(file, None))
    if damage == "foreign":
        entry = json.loads(path.read_text())
        entry["conditions"]["processor"] = "another"
        damage = json.dumps(entry)
    path.write_text(damage)
    _, notes, _ = opened(file, engines, tmp_path)
    assert "2 s in all" in notes[0]
    assert json.loads(path.read_text())["engine"] == "b"


def test_a_winner_that_is_gone_is_measured_again(file, engines, tmp_path):
    opened(file, engines, tmp_path)

    def gone():
        raise MissingDependencyError("b is not installed")

    engine, notes, skipped = opened(file, {"a": engines["a"]}, tmp_path, b=gone)
    assert engine is engines["a"]
    assert ("b", "b is not installed") in skipped
    assert notes[0].startswith("fastest: a 30.00 ms;")


def test_no_engine_at_all(file, tmp_path):
    def gone():
        raise EngineError("no device")

    with pytest.raises(EngineError, match=r"no engine can run it here \(tried a\)"):
        opened(file, {}, tmp_path, a=gone)


def test_a_cache_that_cannot_be_written_costs_only_time(file, engines, tmp_path):
    (tmp_path / "file").write_text("")
    engine, _, _ = opened(file, engines, tmp_path / "file")
    assert engine is engines["b"]


def test_real_engines(tiny_model, tmp_path, monkeypatch):
    monkeypatch.setattr(fastest, "SECONDS", 0.05)
    notes = []
    for _ in range(2):
        with open_engine(
            tiny_model, backend="fastest", cache=tmp_path, threads=1, on_note=notes.append
        ) as engine:
            image = np.zeros((1, 32, 48, 3), np.uint8)
            assert engine.infer(image).labels.shape == (32, 48)
    assert "onnxruntime" in notes[0]
    assert "remembered" in notes[1]
