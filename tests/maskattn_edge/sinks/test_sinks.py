"""What the sinks write can be read back."""

import errno
import json
import os
import socket
import subprocess
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from maskattn_edge.contract import ClassInfo, InputSpec, ModelSpec, PrecisionSpec, palette
from maskattn_edge.contract.errors import ContractError, SinkError, UsageError
from maskattn_edge.frame import FrameTimes
from maskattn_edge.preprocess import geometry
from maskattn_edge.segmentation import Instances, Segmentation
from maskattn_edge.sinks import Outputs, open_sinks, window
from maskattn_edge.sinks.jsonl import JsonLinesSink
from maskattn_edge.sinks.masks import MasksSink
from maskattn_edge.sinks.png import encode_palette_png
from maskattn_edge.sinks.window import WindowSink
from maskattn_edge.sources import Frame, Source, open_source

CLASSES = (ClassInfo("floor", (250, 10, 20)), ClassInfo("cup", (5, 240, 30), thing=True))
SPEC = ModelSpec(
    name="tiny",
    task="semantic",
    classes=CLASSES,
    input=InputSpec(height=8, width=8),
    precision=PrecisionSpec(name="fp32"),
)


def result(index=0, size=(40, 60), name=None, captured=0.0):
    """A grey frame whose right half is a cup."""
    height, width = size
    labels = np.zeros((8, 8), np.uint8)
    labels[:, 4:] = 1
    frame = Frame(
        image_bgr=np.full((height, width, 3), 128, np.uint8),
        captured=captured,
        index=index,
        name=name,
    )
    place = geometry(height, width, height=8, width=8, resize="stretch")
    times = FrameTimes(
        captured=captured, taken=captured + 0.001, inferred=captured + 0.005,
        delivered=captured + 0.006,
    )  # fmt: skip
    return frame, Segmentation(labels=labels, spec=SPEC, place=place, times=times)


class NoSource(Source):
    def __init__(self, *, live=False, fps=None, length=None, path=None):
        self.live, self.fps, self.length, self.path = live, fps, length, path

    def read(self):
        return None

    def describe(self):
        return "none"


@pytest.mark.parametrize("shape", [(1, 1), (3, 5), (37, 64)])
def test_palette_png_reads_back_as_indices(tmp_path: Path, shape: tuple[int, int]) -> None:
    labels = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    colors = palette(CLASSES)
    (tmp_path / "a.png").write_bytes(encode_palette_png(labels, colors))
    shown = cv2.imread(str(tmp_path / "a.png"))[..., ::-1]
    np.testing.assert_array_equal(shown, colors[labels])  # an independent reader sees colours
    image = pytest.importorskip("PIL.Image").open(tmp_path / "a.png")
    assert image.mode == "P"
    np.testing.assert_array_equal(np.asarray(image), labels)  # and another one the indices


def test_palette_png_checks_its_arrays() -> None:
    with pytest.raises(ContractError, match="labels are"):
        encode_palette_png(np.zeros((2, 2, 3), np.uint8), palette(CLASSES))
    with pytest.raises(ContractError, match="a palette is"):
        encode_palette_png(np.zeros((2, 2), np.uint8), palette(CLASSES)[:9])


def test_masks_are_named_as_their_pictures(tmp_path: Path) -> None:
    with MasksSink(tmp_path / "masks") as sink:
        for frame in (result(12), result(0, name="a.jpg"), result(1, name="a.bmp")):
            sink.write(*frame)
    assert sorted(path.name for path in (tmp_path / "masks").iterdir()) == [
        "000012.png", "a.bmp.png", "a.png",
    ]  # fmt: skip
    image = pytest.importorskip("PIL.Image").open(tmp_path / "masks" / "a.png")
    np.testing.assert_array_equal(np.asarray(image), result()[1].frame_labels)


