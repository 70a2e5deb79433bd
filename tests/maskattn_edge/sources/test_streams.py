"""Network cameras that break, on real servers on loopback. What is measured: docs/sources.md."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from maskattn_edge.contract.errors import SourceError, SourceRefusedError
from maskattn_edge.sources import open_source
from maskattn_edge.sources.address import Address
from maskattn_edge.sources.mjpeg import MjpegSource
from maskattn_edge.sources.reopening import Backoff, ReopeningSource

LOGIN = "me:p%40ss%2Fword@"


def grey(frame) -> int:
    """The frame's value; every frame of the servers is of one."""
    assert float(frame.image_bgr.std()) < 1, "half a picture was shown"
    return round(float(frame.image_bgr.mean()))


def read_until(source, wanted, seconds: float = 20.0):
    """Read until `wanted(frame)`."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        frame = source.read()
        if wanted(frame):
            return frame
    raise AssertionError("it did not come")


def test_frames_come_with_their_times(camera_server) -> None:
    camera_server.script.step = 1
    with open_source(camera_server.uri()) as source:
        assert source.live
        assert "127.0.0.1" in source.describe()
        frames = [source.read() for _ in range(20)]
    assert [frame.index for frame in frames] == list(range(20))
    values = [grey(frame) for frame in frames]
    assert values == list(range(values[0], values[0] + 20))
    for frame in frames:
        sent = next(at for value, at in camera_server.script.sent if value == grey(frame))
        assert sent <= frame.captured <= time.monotonic()
    # What came while the stream was looked at is old by now, and is left out.
    assert len(camera_server.script.sent) - (values[-1] - 50) < 10


def test_a_server_that_restarts_is_found_again_and_nothing_old_is_shown(camera_server) -> None:
    with open_source(camera_server.uri()) as source:
        assert grey(source.read()) == 50
        camera_server.stop()
        camera_server.script.value = 150
        back = threading.Timer(0.4, camera_server.start)
        back.start()
        frame = read_until(source, lambda frame: frame.reopened)
        assert (grey(frame), frame.reopened) == (150, 1)
        index = frame.index
        assert [source.read().index for _ in range(3)] == [index + 1, index + 2, index + 3]
        back.join()
        losses = source.losses()
    assert (losses.reopened, losses.lost_s) == (1, 0.0)
    assert losses.failures >= 1  # while nobody listened
    assert losses.seconds > 0.3
    assert "Connection refused" in losses.reason


@pytest.mark.parametrize("way", ["basic", "digest"])
def test_password(camera_server, way: str) -> None:
    camera_server.script.sign_in = way
    with open_source(camera_server.uri(login=LOGIN)) as source:
        assert grey(source.read()) == 50
        assert "p@ss" not in source.describe() + repr(source.__dict__)
    for login, words in (("me:secret99@", "wrong user or password"), ("", "it wants a user")):
        before = camera_server.script.connections
        with pytest.raises(SourceRefusedError, match=words) as raised:
            open_source(camera_server.uri(login=login))
        assert "secret99" not in str(raised.value)
        assert camera_server.script.connections - before <= 3  # no storm


def test_a_password_that_changes_ends_the_run(camera_server) -> None:
    with open_source(camera_server.uri()) as source:
        source.read()
        camera_server.script.sign_in = "basic"
        before = camera_server.script.connections
        camera_server.hang_up()
        with pytest.raises(SourceRefusedError, match="it wants a user"):
            read_until(source, lambda frame: False)
    assert camera_server.script.connections - before <= 3


def test_half_a_picture_before_the_end_is_left_out(camera_server) -> None:
    camera_server.script.cut_after = 60
    with open_source(camera_server.uri()) as source:
        frame = read_until(source, lambda frame: (grey(frame), frame.reopened)[1])
        assert source.losses().reopened == frame.reopened == 1
        if camera_server.scheme == "http":  # FFmpeg keeps its own half pictures to itself
            assert source.losses().broken_frames == 1


@pytest.mark.parametrize("lengths", [True, False])
def test_half_a_picture_within_a_stream_is_left_out(mjpeg_server, lengths: bool) -> None:
    mjpeg_server.script.half_at, mjpeg_server.script.lengths = 3, lengths
    mjpeg_server.script.step = 1
    with open_source(mjpeg_server.uri()) as source:
        values = [grey(source.read()) for _ in range(6)]
        losses = source.losses()
    assert values == [50, 51, 52, 54, 55, 56]
    assert (losses.reopened, losses.broken_frames) == (0, 1)


def test_size_may_change(camera_server) -> None:
    with open_source(camera_server.uri()) as source:
        assert source.read().image_bgr.shape == (48, 64, 3)
        camera_server.script.size = (96, 80)
        frame = read_until(source, lambda frame: frame.image_bgr.shape == (80, 96, 3))
        assert grey(frame) == 50


def test_silence_is_a_loss(camera_server) -> None:
    with open_source(camera_server.uri(options="#read=0.3&open=2")) as source:
        source.read()
        camera_server.script.silent = True
        threading.Timer(1.0, lambda: setattr(camera_server.script, "silent", False)).start()
        assert read_until(source, lambda frame: frame.reopened).reopened == 1
        assert source.losses().reopened == 1


def test_a_hundred_disconnects(mjpeg_server) -> None:
    mjpeg_server.script.stop_after, mjpeg_server.script.fps = 2, 2000
    mjpeg_server.script.step = 1
    address = Address.parse(mjpeg_server.uri())
    backoff = Backoff(first_s=0.001, longest_s=0.01)
    with ReopeningSource(lambda: MjpegSource(address), backoff=backoff) as source:
        read_until(source, lambda frame: frame.reopened == 1)
        files = len(os.listdir("/proc/self/fd"))
        values = []
        read_until(source, lambda f: (values.append(grey(f)), f.reopened == 100)[1], seconds=30)
        assert len(os.listdir("/proc/self/fd")) <= files + 2
    assert source.losses().reopened == 100
    steps = (np.diff(values) % 200).tolist()
    assert set(steps) == {1}  # each once, none again, none missing


def test_a_lost_source_does_not_hold_up_the_end(camera_server) -> None:
    with open_source(camera_server.uri()) as source:
        source.read()
        camera_server.stop()
        done = []
        reader = threading.Thread(target=lambda: done.extend(iter(source.read, None)))
        reader.start()
        while not source.losses().lost_s:
            time.sleep(0.01)
        source.interrupt()
        reader.join(10)
        assert not reader.is_alive()


def test_a_server_that_is_not_there() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
    for scheme in ("http", "rtsp"):
        with pytest.raises(SourceError, match=r"cannot be opened \(Connection refused\): is the"):
            open_source(f"{scheme}://127.0.0.1:{port}/x")
    with pytest.raises(SourceError, match=r"cannot be opened \(.*(resolution|not known)"):
        open_source("rtsp://no-such-host.invalid/x")


def test_a_server_without_that_stream(camera_server) -> None:
    camera_server.script.status = 404
    with pytest.raises(SourceError, match="404"):
        open_source(camera_server.uri())


def test_other_servers(mjpeg_server, rtsp_server) -> None:
    mjpeg_server.script.content_type = "text/html"
    with pytest.raises(SourceError, match="gives text/html, not Motion JPEG"):
        open_source(mjpeg_server.uri())
    with pytest.raises(SourceError, match="cannot be opened"):
        open_source(mjpeg_server.uri().replace("http:", "rtsp:"))
    with pytest.raises(SourceError, match="cannot be opened"):
        open_source(rtsp_server.uri().replace("rtsp:", "http:"))


def test_a_run_counts_its_losses_and_tells_no_password(
    mjpeg_server, tiny_model: Path, tmp_path: Path, cli_environment: dict[str, str]
) -> None:
    mjpeg_server.script.sign_in = "digest"
    mjpeg_server.script.fps = 50
    lines = tmp_path / "o.jsonl"
    process = subprocess.Popen(
        [
            sys.executable, "-m", "maskattn_edge", "run", str(tiny_model), "--source",
            mjpeg_server.uri(login=LOGIN), "--jsonl", str(lines), "--engine", "onnxruntime",
            "--summary", str(tmp_path / "s.json"), "--stats", str(tmp_path / "stats"),
            "--stats-every", "1", "--save", str(tmp_path / "o.webm"),
        ],
        env=cli_environment, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    deadline = time.monotonic() + 30
    hung_up = False
    while time.monotonic() < deadline:
        text = lines.read_text() if lines.exists() else ""
        if text and not hung_up:
            mjpeg_server.hang_up()
            hung_up = True
        if '"reopened":1' in text:
            break
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    out, errors = process.communicate(timeout=20)
    assert process.returncode == 0, errors
    summary = json.loads((tmp_path / "s.json").read_text())
    assert summary["losses"]["reopened"] == 1
    assert summary["losses"]["reason"]
    assert "reopened 1 times" in out
    written = [path.read_text() for path in tmp_path.iterdir() if path.suffix in {"", ".jsonl"}]
    everything = out + errors + json.dumps(summary) + "".join(written)
    assert "127.0.0.1" in everything
    assert "p%40ss" not in everything
    assert "p@ss" not in everything
