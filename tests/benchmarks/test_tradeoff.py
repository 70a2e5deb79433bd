"""The plot of accuracy against latency: where bubbles lie, and how large they are."""

from xml.etree import ElementTree

import msgspec
import pytest

from maskattn_benchmarks.plots import color, dash, stage_plot, tail_plot
from maskattn_benchmarks.results import Accuracy, Memory
from maskattn_benchmarks.tradeoff import score, tradeoff_plot


def scored(run, miou, peak, **scores):
    accuracy = None
    if miou is not None:
        accuracy = Accuracy(dataset="d", split="test", images=1, runs_on="CPU", classes=(),
                            grid={"miou": miou, **scores}, full={})  # fmt: skip
    memory = Memory(before=1, resident=1, peak=peak)
    return msgspec.structs.replace(run, accuracy=accuracy, memory=memory)


def bubbles(text):
    """(x, y, radius, opacity) of each named circle."""
    circles = [c for c in ElementTree.fromstring(text).iter("circle") if len(c)]  # noqa: S314
    return {
        c[0].text.partition(":")[0]: tuple(
            float(c.attrib[k]) for k in ("cx", "cy", "r", "fill-opacity")
        )
        for c in circles
    }


def test_bubbles_lie_where_their_figures_are(make_report):
    fast, slow, random = make_report(fast=[1.0] * 9, slow=[99.5] * 9, random=[9.5] * 9).runs
    found = bubbles(
        tradeoff_plot([scored(fast, 0.5, 100), scored(slow, 0.6, 400), scored(random, None, 100)])
    )
    assert found["fast"][0] < found["random"][0] < found["slow"][0]
    # 1.5, 10 and 100 ms from frame to labels, on a logarithmic axis
    step = (found["slow"][0] - found["random"][0]) / 1.0
    assert found["random"][0] - found["fast"][0] == pytest.approx(step * 0.8239, abs=0.2)
    assert found["slow"][1] < found["fast"][1] < found["random"][1]  # up is better
    assert found["slow"][2] == pytest.approx(2 * found["fast"][2])  # four times the area
    assert found["random"][3] < found["fast"][3]  # hollow: it has no score


def test_what_was_not_measured_is_left_out(make_report):
    (run,) = make_report(a=[1.0]).runs
    assert tradeoff_plot([run]) == ""
    named = msgspec.structs.replace(scored(run, 0.5, 10), name="<b>")
    assert "<b>" not in tradeoff_plot([named]).replace("&lt;b&gt;", "")


def test_the_score_is_the_tasks_own(make_report):
    (run,) = make_report(a=[1.0]).runs
    assert score(run) is None
    assert score(scored(run, 0.5, 10)) == 50.0
    assert score(scored(run, 0.5, 10, pq=0.25)) == 25.0
    assert score(scored(run, 0.0, 10)) == 0.0


def test_a_slow_peer_does_not_hide_the_others(make_report):
    def heights(**runs):
        text = tail_plot(make_report(**runs).runs, "engine")
        lines = ElementTree.fromstring(text).iter("polyline")  # noqa: S314
        return [float(line.attrib["points"].split()[0].partition(",")[2]) for line in lines]

    near = heights(a=[10.0] * 9, b=[11.0] * 9, c=[12.0] * 9)
    assert near[0] - near[1] == pytest.approx(near[1] - near[2])  # linear
    a, b, c = heights(a=[10.0] * 9, b=[100.0] * 9, c=[1000.0] * 9)
    assert a - b == pytest.approx(b - c, abs=0.2)  # logarithmic
    assert a - b > 50


def test_a_slow_peer_does_not_hide_the_parts_of_the_others(make_report):
    def bars(**runs):
        picture = ElementTree.fromstring(stage_plot(make_report(**runs).runs))  # noqa: S314
        found = [r.attrib for r in picture.iter("rect") if r.attrib["height"] == "16"]
        widths = [sum(float(r["width"]) for r in found[k : k + 4]) for k in (0, 4)]
        return widths, float(found[2]["width"]), "".join(picture.itertext())

    (fast, slow), _, said = bars(a=[8.25] * 9, b=[18.25] * 9)  # 10 and 20 ms in all
    assert slow == pytest.approx(2 * fast, abs=0.3)
    assert "a, 10.00 ms" in said
    (fast, slow), engine, said = bars(a=[8.25] * 9, b=[998.25] * 9)
    assert slow == pytest.approx(fast, abs=0.3)
    assert engine == pytest.approx(0.825 * fast, abs=0.3)  # its share of its own frame
    assert "b, 1000.0 ms" in said
    assert "% of a frame" in said


def test_runs_without_a_score_lie_clear_of_all_words(make_report):
    runs = make_report(fast=[1.0] * 9, slow=[1000.0] * 9, best=[10.0] * 9).runs
    peaks = [scored(run, None, 900) for run in runs[:2]] + [scored(runs[2], 0.5, 900)]
    text = tradeoff_plot(peaks)
    words = [w for w in ElementTree.fromstring(text).iter("text")  # noqa: S314
             if w.text in ("not", "scored")]  # fmt: skip
    assert len(words) == 2
    found = bubbles(text)
    assert all(float(word.attrib["x"]) < found["fast"][0] - found["fast"][2] for word in words)
    line = next(e for e in ElementTree.fromstring(text).iter("line")  # noqa: S314
                if e.attrib["y1"] == e.attrib["y2"] and e.attrib["class"] == "tick")  # fmt: skip
    assert found["fast"][1] - found["fast"][2] > float(line.attrib["y1"])
    assert "scored" not in tradeoff_plot(peaks[2:])  # no such row where all have a score


def test_no_two_runs_look_alike():
    assert len({(color(index), dash(index)) for index in range(24)}) == 24
