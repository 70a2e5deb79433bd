"""Whole benchmarks, short ones, on the shipped model."""

import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from xml.etree import ElementTree

import msgspec
import pytest

from maskattn_benchmarks import accuracy
from maskattn_benchmarks import benchmark as module
from maskattn_benchmarks.accuracy import accuracy_from
from maskattn_benchmarks.benchmark import benchmark
from maskattn_benchmarks.files import write_reports
from maskattn_benchmarks.markdown import cell, markdown
from maskattn_benchmarks.page import page
from maskattn_benchmarks.process import ProcessFigures, measure_process
from maskattn_benchmarks.results import Memory, StartUp, read_results
from maskattn_benchmarks.settings import BenchmarkSettings
from maskattn_edge.cli.app import run_command
from maskattn_edge.contract.errors import ContractError, DataError, EngineError, UsageError
from maskattn_edge.latency import LatencySettings
from maskattn_edge.models import default_model

SHORT = BenchmarkSettings(
    latency=LatencySettings(warmup_frames=2, min_frames=10, min_seconds=0),
    block_frames=5,
    source="synthetic://?frames=2&width=160&height=120",
    starts=0,
)


@pytest.fixture(autouse=True)
def _no_rest(monkeypatch):
    monkeypatch.setattr(module, "load_at_rest", lambda: 0.0)


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """A report of a model that runs and of one that does not, and the results file."""
    folder = tmp_path_factory.mktemp("bench")
    broken = folder / "bro<b>ken.onnx"
    broken.write_bytes(b"no model")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "load_at_rest", lambda: 0.0)
        report = benchmark(
            [broken, default_model()],
            ["onnxruntime"],
            short(interleave=True),
            results=folder / "results.json",
        )
    return report, folder / "results.json"


def short(**changes):
    return replace(SHORT, **changes)


def test_a_model_that_fails_is_a_row(measured):
    report, path = measured
    broken, good = report.runs
    assert "not a complete ONNX file" in broken.failure
    assert (broken.complete, len(broken.steady)) == (False, 0)
    assert (good.failure, good.complete, len(good.steady), len(good.warmup)) == ("", True, 10, 2)
    assert good.steady.block == (0,) * 5 + (1,) * 5
    assert len(good.pictures) == 2
    assert min(good.steady.engine) > 0
    assert report.complete
    assert report.harness is not None
    assert len(report.harness.steady) == module.NULL_FRAMES
    assert read_results(path) == report
    assert (report.settings.height, report.settings.width) == (120, 160)


def test_an_interrupt_leaves_the_samples(tmp_path):
    def stop(step):
        if "start 1" in step:
            raise KeyboardInterrupt

    path = tmp_path / "results.json"
    with pytest.raises(KeyboardInterrupt):
        benchmark([default_model()], ["onnxruntime"], short(starts=1), results=path,
                  on_step=stop, on_end=lambda found: write_reports(tmp_path, found))  # fmt: skip
    left = read_results(path)
    assert not left.complete
    assert len(left.runs[0].steady) == 10
    assert "Incomplete:" in (tmp_path / "report.html").read_text()
    assert "**Incomplete:**" in (tmp_path / "report.md").read_text()


def test_a_kill_between_blocks_leaves_the_samples(tmp_path, monkeypatch):
    class Killed(BaseException):
        pass

    class Dies(module.Candidate):
        def take(self, block, meters):
            if block == 1:
                states.append(read_results(path))
                raise Killed
            super().take(block, meters)

    states, path = [], tmp_path / "results.json"
    monkeypatch.setattr(module, "SAVE_EVERY_S", 0.0)
    monkeypatch.setattr(module, "Candidate", Dies)
    with pytest.raises(Killed):
        benchmark([default_model()], ["onnxruntime"], SHORT, results=path)
    assert [len(state.runs[0].steady) for state in states] == [5]  # on disk before the kill
    assert not states[0].complete


class Page(HTMLParser):
    def __init__(self):
        super().__init__()
        self.links, self.tags = [], []

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.links += [value for name, value in attributes if name in ("src", "href")]


def test_the_page_needs_nothing_from_outside(measured):
    html = page(measured[0])
    seen = Page()
    seen.feed(html)
    assert seen.links
    assert all(link.startswith("data:image/jpeg;base64,") for link in seen.links)
    assert not {"script", "link", "iframe", "b>ken.onnx"} & set(seen.tags)
    assert "http://" not in html
    assert "https://" not in html
    assert "@import" not in html
    plots = re.findall(r'<svg viewBox="[^"]*" role="img".*?</svg>', html, re.S)
    assert len(plots) == 5
    for plot in plots:
        ElementTree.fromstring(plot)  # noqa: S314 - our own


def test_names_are_escaped(measured):
    report = measured[0]
    run = msgspec.structs.replace(report.runs[1], name="<script>alert(1)</script>|x")
    html = page(msgspec.structs.replace(report, runs=(report.runs[0], run)))
    assert "<script" not in html
    assert "bro&lt;b&gt;ken" in html
    text = markdown(msgspec.structs.replace(report, runs=(run,)))
    assert "<script" not in text.replace(r"\<", "")
    assert cell("a|b\n[c](d)") == r"a\|b \[c\](d)"


def test_markdown_has_every_table(measured):
    text = markdown(measured[0])
    for title in (
        "Overview",
        "Latency in ms, engine",
        "Start-up",
        "Memory",
        "Energy",
        "Conditions",
    ):
        assert f"\n## {title}" in text
    assert "not measured" in text
    assert "needs 1,000 frames" in text
    assert "Null engine, the harness's own cost: p50" in text


