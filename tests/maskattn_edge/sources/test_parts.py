"""The pieces that network and local cameras are made of, without a network and a camera."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import cv2
import numpy as np
import pytest

from maskattn_edge.contract.errors import (
    ContractError,
    MaskAttnWarning,
    SourceError,
    SourceRefusedError,
    UsageError,
)
from maskattn_edge.sources import Frame, Source, camera, csi, open_source, v4l2
from maskattn_edge.sources.address import Address, without_secrets
from maskattn_edge.sources.losses import Losses
from maskattn_edge.sources.multipart import MAX_PART, Parts, boundary_of
from maskattn_edge.sources.quiet import silence_opencv
from maskattn_edge.sources.reopening import Backoff, ReopeningSource
from maskattn_edge.sources.sign_in import authorization
from maskattn_edge.sources.stream_clock import StreamClock


@pytest.mark.parametrize(
    ("uri", "shown"),
    [
        ("rtsp://10.0.0.2/live", "rtsp://10.0.0.2/live"),
        ("rtsp://me@10.0.0.2/live", "rtsp://me@10.0.0.2/live"),
        ("rtsp://me:secret@10.0.0.2/live@2", "rtsp://me:***@10.0.0.2/live@2"),
        ("rtsp://me:sec@ret@10.0.0.2/live", "rtsp://me:***@10.0.0.2/live"),
        ("rtsp://me:sec/ret@10.0.0.2/live", "rtsp://me:***@10.0.0.2/live"),
        ("http://h/a?user=me&Password=secret&x=1", "http://h/a?user=me&Password=***&x=1"),
        ("http://h/a?token=secret#read=3", "http://h/a?token=***#read=3"),
    ],
)
def test_secrets_are_never_shown(uri: str, shown: str) -> None:
    assert without_secrets(uri) == shown


def test_a_password_with_a_slash_is_refused_without_being_shown() -> None:
    with pytest.raises(UsageError, match="%2F") as raised:
        Address.parse("rtsp://me:sec/ret@10.0.0.2/live")
    assert "ret" not in str(raised.value)
    assert raised.value.__suppress_context__


def test_address() -> None:
    address = Address.parse("rtsp://me:a%40b@[::1]:8554/live?x=1#read=2&transport=udp")
    assert (address.host, address.port, address.target) == ("::1", 8554, "/live?x=1")
    assert (address.user, address.password) == ("me", "a@b")
    assert (address.read_s, address.open_s, address.transport) == (2.0, 5.0, "udp")
    assert address.uri == "rtsp://[::1]:8554/live?x=1"
    assert "a@b" not in repr(address)
    assert Address.parse("https://h").port == 443


def test_digest_as_the_standards_compute_it() -> None:
    # RFC 2069, section 2.4, with the erratum's response.
    challenge = 'Digest realm="testrealm@host.com", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093"'
    header = authorization(
        [challenge], method="GET", target="/dir/index.html", user="Mufasa", password="CircleOfLife"
    )
    assert 'response="1949323746fe6a43ef61f9606e7febea"' in header


def test_basic_is_used_where_digest_is_not_offered() -> None:
    say = {"method": "GET", "target": "/", "user": "Aladdin", "password": "open sesame"}
    # RFC 7617, section 2
    assert authorization(["Basic realm=x"], **say) == "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="
    both = ["Basic realm=x", 'Digest realm="x", nonce="1", algorithm=SHA-256, qop="auth"']
    assert authorization(both, **say).startswith("Digest ")
    assert authorization(["Negotiate", 'Digest realm="x", nonce="1", algorithm=X'], **say) is None


JPEG = b"\xff\xd8" + bytes(range(1, 100)) + b"\xff\xd9"


def stream(*parts: tuple[bytes, int | None]) -> bytes:
    """Parts with what their heads state as length."""
    text = b"preamble\r\n"
    for data, length in parts:
        head = b"" if length is None else f"Content-length:{length}\r\n".encode()
        text += b"--b\r\nContent-Type: image/jpeg\r\n" + head + b"\r\n" + data + b"\r\n"
    return text + b"--b\r\n"


@pytest.mark.parametrize("step", [1, 7, 64, 10_000])
@pytest.mark.parametrize("length", [len(JPEG), None])
def test_parts_in_any_pieces(step: int, length: int | None) -> None:
    text = stream(
        (JPEG, length), (JPEG[:50], length), (JPEG, length), (b"text", None), (JPEG, length)
    )
    parts = Parts(b"--b")
    found = [part for at in range(0, len(text), step) for part in parts.feed(text[at : at + step])]
    assert [part.rstrip(b"\r\n") for part in found] == [JPEG] * 3
    assert parts.broken == 2
    assert not parts.started


def test_hostile_parts() -> None:
    with pytest.raises(ValueError, match="larger than"):
        list(Parts(b"--b").feed(stream((b"x", MAX_PART + 1))))
    with pytest.raises(ValueError, match="no end"):
        list(Parts(b"--b").feed(b"--b\r\n" + b"a" * 70_000))
    parts = Parts(b"--b")
    for _ in range(100):
        assert not list(parts.feed(b"noise" * 1000))
    assert len(parts._buffer) < 10_000


def test_boundaries() -> None:
    assert boundary_of("multipart/x-mixed-replace;boundary=x") == b"--x"
    assert boundary_of('Multipart/x-mixed-replace; boundary="--a b"') == b"--a b"
    assert boundary_of("image/jpeg") is None
    assert boundary_of("") is None


def test_a_burst_after_a_stall_is_as_old_as_it_is() -> None:
    clock = StreamClock()
    on_time = [clock.captured(100 + 0.1 * n, 0.1 * n) for n in range(10)]
    np.testing.assert_allclose(on_time, 100 + 0.1 * np.arange(10))
    late = [clock.captured(105.0, 0.1 * n) for n in range(10, 15)]
    np.testing.assert_allclose(late, 100 + 0.1 * np.arange(10, 15))
    assert clock.captured(101.5, 1.6) == 101.5  # never from the future


def test_clocks_that_drift_apart_make_nothing_old() -> None:
    clock = StreamClock()
    ages = []
    for second in range(3600):
        arrived = second * 1.0002  # 0.7 s in an hour
        ages.append(arrived - clock.captured(arrived, second))
    assert max(ages) < 0.02


class Flaky(Source):
    """Gives what it is told: numbers are frames, errors are raised, None is the end."""

    live = True

    def __init__(self, *script):
        self.script, self.closed = list(script), False

    def read(self):
        event = self.script.pop(0)
        if isinstance(event, Exception):
            raise event
        if event is None:
            return None
        image = np.full((4, 4, 3), event, np.uint8)
        return Frame(image_bgr=image, captured=0.0, index=0)

    def describe(self):
        return "flaky"

    def losses(self):
        return Losses(broken_frames=2)

    def close(self):
        self.closed = True


def test_reopening_counts_what_happened() -> None:
    first = Flaky(1, SourceError("gone"))
    second = Flaky(2, None)
    third = Flaky(3)
    doors = [first, SourceError("no"), SourceError("still no"), second, third]

    def open_next():
        door = doors.pop(0)
        if isinstance(door, Exception):
            raise door
        return door

    backoff = Backoff(first_s=0.001, longest_s=0.002)
    with ReopeningSource(open_next, backoff=backoff) as source:
        frames = [source.read() for _ in range(3)]
        assert first.closed
        assert second.closed
        assert not third.closed
        losses = source.losses()
    assert [int(frame.image_bgr[0, 0, 0]) for frame in frames] == [1, 2, 3]
    assert [(frame.index, frame.reopened) for frame in frames] == [(0, 0), (1, 1), (2, 2)]
    assert (losses.reopened, losses.failures, losses.broken_frames) == (2, 2, 6)
    assert losses.reason == "it ended"
    assert third.closed


def test_a_source_that_opens_but_gives_nothing_is_a_failure() -> None:
    doors = [Flaky(1, None), Flaky(None), Flaky(None), Flaky(7)]
    with ReopeningSource(lambda: doors.pop(0), backoff=Backoff(first_s=0.001)) as source:
        source.read()
        assert int(source.read().image_bgr[0, 0, 0]) == 7
        assert (source.losses().reopened, source.losses().failures) == (1, 2)


def test_a_refusal_is_final() -> None:
    doors = [Flaky(1, None)]

    def open_next():
        if not doors:
            raise SourceRefusedError("wrong password")
        return doors.pop(0)

    with ReopeningSource(open_next, backoff=Backoff(first_s=0.001)) as source:
        source.read()
        with pytest.raises(SourceRefusedError):
            source.read()


def test_backoff_checks_itself() -> None:
    with pytest.raises(ContractError, match="waits must grow"):
        Backoff(first_s=2, longest_s=1)


class Device:
    """Stands for cv2.VideoCapture: a camera with one size, that can be unplugged."""

    size, plugged, stamp = (640, 480), True, 0.0
    opened: "list[Device]" = []

    def __init__(self, *arguments):
        self.arguments, self.set_to, self.released = arguments, [], False
        self.has = {cv2.CAP_PROP_FPS: 30.0}
        Device.opened.append(self)

    def isOpened(self):
        return self.plugged

    def set(self, key, value):
        self.set_to.append((key, value))

    def get(self, key):
        width, height = self.size
        sizes = {cv2.CAP_PROP_FRAME_WIDTH: width, cv2.CAP_PROP_FRAME_HEIGHT: height}
        stamp = {cv2.CAP_PROP_POS_MSEC: self.stamp * 1e3}
        return {**self.has, **sizes, **stamp}.get(key, 0.0)

    def grab(self):
        return Device.plugged

    def retrieve(self):
        return True, np.zeros((self.size[1], self.size[0], 3), np.uint8)

    def release(self):
        self.released = True


@pytest.fixture
def device(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(camera.cv2, "VideoCapture", Device)
    monkeypatch.setattr(camera, "check_device", lambda path: None)
    for name, value in {"plugged": True, "stamp": 0.0, "opened": []}.items():
        monkeypatch.setattr(Device, name, value)
    return Device


def test_camera_settings_reach_the_driver_format_first(device) -> None:
    uri = "v4l2:///dev/video7?format=yuyv&width=640&height=480&fps=15.5"
    with pytest.warns(MaskAttnWarning, match="fps 15.5 was asked for, the camera gives 30"):
        source = open_source(uri)
    with source:
        assert device.opened[0].arguments == ("/dev/video7", cv2.CAP_V4L2)
        assert device.opened[0].set_to == [
            (cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*"YUYV")),
            (cv2.CAP_PROP_FRAME_WIDTH, 640),
            (cv2.CAP_PROP_FRAME_HEIGHT, 480),
            (cv2.CAP_PROP_FPS, 15.5),
            (cv2.CAP_PROP_BUFFERSIZE, 1),
        ]
        assert source.describe() == "camera /dev/video7, 640x480, 30 frames/s"


def test_the_drivers_time_counts_where_it_is_by_our_clock(device, monkeypatch) -> None:
    monkeypatch.setattr(camera.time, "monotonic", lambda: 1000.0)
    with open_source("0") as source:
        monkeypatch.setattr(Device, "stamp", 999.96)
        assert source.read().captured == pytest.approx(999.96)
        for other in (1.7e9, 3.0, 1000.1):  # the time of day, since the start, the future
            monkeypatch.setattr(Device, "stamp", other)
            assert source.read().captured == 1000.0


def test_a_camera_that_is_plugged_in_again(device, monkeypatch) -> None:
    with open_source("0") as source:
        assert source.read().reopened == 0
        monkeypatch.setattr(Device, "plugged", False)
        threading.Timer(0.3, lambda: setattr(Device, "plugged", True)).start()
        frame = source.read()
        assert (frame.index, frame.reopened) == (1, 1)
        assert source.losses().failures >= 1
        assert device.opened[0].released


def test_a_busy_camera_names_who_has_it(tmp_path: Path) -> None:
    (tmp_path / "video0").write_text("")
    code = "import sys; file = open(sys.argv[1]); print(flush=True); sys.stdin.read()"
    command = [sys.executable, "-c", code, str(tmp_path / "video0")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        other.stdout.readline()
        message = str(v4l2.cannot_open(tmp_path / "video0"))
        other.stdin.close()
    assert "video0: in use by python" in message
    assert f"(process {other.pid})" in message
    assert "another program may use it" in str(v4l2.cannot_open(tmp_path / "video0"))


def test_no_permission_and_present_cameras(tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "video0").write_text("")
    monkeypatch.setattr(os, "access", lambda *arguments: False)
    with pytest.raises(SourceError, match="no permission; add yourself to the group video"):
        v4l2.check_device(tmp_path / "video0")
    (tmp_path / "video3").mkdir()
    (tmp_path / "video3" / "name").write_text("HD Webcam\n")
    monkeypatch.setattr(v4l2, "_NAMES", tmp_path)
    monkeypatch.setattr(v4l2.glob, "glob", lambda pattern: ["/dev/video10", "/dev/video3"])
    assert v4l2.present() == "present: /dev/video3 (HD Webcam), /dev/video10"


def test_csi_without_gstreamer_prints_the_pipeline(monkeypatch) -> None:
    monkeypatch.setattr(csi.cv2, "getBuildInformation", lambda: "  GStreamer:   NO\n")
    with pytest.raises(SourceError) as raised:
        open_source("csi://1?width=1920&height=1080&fps=30&flip=2&driver=nvargus")
    assert "pip uninstall -y opencv-python-headless" in str(raised.value)
    assert (
        "nvarguscamerasrc sensor-id=1 ! video/x-raw(memory:NVMM),width=1920,height=1080,"
        "framerate=30/1 ! nvvidconv flip-method=2 ! video/x-raw,format=BGRx ! videoconvert ! "
        "video/x-raw,format=BGR ! appsink drop=true max-buffers=1 sync=false"
    ) in str(raised.value)


def test_csi_with_gstreamer(device, monkeypatch) -> None:
    build = "  GStreamer:                   YES (1.22.0)\n"
    monkeypatch.setattr(csi.cv2, "getBuildInformation", lambda: build)
    with open_source("csi://0?driver=libcamera") as source:
        assert source.read().image_bgr.shape == (480, 640, 3)
        pipeline, backend = device.opened[0].arguments
    assert pipeline.startswith("libcamerasrc ! video/x-raw,width=1280,height=720,framerate=30/1 !")
    assert backend == cv2.CAP_GSTREAMER
    monkeypatch.setattr(Device, "plugged", False)
    with pytest.raises(SourceError, match="try `gst-launch-1.0 libcamerasrc .* ! fakesink`"):
        open_source("csi://0?driver=libcamera")
    with pytest.raises(UsageError, match="camera 0 without flip"):
        open_source("csi://1?driver=libcamera")


def test_opencv_before_4_13_is_silenced_too(monkeypatch):
    levels = []
    monkeypatch.delattr(cv2.utils, "logging", raising=False)
    monkeypatch.setattr(cv2, "setLogLevel", levels.append, raising=False)
    silence_opencv()
    assert levels == [0]
