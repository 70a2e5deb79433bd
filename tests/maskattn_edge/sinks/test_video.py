"""Videos hold every frame, at its time, for OpenCV and for a browser."""

import errno
import functools
import http.server
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import cv2
import numpy as np
import pytest

from maskattn_edge.contract.errors import MissingDependencyError, SinkError
from maskattn_edge.sinks import h264, webm
from maskattn_edge.sinks.video import VideoSink

try:
    import av
except ModuleNotFoundError:
    av = None

SUFFIXES = (
    ".webm",
    ".mkv",
    pytest.param(".mp4", marks=pytest.mark.skipif(av is None, reason="needs PyAV")),
)


def decode(path: Path):
    """(time in ms, picture) of each frame."""
    capture, frames = cv2.VideoCapture(str(path)), []
    while True:
        read, picture = capture.read()
        if not read:
            return frames
        frames.append((capture.get(cv2.CAP_PROP_POS_MSEC), picture))


def assert_red_and_green(picture) -> None:
    height, width = picture.shape[:2]
    assert int(picture[height // 2, width // 4].argmax()) == 2
    assert int(picture[height // 2, width * 3 // 4].argmax()) == 1


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_video_holds_every_frame(tmp_path: Path, suffix: str, red_and_green) -> None:
    path = tmp_path / f"a{suffix}"
    with VideoSink(path, fps=30.0, opacity=1.0) as sink:
        for index in range(80):
            sink.write(*red_and_green(index))
        assert not path.exists()
    frames = decode(path)
    np.testing.assert_allclose([time for time, _ in frames], np.arange(80) / 0.03, atol=1)
    assert_red_and_green(frames[5][1])
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_live_video_keeps_real_times(tmp_path: Path, suffix: str, red_and_green) -> None:
    moments = [50.0, 50.1, 50.1001, 51.5, 99.0]
    with VideoSink(tmp_path / f"a{suffix}", fps=30.0, live=True) as sink:
        for index, moment in enumerate(moments):
            sink.write(*red_and_green(index, captured=moment))
    times = [time for time, _ in decode(tmp_path / f"a{suffix}")]
    np.testing.assert_allclose(times, [0, 100, 101, 1500, 49000], atol=1)


@pytest.mark.parametrize(("suffix", "shape"), [(".webm", (41, 61, 3)), (".mp4", (42, 62, 3))])
def test_odd_and_changing_sizes(tmp_path: Path, suffix: str, shape, red_and_green) -> None:
    if suffix == ".mp4":
        pytest.importorskip("av")
    with VideoSink(tmp_path / f"a{suffix}", fps=None, opacity=1.0) as sink:
        sink.write(*red_and_green(0, size=(41, 61)))
        sink.write(*red_and_green(1, size=(90, 30)))
    frames = decode(tmp_path / f"a{suffix}")
    assert [picture.shape for _, picture in frames] == [shape] * 2
    grey = frames[1][1][20, 3]  # a bar beside the tall frame
    np.testing.assert_allclose(grey, 114, atol=6)


def test_webm_is_what_independent_readers_expect(tmp_path: Path, red_and_green) -> None:
    pytest.importorskip("av")
    with VideoSink(tmp_path / "a.webm", fps=25.0, opacity=1.0) as sink:
        for index in range(60):
            sink.write(*red_and_green(index))
    with av.open(str(tmp_path / "a.webm")) as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.name, stream.width, stream.height) == ("vp8", 60, 40)
        assert container.duration == 60 * 40_000
        container.seek(1_500_000)  # the index is found
        assert 1.0 <= next(container.decode(video=0)).time <= 1.5


def test_a_picture_that_is_too_large_for_vp8() -> None:
    with pytest.raises(SinkError, match="cannot be encoded as VP8"):
        webm.key_frame(np.zeros((8, 16384, 3), np.uint8))


def test_an_opencv_without_webp(tmp_path: Path, monkeypatch, red_and_green) -> None:
    monkeypatch.setattr(webm.cv2, "haveImageWriter", lambda name: False)
    sink = VideoSink(tmp_path / "a.webm", fps=None)
    with pytest.raises(SinkError, match=r"a\.webm: this OpenCV .* built without WebP"), sink:
        sink.write(*red_and_green())
    assert not list(tmp_path.iterdir())


def test_a_video_without_frames_leaves_what_was_there(tmp_path: Path) -> None:
    (tmp_path / "a.webm").write_text("former")
    with VideoSink(tmp_path / "a.webm", fps=None) as sink:
        pass
    sink.close()
    assert (tmp_path / "a.webm").read_text() == "former"
    assert len(list(tmp_path.iterdir())) == 1


def test_a_failing_video_leaves_what_was_there(tmp_path: Path, monkeypatch, red_and_green) -> None:
    (tmp_path / "a.webm").write_text("former")
    sink = VideoSink(tmp_path / "a.webm", fps=None)
    sink.write(*red_and_green())

    def full(*arguments: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(sink._writer, "write", full)
    with pytest.raises(SinkError, match=r"a\.webm: the disk is full"), sink:
        sink.write(*red_and_green(1))
    assert [path.read_text() for path in tmp_path.iterdir()] == ["former"]


def test_mp4_without_pyav_says_both_ways_out(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(MissingDependencyError) as raised:
        VideoSink(tmp_path / "a.mp4", fps=None)
    assert "use --save a.webm" in str(raised.value)
    assert "pip install 'maskattn-edge[h264]'" in str(raised.value)
    assert not list(tmp_path.iterdir())


def test_pyav_without_an_encoder(tmp_path: Path, monkeypatch) -> None:
    pytest.importorskip("av")
    monkeypatch.setattr(h264, "_ENCODERS", {"nothing-like-it": {}})
    with pytest.raises(SinkError, match=r"no H\.264 encoder .*use --save a\.webm"):
        VideoSink(tmp_path / "a.mp4", fps=None)


KILLED = """
import os, signal, sys
from pathlib import Path
import numpy as np
from maskattn_edge.sinks.webm import WebmWriter
with open(sys.argv[1], "wb") as file:
    writer = WebmWriter(file, size=(48, 64), doctype="webm")
    writer._ahead = 0  # every frame is written when `write` returns
    for index in range(70):
        writer.write(np.full((48, 64, 3), index * 3, np.uint8), index * 40)
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def killed_video(tmp_path: Path) -> Path:
    """What a process leaves that was killed after it wrote 70 frames."""
    path = tmp_path / "killed.webm"
    environment = {**os.environ, "PYTHONPATH": str(Path(webm.__file__).parents[2])}
    command = [sys.executable, "-c", KILLED, str(path)]
    assert subprocess.run(command, env=environment, check=False).returncode == -signal.SIGKILL
    return path


def test_a_killed_process_leaves_a_video_to_the_last_frame(killed_video: Path) -> None:
    frames = decode(killed_video)
    assert len(frames) == 70
    np.testing.assert_allclose([picture.mean() for _, picture in frames], np.arange(70) * 3, atol=4)


def test_chromium_plays_finished_and_killed_videos(
    browser, tmp_path: Path, killed_video: Path, red_and_green
) -> None:
    with VideoSink(tmp_path / "done.webm", fps=25.0, opacity=1.0) as sink:
        for index in range(60):
            sink.write(*red_and_green(index, size=(41, 61)))
    (tmp_path / "page.html").write_text("<video muted></video><canvas></canvas>")

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *arguments):
            pass

    handler = functools.partial(Quiet, directory=str(tmp_path))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        browser.set_script_timeout(30)
        browser.get(f"http://127.0.0.1:{server.server_port}/page.html")
        played = [browser.execute_async_script(PLAY, name, at) for name, at in
                  (("done.webm", 1.5), ("killed.webm", None))]  # fmt: skip
        server.shutdown()
    done, killed = played
    assert (done["width"], done["height"]) == (61, 41)
    assert done["duration"] == pytest.approx(2.4)
    assert done["left"].index(max(done["left"][:3])) == 0
    assert done["right"].index(max(done["right"][:3])) == 1
    assert killed["time"] == pytest.approx(69 * 0.04, abs=0.1)
    np.testing.assert_allclose(killed["left"][:3], 207, atol=12)


PLAY = """
  const [name, at, done] = arguments;
  const video = document.querySelector("video"), canvas = document.querySelector("canvas");
  const report = () => {
    canvas.width = video.videoWidth; canvas.height = video.videoHeight;
    const context = canvas.getContext("2d");
    context.drawImage(video, 0, 0);
    const pixel = (x) => [...context.getImageData(canvas.width * x, canvas.height / 2, 1, 1).data];
    done({width: video.videoWidth, height: video.videoHeight, duration: video.duration,
          time: video.currentTime, left: pixel(0.25), right: pixel(0.75)});
  };
  video.onerror = () => done({error: video.error.message});
  video.src = name;
  if (at === null) { video.onended = report; video.playbackRate = 4; video.play(); }
  else { video.onseeked = report; video.onloadeddata = () => { video.currentTime = at; }; }
"""
