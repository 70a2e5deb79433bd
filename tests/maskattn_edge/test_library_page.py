"""The examples of docs/library.md run as they stand, in order, in one folder."""

import re
import shutil
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

PAGE = Path(__file__).parents[2] / "docs" / "library.md"
STREAM = "rtsp://192.168.1.20/front"


def examples():
    text = PAGE.read_text()
    blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    heads = re.findall(r"## ([^\n]+)(?=[^#]*?```python)", text)
    return [pytest.param(block, id=head) for block, head in zip(blocks, heads, strict=True)]


@pytest.fixture
def folder(tiny_model, tmp_path, monkeypatch):
    """A folder with the files that the examples name."""
    shutil.copy(tiny_model, tmp_path / "model.onnx")
    image = np.full((48, 64, 3), (0, 0, 200), np.uint8)
    cv2.imwrite(str(tmp_path / "shot.jpg"), image)
    with av.open(str(tmp_path / "clip.mp4"), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for _ in range(5):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="bgr24")))
        container.mux(stream.encode())
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("code", examples())
def test_example(code, folder, capsys):
    code = code.replace(STREAM, "synthetic://?frames=5&width=64&height=48")  # no camera here
    exec(compile(code, str(PAGE), "exec"), {"__name__": "example"})
    assert capsys.readouterr().out


def test_what_the_examples_write(folder, capsys):
    for code in [example.values[0] for example in examples()]:
        code = code.replace(STREAM, "synthetic://?frames=5&width=64&height=48")
        exec(compile(code, str(PAGE), "exec"), {"__name__": "example"})
    assert cv2.imread("overlay.png").shape == (48, 64, 3)
    assert len(Path("floor.jsonl").read_text().splitlines()) == 3
    assert len(Path("clip.jsonl").read_text().splitlines()) == 5
    assert "0 3072 pixels of red" in capsys.readouterr().out