def test_jsonl_lines_are_whole_and_live(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "a.jsonl"
    with JsonLinesSink(str(path)) as sink:
        for index in range(3):
            sink.write(*result(index, name="x.png", captured=2.0))
            assert len(path.read_text().splitlines()) == index + 1
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [line["index"] for line in lines] == [0, 1, 2]
    line = lines[0]
    assert (line["name"], line["width"], line["height"]) == ("x.png", 60, 40)
    assert (line["latency_ms"], line["age_ms"]) == (4.0, 6.0)
    assert line["times_ms"]["captured"] == 2000.0
    assert [entry["name"] for entry in line["classes"]] == ["floor", "cup"]
    assert sum(entry["share"] for entry in line["classes"]) == pytest.approx(1)
    assert len(line["classes"][1]["contours"][0][0]) == 2


def test_jsonl_takes_back_half_a_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sink = JsonLinesSink(str(tmp_path / "a.jsonl"))
    sink.write(*result(0))
    write, calls = os.write, []

    def fill(handle: int, data: memoryview) -> int:
        calls.append(len(data))
        if len(calls) == 2:
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(handle, data[:10])

    monkeypatch.setattr(os, "write", fill)
    with pytest.raises(SinkError, match="disk is full"):
        sink.write(*result(1))
    monkeypatch.undo()
    sink.close()
    lines = (tmp_path / "a.jsonl").read_text().splitlines()
    assert [json.loads(line)["index"] for line in lines] == [0]


def test_jsonl_of_instances_in_pixels_of_the_frame() -> None:
    frame, answer = result()
    table = Instances(
        map=np.eye(8, dtype=np.uint8),
        label=np.array([1, 0], np.uint8),
        score=np.array([0.75, 0], np.float32),
        box=np.array([[0, 0, 4, 8], [0, 0, 0, 0]], np.int32),
    )
    answer = Segmentation(labels=answer.labels, spec=SPEC, place=answer.place, instances=table)
    entry = replace(answer, frame=frame).as_dict()
    assert entry["instances"] == [
        {"number": 1, "id": 1, "name": "cup", "score": 0.75, "box": [0, 0, 30, 40]}
    ]
    assert entry["age_ms"] is None


def test_picture(tmp_path: Path) -> None:
    (sink,) = open_sinks(Outputs(save=tmp_path / "o.png", opacity=0.0), NoSource(length=1))
    frame, answer = result()
    with sink:
        sink.write(frame, answer)
    np.testing.assert_array_equal(cv2.imread(str(tmp_path / "o.png")), frame.image_bgr)


@pytest.mark.parametrize(
    ("outputs", "message"),
    [
        ({"save": Path("o.gif")}, r"must end in one of \.webm"),
        ({"save": Path("o.png")}, "holds one picture"),
        ({"save": Path("in/a.mp4")}, "would replace the source"),
        ({"jsonl": "in/a.mp4"}, "would replace the source"),
        ({"opacity": 2.0}, "--opacity must be"),
    ],
)
def test_wrong_outputs(outputs: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        open_sinks(Outputs(**outputs), NoSource(path=Path("in/a.mp4")))


def test_masks_never_replace_the_pictures(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((4, 4, 3), np.uint8))
    for uri in (tmp_path, tmp_path / "a.png", tmp_path / "*.png"):
        with (
            open_source(str(uri)) as source,
            pytest.raises(UsageError, match="would replace the source's pictures"),
        ):
            open_sinks(Outputs(masks=tmp_path), source)


@pytest.mark.parametrize("kind", ["save", "masks", "jsonl"])
def test_unwritable_places(tmp_path: Path, kind: str) -> None:
    (tmp_path / "file").write_text("a file where a folder should be")
    path = tmp_path / "file" / "o.webm"
    outputs = Outputs(**{kind: str(path) if kind == "jsonl" else path})
    with pytest.raises(SinkError, match=r"o\.webm: cannot be written"):
        open_sinks(outputs, NoSource(fps=10.0))
    (tmp_path / "folder.webm").mkdir()
    with pytest.raises(SinkError, match=r"folder\.webm: cannot be written"):
        open_sinks(Outputs(save=tmp_path / "folder.webm"), NoSource())


def test_all_sinks_are_closed_when_one_cannot_open(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SinkError, match="cannot be written"):
        open_sinks(Outputs(save=tmp_path / "a.webm", masks=tmp_path / "file" / "m"), NoSource())
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_headless_opencv_says_how_to_mend_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(window.cv2, "getBuildInformation", lambda: "  GUI:       NONE\n")
    with pytest.raises(SinkError, match="pip uninstall -y opencv-python-headless && pip install"):
        WindowSink()


def test_no_screen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(window.cv2, "getBuildInformation", lambda: "  GUI:       QT5\n")
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(SinkError, match="needs a screen"):
        WindowSink()
    monkeypatch.setenv("DISPLAY", ":64321.0")
    with pytest.raises(SinkError, match=r"no screen answers at DISPLAY=:64321\.0"):
        WindowSink()
    with socket.socket(socket.AF_UNIX) as screen:
        screen.bind("\0/tmp/.X11-unix/X64321")
        screen.listen()
        WindowSink()


@pytest.fixture
def small_disk(tmp_path: Path):
    """A file system of 64 KiB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    try:
        mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(disk)]
        done = subprocess.run(mount, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("there is no mount command here")
    if done.returncode:
        pytest.skip(f"mounting a small disk is not allowed here: {done.stderr.strip()}")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


@pytest.mark.parametrize("name", ["o.mp4", "o.webm", "o.mkv", "masks", "o.jsonl"])
def test_full_disk(small_disk: Path, name: str) -> None:
    path = small_disk / name
    kind = {"masks": "masks", "o.jsonl": "jsonl"}.get(name, "save")
    outputs = Outputs(**{kind: str(path) if kind == "jsonl" else path}, opacity=0.0)
    (sink,) = open_sinks(outputs, NoSource(fps=25.0))
    noise = np.random.default_rng(0)

    def write_much() -> None:
        with sink:
            for index in range(300):
                frame, answer = result(index, size=(96, 128))
                frame.image_bgr[:] = noise.integers(0, 256, frame.image_bgr.shape)
                sink.write(frame, answer)

    with pytest.raises(SinkError, match="the disk is full"):
        write_much()
    for left in small_disk.iterdir():
        assert left.name in {"masks", "o.jsonl"}
    if kind == "jsonl":
        assert all(json.loads(line) for line in path.read_text().splitlines())
    if kind == "masks":
        assert all(cv2.imread(str(mask)) is not None for mask in path.iterdir())
