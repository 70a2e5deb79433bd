"""Files, pictures and the made-up camera."""

import sys
import types
from pathlib import Path

import cv2
import numpy as np
import pytest

from maskattn_edge.contract.errors import ContractError, SourceError, UsageError
from maskattn_edge.sinks.webm import WebmWriter
from maskattn_edge.sources import Frame, open_source
from maskattn_edge.sources.images import natural_order
from maskattn_edge.sources.synthetic import SyntheticSettings, SyntheticSource
from maskattn_edge.sources.table import SCHEMES
from maskattn_edge.sources.truncation import missing_bytes


def write_video(path: Path, frames: int = 12, size: tuple[int, int] = (64, 48)) -> None:
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), 10.0, size)
    for index in range(frames):
        writer.write(np.full((size[1], size[0], 3), index * 20, np.uint8))
    writer.release()


def read_all(uri: object) -> list[Frame]:
    with open_source(str(uri)) as source:
        frames = []
        while (frame := source.read()) is not None:
            frames.append(frame)
        assert source.read() is None
        return frames


def test_video_gives_every_frame_in_order(tmp_path: Path) -> None:
    write_video(tmp_path / "a.mp4")
    with open_source(str(tmp_path / "a.mp4")) as source:
        assert (source.live, source.fps, source.length) == (False, 10.0, 12)
    frames = read_all(tmp_path / "a.mp4")
    assert [frame.index for frame in frames] == list(range(12))
    levels = [float(frame.image_bgr.mean()) for frame in frames]
    np.testing.assert_allclose(levels, np.arange(12) * 20, atol=4)


@pytest.mark.parametrize("keep", [0, 20, 300, -1])
def test_truncated_video_is_refused(tmp_path: Path, keep: int) -> None:
    write_video(tmp_path / "a.mp4")
    data = (tmp_path / "a.mp4").read_bytes()
    (tmp_path / "cut.mp4").write_bytes(data[:keep])
    with pytest.raises(SourceError, match=r"cut\.mp4"):
        read_all(tmp_path / "cut.mp4")


@pytest.mark.parametrize("suffix", [".webm", ".mkv"])
def test_a_truncated_matroska_file_is_refused(tmp_path: Path, suffix: str) -> None:
    whole, cut = tmp_path / f"a{suffix}", tmp_path / f"cut{suffix}"
    with whole.open("wb") as file:
        writer = WebmWriter(file, size=(16, 24), doctype="webm")
        for number in range(5):
            writer.write(np.full((16, 24, 3), 40 * number, np.uint8), 100 * number)
        writer.close()
    assert len(read_all(whole)) == 5
    cut.write_bytes(whole.read_bytes()[:-100])
    with pytest.raises(SourceError, match=r"cut\.\w+: truncated, at least 100 bytes are missing"):
        read_all(cut)


@pytest.mark.parametrize(
    ("head", "missing"),
    [
        (b"", 0),
        (b"\x80\x18\x53\x80\x67\x89", 9),  # a header without content, a segment of 9
        (b"\x82ab\x18\x53\x80\x67\x40\x09123", 6),  # the length in two bytes
        (b"\x80\x18\x53\x80\x67\xff", 0),  # unknown, as of a writer that was killed
        (b"\x80\x18\x53\x80\x67\x01" + b"\xff" * 7, 0),
        (b"\x80\x18\x53\x80\x67\x00", 0),  # no length
        (b"\x80\x1a\x45", 0),
    ],
)
def test_what_a_matroska_header_promises(tmp_path: Path, head: bytes, missing: int) -> None:
    path = tmp_path / "a.mkv"
    path.write_bytes(b"\x1a\x45\xdf\xa3" + head)
    assert missing_bytes(path) == missing


