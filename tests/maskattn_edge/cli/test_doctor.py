"""`doctor`: what it prints, and its exit code."""

import json
from pathlib import Path

import pytest

from maskattn_edge.cli import app
from maskattn_edge.doctor import read_recording

SYSTEMS = Path(__file__).parents[1] / "doctor" / "systems"


def replay(name, *more):
    return app.run_command(["doctor", "--replay", str(SYSTEMS / f"{name}.json"), *more])


@pytest.mark.parametrize(
    ("name", "code", "end"),
    [
        ("jetpack7-thor", 0, "19 checks: 0 warnings, 0 broken; `run` works\n"),
        ("jetpack6-orin-nano", 0, "19 checks: 2 warnings, 0 broken; `run` works\n"),
        ("jetpack6-misconfigured", 1, "1 broken; `run` does not work before they are mended\n"),
    ],
)
def test_the_report(name, code, end, capsys):
    assert replay(name) == code
    assert capsys.readouterr().out.endswith(end)


def test_a_mend_is_one_whole_line_under_its_finding(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "70")
    assert replay("jetpack6-misconfigured") == 1
    lines = capsys.readouterr().out.splitlines()
    row = next(index for index, line in enumerate(lines) if line.startswith("warning  OpenCV"))
    assert lines[row].startswith("warning  OpenCV         5.")
    assert lines[row + 1].startswith(" " * 24 + "no windows")
    assert lines[row + 2].lstrip().startswith("$ sudo apt install build-essential cmake")
    assert len(lines[row + 2]) > 70


def test_json(capsys):
    assert replay("jetpack6-misconfigured", "--json") == 1
    report = json.loads(capsys.readouterr().out)
    assert (report["schema"], report["ok"]) == (1, False)
    power = next(item for item in report["findings"] if item["name"] == "power")
    assert power["status"] == "warning"
    assert power["mend"] == "sudo nvpmodel -m 2"


def test_a_recording_of_a_recording_is_the_same(tmp_path, capsys):
    copy = tmp_path / "copy.json"
    assert replay("jetpack6-orin-nano", "--record", str(copy)) == 0
    first = capsys.readouterr().out
    assert app.run_command(["doctor", "--replay", str(copy)]) == 0
    assert capsys.readouterr().out == first
    assert read_recording(copy).probe["gpu"].facts["cuda"] == "12.6"


def test_a_recording_that_is_not_there(capsys):
    assert app.run_command(["doctor", "--replay", "nothing.json"]) == 1
    assert capsys.readouterr().err == (
        "error: nothing.json: cannot be read: No such file or directory\n"
    )
