"""The JSON: what goes in comes out, and what a stranger wrote is refused."""

import json
from pathlib import Path

import msgspec
import pytest

from maskattn_benchmarks import results
from maskattn_benchmarks.results import (
    Energy,
    Memory,
    Samples,
    StartUp,
    decode_results,
    read_results,
    write_results,
)
from maskattn_edge.contract.errors import SinkError, UsageError


def test_round_trip(make_report, tmp_path):
    report = make_report(run=[1.5, 2.25])
    run = msgspec.structs.replace(
        report.runs[0],
        pictures=(b"\xff\xd8",),
        startup=(StartUp(total=4, imports=1, load=2, first=1),),
        memory=Memory(before=1, resident=2, peak=3),
        energy=(Energy(meter="RAPL", joules=6, seconds=2, frames=3),),
    )
    report = msgspec.structs.replace(report, runs=(run,))
    path = tmp_path / "deep/results.json"
    write_results(path, report)
    assert read_results(path) == report
    assert json.loads(path.read_text())["runs"][0]["steady"]["engine"] == [1.5, 2.25]
    assert run.energy[0].watts == 3.0
    assert run.energy[0].per_frame_mj == 2000.0


def damaged(report, change):
    data = json.loads(msgspec.json.encode(report))
    change(data)
    return json.dumps(data).encode()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda d: d.update(schema=1), "has schema 1, this version reads schema 2"),
        (lambda d: d.update(extra=1), "unknown field"),
        (lambda d: d.update(runs=[]), "length >= 1"),
        (lambda d: d.pop("session"), "session"),
        (lambda d: d["runs"][0]["steady"]["engine"].pop(), "differ in length"),
        (lambda d: d["runs"][0]["steady"]["engine"].__setitem__(0, -1), ">= 0"),
        (lambda d: d["runs"][0]["steady"]["engine"].__setitem__(0, None), "float"),
        (lambda d: d["runs"][0].update(name="x" * 300), "length <= 256"),
        (lambda d: d["settings"].update(seed="0"), "int"),
    ],
)
def test_damaged_reports_are_refused(make_report, change, said):
    with pytest.raises(UsageError, match=said):
        decode_results(damaged(make_report(run=[1.0, 2.0]), change), Path("r.json"))


@pytest.mark.parametrize(
    "data", [b"", b"[]", b"\xff\xfe", b"{" * 5000, b'{"schema": 1e400}', b'{"schema": NaN}']
)
def test_what_is_no_report_is_refused(data):
    with pytest.raises(UsageError, match="r.json: the report of a benchmark is not valid"):
        decode_results(data, Path("r.json"))


def test_huge_and_missing_files(tmp_path, monkeypatch):
    path = tmp_path / "r.json"
    path.write_bytes(b" " * 100)
    monkeypatch.setattr(results, "MAX_REPORT_BYTES", 50)
    with pytest.raises(UsageError, match="100 bytes, results have at most 50"):
        read_results(path)
    with pytest.raises(UsageError, match="cannot be read"):
        read_results(tmp_path / "none.json")


def test_a_folder_that_cannot_be(make_report, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(SinkError, match="cannot write the results"):
        write_results(tmp_path / "file/results.json", make_report(run=[1.0]))


def test_stages_add_up():
    one = Samples(at=(0.0,), block=(0,), decode=(1.0,), scale=(2.0,), engine=(4.0,), enlarge=(8.0,))
    assert [one.of(metric)[0] for metric in results.METRICS] == [4.0, 6.0, 15.0]
