"""What is told apart, and what is not."""

import subprocess
import sys

import msgspec
import numpy as np
import pytest

from maskattn_benchmarks.bootstrap import _percentiles, blocked, percentile_change
from maskattn_benchmarks.compare import compare, fraction
from maskattn_benchmarks.percentiles import percentile
from maskattn_benchmarks.results import write_results
from maskattn_edge.cli.app import run_command
from maskattn_edge.contract.errors import ContractError, UsageError


def interleaved(rng, slowdown, frames=2000, block=25):
    """Two runs of one machine whose speed wanders: what is shared by a block moves both."""
    blocks = frames // block
    wander = np.repeat(1 + 0.1 * np.sin(np.cumsum(rng.normal(0, 0.4, blocks))), block)
    noise = rng.lognormal(0, 0.05, (2, frames))
    return 5 * wander * noise[0], 5 * (1 + slowdown) * wander * noise[1]


@pytest.mark.parametrize(("slowdown", "expected"), [(0.03, True), (0.0, False)])
def test_three_percent_is_found_and_nothing_is_not(slowdown, expected):
    right = 0
    number = np.repeat(range(80), 25)
    for trial in range(100):
        first, second = interleaved(np.random.default_rng(trial), slowdown)
        found = percentile_change(
            blocked(first, number), blocked(second, number), [500], paired=True, resamples=500
        )[0]
        right += (found.low > 0 or found.high < 0) == expected
    assert right >= 95


def test_resampled_percentiles_are_those_of_the_drawn_frames():
    rng = np.random.default_rng(0)
    values, number = rng.random(60), np.repeat(range(12), 5)
    drawn = rng.multinomial(12, np.full(12, 1 / 12), size=20)
    found = _percentiles(blocked(values, number), drawn, [0, 500, 990])
    for row, counts in zip(found, drawn, strict=True):
        frames = np.concatenate([np.tile(values[number == k], n) for k, n in enumerate(counts)])
        assert row.tolist() == [percentile(frames, rank) for rank in (0, 500, 990)]


def test_the_interval_agrees_with_scipy():
    stats = pytest.importorskip("scipy.stats")
    rng = np.random.default_rng(1)
    first, second = rng.lognormal(1, 0.2, 300), rng.lognormal(1.1, 0.2, 300)
    alone = np.arange(300)  # blocks of one frame: the plain bootstrap
    mine = percentile_change(
        blocked(first, alone), blocked(second, alone), [500], paired=False, resamples=5000
    )[0]

    def ratio(before, after, axis):
        ranked = [np.sort(x, axis=axis).take(150, axis=axis) for x in (before, after)]
        return ranked[1] / ranked[0] - 1

    theirs = stats.bootstrap(
        (first, second), ratio, n_resamples=5000, confidence_level=0.99, method="percentile",
        rng=np.random.default_rng(2),
    ).confidence_interval  # fmt: skip
    assert mine.low == pytest.approx(theirs.low, abs=0.01)
    assert mine.high == pytest.approx(theirs.high, abs=0.01)


def test_pairing_takes_out_what_both_share():
    number = np.repeat(range(80), 25)
    runs = [blocked(x, number) for x in interleaved(np.random.default_rng(5), 0.03)]
    paired, unpaired = (percentile_change(*runs, [500], paired=which)[0] for which in (True, False))
    assert paired.high - paired.low < 0.7 * (unpaired.high - unpaired.low)
    assert paired.change == unpaired.change


def test_verdicts(make_report):
    rng = np.random.default_rng(0)
    first, second = interleaved(rng, 0.5)
    both = make_report(interleave=True, old=first, new=second)
    found = compare(both, both, baseline="old", candidate="new")
    assert found.paired
    assert {each.verdict for each in found.differences if each.figure == "p50"} == {"slower"}
    engine = found.differences[0]
    assert (engine.metric, engine.figure) == ("engine", "p50")
    assert engine.before == percentile(np.array(first), 500)
    assert engine.regressed(0.05)
    assert not engine.regressed(5.0)
    back = compare(both, both, baseline="new", candidate="old").differences[0]
    assert back.verdict == "faster"
    assert not back.regressed(0)
    same = compare(both, both, baseline="old")
    assert {each.verdict for each in same.differences} == {"can't tell"}