def test_text_is_no_video(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_text("not a video\n" * 100)
    with pytest.raises(SourceError, match="not a complete video"):
        open_source(str(tmp_path / "a.mp4"))


def test_folder_in_natural_order(tmp_path: Path) -> None:
    for number in (10, 2, 1):
        cv2.imwrite(str(tmp_path / f"shot{number}.png"), np.full((4, 6, 3), number, np.uint8))
    (tmp_path / "notes.txt").write_text("no picture")
    frames = read_all(tmp_path)
    assert [frame.name for frame in frames] == ["shot1.png", "shot2.png", "shot10.png"]
    assert [int(frame.image_bgr[0, 0, 0]) for frame in frames] == [1, 2, 10]
    assert [frame.name for frame in read_all(tmp_path / "shot1*.png")] == [
        "shot1.png",
        "shot10.png",
    ]
    assert len(read_all(tmp_path / "shot2.png")) == 1
    assert len(read_all(f"file://{tmp_path / 'shot2.png'}")) == 1


def test_natural_order_of_equal_numbers_is_stable() -> None:
    names = [Path(name) for name in ("b1", "a01", "a1", "a")]
    assert natural_order(names) == natural_order(names[::-1])


def test_damaged_picture_is_named(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((4, 6, 3), np.uint8))
    (tmp_path / "b.png").write_bytes((tmp_path / "a.png").read_bytes()[:30])
    with pytest.raises(SourceError, match=r"b\.png: not a complete picture"):
        read_all(tmp_path)


@pytest.mark.parametrize(
    ("uri", "kind", "message"),
    [
        ("ftp://me:pw@host/x", UsageError, r"ftp://me:\*\*\*@host/x: ftp:// is no known kind"),
        ("rtsp:///live", UsageError, "there is no host"),
        ("rtsp://host:port/live", UsageError, "not an address"),
        ("rtsp://host/live#speed=1", UsageError, "unknown setting 'speed'; available: open"),
        ("http://host/a#read=0", UsageError, "read is a number from 0.1 to 600"),
        ("rtsp://host/a#transport=carrier", UsageError, "transport is one of tcp, udp"),
        ("csi://left", UsageError, "write csi://0"),
        ("v4l2:///dev/video97?size=3", UsageError, "unknown setting 'size'; available: format"),
        ("v4l2:///dev/video97?format=H264", UsageError, "format is one of MJPG, YUYV"),
        ("", UsageError, "empty"),
        ("nothing-here.mp4", SourceError, "no such file"),
        ("nothing-*.png", SourceError, "no pictures"),
        ("97", SourceError, "/dev/video97: no such camera; (present|this machine has no)"),
        ("v4l2:///dev/video97", SourceError, "/dev/video97: no such camera"),
        ("/dev/video97", SourceError, "/dev/video97: no such camera"),
        ("/dev/null", SourceError, "/dev/null: not a file that can be read"),
        ("synthetic://?size=3", UsageError, "unknown setting 'size'; available: seed"),
        ("synthetic://?width=1", UsageError, "width is a whole number from 16"),
        ("synthetic://?fps=-3", UsageError, "fps is a whole number"),
        ("synthetic://room", UsageError, "write synthetic://"),
    ],
)
def test_wrong_sources(uri: str, kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message):
        open_source(uri)


def test_empty_folder(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no pictures"):
        open_source(str(tmp_path))


def test_device_that_is_no_camera() -> None:
    with pytest.raises(SourceError, match="/dev/null: not a camera"):
        SCHEMES["v4l2"]("v4l2:///dev/null")


@pytest.fixture
def fake_scene(monkeypatch: pytest.MonkeyPatch) -> None:
    class Camera:
        def __init__(self, seed: int, *, height: int, width: int, fps: float) -> None:
            self.shape = (height, width, 3)

        def frame(self, index: int) -> types.SimpleNamespace:
            return types.SimpleNamespace(image_bgr=np.full(self.shape, index, np.uint8))

    module = types.ModuleType("maskattn_edge.synthetic")
    module.SyntheticCamera = Camera
    monkeypatch.setitem(sys.modules, "maskattn_edge.synthetic", module)


@pytest.mark.usefixtures("fake_scene")
def test_synthetic_with_frames_is_like_a_file() -> None:
    with open_source("synthetic://?frames=3&width=32&height=16&seed=5") as source:
        assert (source.live, source.length) == (False, 3)
    frames = read_all("synthetic://?frames=3&width=32&height=16")
    assert [frame.index for frame in frames] == [0, 1, 2]
    assert frames[0].image_bgr.shape == (16, 32, 3)


@pytest.mark.usefixtures("fake_scene")
def test_live_synthetic_keeps_its_pace() -> None:
    now = [0.0]
    slept = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        now[0] += seconds

    source = SyntheticSource(SyntheticSettings(fps=10), clock=lambda: now[0], sleep=sleep)
    assert source.live
    captured = [source.read().captured for _ in range(3)]
    np.testing.assert_allclose(captured, [0, 0.1, 0.2])
    now[0] = 5.0  # nobody read for a while: the next frame comes at once, then the pace again
    assert source.read().captured == 5.0
    np.testing.assert_allclose(source.read().captured, 5.1)
    np.testing.assert_allclose(slept, [0.1, 0.1, 0.1])


def test_the_real_synthetic_camera() -> None:
    (frame,) = read_all("synthetic://?frames=1&width=64&height=48")
    assert frame.image_bgr.shape == (48, 64, 3)


def test_frame_checks_itself() -> None:
    with pytest.raises(ContractError, match=r"got shape \(4, 4\)"):
        Frame(image_bgr=np.zeros((4, 4), np.uint8), captured=0.0, index=0)