def test_a_process_of_its_own():
    found = measure_process(default_model(), "onnxruntime", 1)
    startup, memory = found.startup, found.memory
    assert startup.total >= startup.imports + startup.load + startup.first
    assert 0 < memory.before < memory.peak
    assert memory.resident <= memory.peak


def test_a_process_that_fails(tmp_path):
    with pytest.raises(EngineError, match="none.onnx on onnxruntime failed: .*no such file"):
        measure_process(tmp_path / "none.onnx", "onnxruntime", None)


def test_accuracy_is_taken_from_evaluation(monkeypatch, tmp_path):
    scores = {
        "miou": 0.5,
        "pixel_accuracy": None,
        "confusion": [[1]],
        "labels": "grid",
        "height": 128,
        "all": {"pq": 0.25, "segments": 3},
        "things": {"pq": None},
    }
    text = json.dumps(
        {
            "schema": 1, "dataset": "d", "split": "test", "images": 2, "runs_on": "CPU",
            "grid": scores, "full": scores,
            "classes": [{"name": "cup", "grid_iou": 0.5, "full_iou": None, "thing": True}],
        }
    ).encode()  # fmt: skip
    found = accuracy_from(text)
    assert found.grid == {
        "miou": 0.5, "pixel_accuracy": None, "pq": 0.25, "segments": 3.0, "things_pq": None,
    }  # fmt: skip
    assert found.classes[0].name == "cup"
    with pytest.raises(DataError, match="schema 2"):
        accuracy_from(text.replace(b'"schema": 1', b'"schema": 2'))
    with pytest.raises(DataError, match="cannot be read"):
        accuracy_from(b"{}")
    asked = []
    monkeypatch.setattr(
        accuracy, "evaluate", lambda *_, engine, **__: asked.append(engine) or found
    )
    done = benchmark([default_model()], ["onnxruntime"], short(data=tmp_path))
    assert asked == ["onnxruntime"]  # each engine is scored by its own labels
    assert done.runs[0].accuracy == found
    assert "mIoU 50.00 (50.00 full size), PQ 25.00" in markdown(done)
    assert "| cup | 50.00 |" in markdown(done)


def test_data_that_is_none(tmp_path):
    done = benchmark([default_model()], ["onnxruntime"], short(data=tmp_path / "no"))
    assert done.runs[0].accuracy is None
    assert done.runs[0].accuracy_note.startswith("not measured: ")
    assert str(tmp_path / "no") in done.runs[0].accuracy_note
    assert f"| default/onnxruntime | {cell(done.runs[0].accuracy_note)} |" in markdown(done)


def test_the_command(tmp_path, capsys):
    words = ["--engine", "onnxruntime", "--report", tmp_path, "--frames", 5, "--seconds", 0,
             "--warmup", 1, "--starts", 0, "--block", 5, "--source", SHORT.source]  # fmt: skip
    assert run_command(["benchmark", str(default_model()), *map(str, words)]) == 0
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"report.html", "report.md", "results.json"}
    assert "default/onnxruntime" in capsys.readouterr().out
    assert run_command(["benchmark", str(tmp_path / "no.onnx"), *map(str, words)]) == 1
    assert "no such file" in (tmp_path / "report.html").read_text()


def test_wrong_use():
    with pytest.raises(UsageError, match="unknown engine 'abacus'"):
        benchmark([default_model()], ["abacus"], SHORT)
    with pytest.raises(UsageError, match="two candidates are called default/onnxruntime"):
        benchmark([default_model()] * 2, ["onnxruntime"], SHORT)
    with pytest.raises(UsageError, match="at least one model"):
        benchmark([], ["onnxruntime"], SHORT)
    with pytest.raises(ContractError, match="blocks of 1 frame or more"):
        BenchmarkSettings(block_frames=0)


def test_gpu_memory_is_what_the_process_added(monkeypatch):
    startup = StartUp(total=3, imports=1, load=1, first=1)
    memory = Memory(before=1, resident=2, peak=3)
    figures = ProcessFigures(startup=startup, memory=memory, gpu_used_mib=700.0)
    monkeypatch.setattr(module, "measure_process", lambda *_, **__: figures)
    monkeypatch.setattr(module, "used_mib", lambda nvml: 450.0)
    done = benchmark([default_model()], ["onnxruntime"], short(starts=2))
    assert done.runs[0].gpu_memory_mib.value == 250.0
    assert done.runs[0].startup == (startup,) * 2
    row = "| default/onnxruntime | 1 | 2 | 3 | 250 | not measured: the engine does not tell |"
    assert row in markdown(done)
    monkeypatch.setattr(module, "used_mib", lambda nvml: None)
    done = benchmark([default_model()], ["onnxruntime"], short(starts=1))
    assert done.runs[0].gpu_memory_mib.note.startswith("not measured: ")


@pytest.mark.parametrize("warnings", [[], ["Heat throttled the CPU."]])
def test_a_warning_marks_the_run(monkeypatch, warnings):
    monkeypatch.setattr(module, "warnings_during", lambda *_, **__: warnings)
    done = benchmark([default_model()], ["onnxruntime"], SHORT)
    assert done.runs[0].disturbed == bool(warnings)
    assert all(text in done.warnings for text in warnings)
