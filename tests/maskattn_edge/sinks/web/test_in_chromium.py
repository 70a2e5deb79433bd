"""The page in a real browser: Chromium with its driver, and selenium, or it is skipped."""

import time

import numpy as np
import pytest

from maskattn_edge.engines import open_engine
from maskattn_edge.pipeline import Pipeline, Settings
from maskattn_edge.sinks.web import Address, WebSink
from maskattn_edge.sources import Frame, Source

FPS, SECONDS = 20, 40
CANVAS = """
  const canvas = document.getElementById("picture");
  return [...canvas.getContext("2d").getImageData(canvas.width / 4, canvas.height / 2, 1, 1).data];
"""
OPACITY = """
  const slider = document.getElementById("opacity");
  slider.value = arguments[0];
  slider.dispatchEvent(new Event("input"));
  document.getElementById("pause").click();
"""


class Blinking(Source):
    """A live source whose left half is red of another strength in each frame."""

    live, length = True, None

    def __init__(self):
        self.index = 0
        self.over = False

    def read(self):
        if self.over or self.index == FPS * SECONDS:
            return None
        time.sleep(1 / FPS)
        self.index += 1
        image = np.zeros((240, 320, 3), np.uint8)
        image[:, :160, 2] = 60 + self.index * 7 % 190
        image[:, 160:, 1] = 200
        return Frame(image_bgr=image, captured=time.monotonic(), index=self.index)

    def describe(self):
        return "blinking"

    def close(self):
        self.over = True


def until(condition, timeout=15):
    """Wait for a condition and give its value; a loaded machine may take its time."""
    deadline = time.monotonic() + timeout
    while not (value := condition()):
        assert time.monotonic() < deadline, "the page did not get there in time"
        time.sleep(0.1)
    return value


@pytest.fixture
def running(tiny_model):
    """The sink of a run that goes on in another thread until the test ends."""
    import threading

    source = Blinking()
    sink = WebSink(Address(port=0), token="token-of-the-test")

    def run():
        with open_engine(tiny_model, backend="onnxruntime", threads=1) as engine:
            Pipeline(source, engine, [sink], Settings(warmup_frames=0)).run()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield source, sink
    finally:
        source.close()
        thread.join(30)


def test_the_page_lives(browser, running, tmp_path):
    source, sink = running
    text = lambda name: browser.find_element("id", name).text  # noqa: E731
    browser.get(sink.url)
    assert "token" not in browser.current_url
    until(lambda: text("status") == "Live")

    first = browser.execute_script(CANVAS)
    until(lambda: browser.execute_script(CANVAS) != first)  # the picture changes

    until(lambda: "frames" in text("fps"))
    figures = text("fps")
    until(lambda: text("fps") != figures)  # the figures move
    until(lambda: browser.find_elements("css selector", "#latency-plot polyline"))
    assert "tiny" in text("model")
    legend = [row.text.split() for row in browser.find_elements("css selector", "#legend li")]
    assert [row[0] for row in legend] == ["red", "green", "blue"]
    assert legend[0][1:] == ["50", "%"]

    browser.execute_script(OPACITY, 0)  # and pause, so that the frame stays
    until(lambda: text("status") == "Paused")
    time.sleep(0.5)  # for a frame that was already on its way
    bare = browser.execute_script(CANVAS)
    assert bare[1] < 30  # JPEG of pure red
    browser.execute_script(
        "const s = document.getElementById('opacity'); s.value = 100;"
        "s.dispatchEvent(new Event('input'));"
    )
    assert browser.execute_script(CANVAS) == [220, 60, 60, 255]  # the colour of class "red" alone
    assert text("opacity-value") == "100 %"

    browser.find_elements("css selector", "#legend button")[0].click()  # hide the class
    assert browser.execute_script(CANVAS)[:3] == bare[:3]

    browser.find_element("id", "pause").click()
    until(lambda: text("status") == "Live")
    assert browser.save_screenshot(str(tmp_path / "page.png"))
    assert (tmp_path / "page.png").stat().st_size > 10_000
    faults = [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]
    assert faults == []  # no error, nothing that the policy refused

    source.close()
    until(lambda: text("status") not in ("Live", "Paused"))  # an old frame is not shown as new
    assert "stale" in browser.find_element("tag name", "body").get_attribute("class")


def test_the_page_fits_a_phone(browser, running):
    _, sink = running
    metrics = {"width": 360, "height": 740, "deviceScaleFactor": 2, "mobile": True}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    try:
        browser.get(sink.url)
        until(lambda: browser.find_element("id", "status").text == "Live")
        assert browser.execute_script("return document.documentElement.scrollWidth") == 360
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
