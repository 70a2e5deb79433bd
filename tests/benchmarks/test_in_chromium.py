"""The report in a real browser: Chromium with its driver, and selenium, or it is skipped."""

import json

import cv2
import msgspec
import numpy as np
import pytest

from maskattn_benchmarks.files import write_reports
from maskattn_benchmarks.results import Accuracy, CameraRun, LoadGenResult, Memory, RobotRun

SEEN = """
  return [document.querySelectorAll("figure svg").length,
          [...document.images].every(image => image.complete && image.naturalWidth > 0),
          document.documentElement.scrollWidth <= window.innerWidth];
"""


@pytest.fixture(scope="module")
def report(make_report):
    """Every part that a page may have."""
    rng = np.random.default_rng(0)
    bare = make_report(interleave=True, ours=rng.lognormal(1, 0.1, 1500), peer=[30.0] * 1500)
    picture = cv2.imencode(".jpg", np.full((8, 16, 3), 90, np.uint8))[1].tobytes()
    accuracy = Accuracy(dataset="d", split="test", images=1, runs_on="CPU", grid={"miou": 0.5},
                        full={"miou": 0.5}, classes=())  # fmt: skip
    runs = tuple(
        msgspec.structs.replace(run, memory=Memory(before=1, resident=2, peak=3),
                                accuracy=accuracy, pictures=(picture,),
                                loadgen=(LoadGenResult(scenario="Offline", failure="it broke"),))
        for run in bare.runs
    )  # fmt: skip
    camera = CameraRun(source="c", captured=2, seconds=1, at=(0.1, 0.2), age=(9, 8), latency=(3, 3))
    robot = RobotRun(name="ours", hogs=1, seconds=1, complete=True, cameras=(camera,))
    return msgspec.structs.replace(bare, runs=runs, robot=(robot,), complete=False)


@pytest.mark.parametrize("width", [1200, 390])
def test_the_page_opens_without_an_error_or_a_request(browser, report, tmp_path, width):
    write_reports(tmp_path, report)
    browser.set_window_size(width, 900)
    browser.get_log("browser")
    browser.get_log("performance")
    page = (tmp_path / "report.html").as_uri()
    browser.get(page)
    plots, pictures, fits = browser.execute_script(SEEN)
    assert (plots, pictures, fits) == (9, True, True)
    assert browser.get_log("browser") == []
    asked = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    urls = {entry["params"]["request"]["url"] for entry in asked
            if entry["method"] == "Network.requestWillBeSent"}  # fmt: skip
    assert {url for url in urls if not url.startswith("data:")} == {page}
    assert "Incomplete" in browser.find_element("tag name", "body").text


def test_a_tables_first_column_stays_in_sight_on_a_phone(browser, report, tmp_path):
    write_reports(tmp_path, report)
    browser.set_window_size(390, 900)
    browser.get((tmp_path / "report.html").as_uri())
    moved, stayed = browser.execute_script("""
      const scroll = document.querySelector(".summary .scroll");
      const [first, last] = [scroll.querySelector("td"), scroll.querySelector("td:last-child")];
      const before = [last, first].map(cell => cell.getBoundingClientRect().left);
      scroll.scrollLeft = 10000;
      return [last, first].map((cell, k) => before[k] - cell.getBoundingClientRect().left);
    """)
    assert moved > 50
    assert abs(stayed) < 2


def test_the_checks_above_can_fail(browser, tmp_path):
    page = tmp_path / "bad.html"
    page.write_text('<script>console.error("no")</script><img src="http://127.0.0.1:9/x.png">')
    browser.get(page.as_uri())
    texts = [entry["message"] for entry in browser.get_log("browser")]
    assert any('"no"' in text for text in texts)
    asked = "".join(entry["message"] for entry in browser.get_log("performance"))
    assert "http://127.0.0.1:9/x.png" in asked