def test_few_frames_tell_nothing(make_report):
    few = make_report(run=[1.0] * 300)
    many = make_report(session="b", run=[9.0] * 300)
    p50, p99 = compare(few, many).differences[:2]
    assert p50.verdict == "slower"
    assert (p99.verdict, p99.note) == ("can't tell", "needs 1,000 frames, has 300")
    short = compare(few, make_report(session="b", run=[9.0] * 100)).differences[0]
    assert short.note == "needs 10 blocks of frames, has 4"


def test_a_run_that_ended_early_is_paired_on_what_both_have(make_report):
    both = make_report(interleave=True, old=[2.0] * 1000, new=[3.0] * 500)
    found = compare(both, both, baseline="old", candidate="new").differences[0]
    assert found.interval is not None
    assert found.interval.change == pytest.approx(0.5)


def test_a_disturbed_run_tells_nothing_unless_interleaved(make_report):
    def disturbed(report):
        runs = tuple(msgspec.structs.replace(run, disturbed=True) for run in report.runs)
        return msgspec.structs.replace(report, runs=runs)

    first, second = make_report(run=[1.0] * 300), make_report(session="b", run=[3.0] * 300)
    assert compare(first, second).differences[0].verdict == "slower"
    found = compare(first, disturbed(second)).differences[0]
    assert (found.verdict, found.note) == ("can't tell", "disturbed, and not interleaved")
    assert found.interval is not None
    assert not found.regressed(0)
    both = disturbed(make_report(interleave=True, old=[1.0] * 300, new=[3.0] * 300))
    assert compare(both, both, baseline="old", candidate="new").differences[0].verdict == "slower"


def test_caveats(make_report):
    first = make_report(run=[1.0] * 300)
    second = msgspec.structs.replace(
        make_report(session="b", run=[1.0] * 300), complete=False, warnings=("It was hot.",)
    )
    said = compare(first, second).caveats
    assert said[0].startswith("The runs were not interleaved")
    assert "Of second: It was hot." in said
    assert any("ended before it was done" in text for text in said)


def test_runs_that_do_not_fit(make_report):
    one, other = make_report(a=[1.0], b=[1.0]), make_report(session="b", c=[1.0], d=[1.0])
    with pytest.raises(UsageError, match="no run of the same name: the first has a, b"):
        compare(one, other)
    with pytest.raises(UsageError, match="the second report has no run 'x'; available: c, d"):
        compare(one, other, baseline="a", candidate="x")
    with pytest.raises(UsageError, match="no run with timed frames"):
        compare(one, make_report(a=[]))
    nothing = make_report(a=[0.0] * 300)
    with pytest.raises(UsageError, match="0 ms, which nothing is a share of"):
        compare(nothing, nothing)
    runs = [blocked(np.ones(n), np.arange(n)) for n in (10, 11)]
    with pytest.raises(ContractError, match="same blocks, got 10 and 11"):
        percentile_change(*runs, [500], paired=True)


def test_exit_codes(make_report, tmp_path, capsys):
    paths = {}
    for name, engine_ms in {"base": 10.0, "slow": 10.4, "slower": 12.0}.items():
        paths[name] = tmp_path / f"{name}.json"
        write_results(paths[name], make_report(session=name, run=[engine_ms] * 1000))

    def code(second, *words):
        return run_command(["compare", str(paths["base"]), str(paths[second]), *words])

    assert code("base") == 0
    assert "can't tell" in capsys.readouterr().out
    assert code("slow") == 1
    assert code("slow", "--fail-above", "5%") == 0
    assert code("slower", "--fail-above", "5%") == 1
    assert "the worst is engine p50, +20.0 %" in capsys.readouterr().out
    assert code("slow", "--fail-above", "much") == 2
    paths["broken"] = tmp_path / "broken.json"
    paths["broken"].write_text("{}")
    assert code("broken") == 2
    paths["missing"] = tmp_path / "missing.json"
    assert code("missing") == 2
    assert capsys.readouterr().err.count("error:") == 3


@pytest.mark.parametrize("text", ["", "%", "-1%", "5%%", "nan", "inf"])
def test_shares_that_are_none(text):
    with pytest.raises(UsageError, match="as in 5% or 0.05"):
        fraction(text)


def test_comparing_needs_the_base_install_alone():
    code = (
        "import sys, maskattn_benchmarks.compare, maskattn_benchmarks.results; print(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert not {"jinja2", "pynvml", "sklearn", "torch", "onnxruntime"} & set(done.stdout.split())
    assert "msgspec" in done.stdout.split()
