"""`maskattn_edge.open`: a picture in, its segmentation out."""

import json

import numpy as np
import pytest

import maskattn_edge
from maskattn_edge.contract.errors import ContractError, ModelFileError, UsageError
from maskattn_edge.engines import Engine
from maskattn_edge.frame import Frame


def picture(color, height=40, width=60):
    return np.full((height, width, 3), color, np.uint8)


RED_BGR = (0, 0, 200)


@pytest.fixture
def model(tiny_model):
    with maskattn_edge.open(tiny_model, engine="onnxruntime", threads=1) as opened:
        yield opened


def test_a_result_lies_in_its_picture(model):
    image = picture(RED_BGR)
    result = model(image)
    assert result.labels.shape == (32, 48)
    assert result.frame_labels.shape == (40, 60)
    assert result.mask("red").all()
    assert not result.mask(2).any()
    assert result.frame.image_bgr is image
    assert result.overlay(opacity=1)[5, 5].tolist() == [60, 60, 220]
    assert result.times.taken <= result.times.prepared <= result.times.inferred


def test_a_model_is_opened_by_its_name():
    with maskattn_edge.open("default", engine="onnxruntime", threads=1) as opened:
        assert opened.engine.file.path == maskattn_edge.default_model()
    with pytest.raises(ModelFileError, match="no-such-model: no such file, and no model of this"):
        maskattn_edge.open("no-such-model")


def test_the_order_of_the_channels(model):
    image = picture((200, 0, 0))
    assert model(image, colors="RGB").mask("red").all()
    assert model(image).mask("blue").all()
    rgb = model(image, colors="RGB")
    assert rgb.overlay(opacity=0)[0, 0].tolist() == [0, 0, 200]
    with pytest.raises(ContractError, match="colors must be 'BGR' or 'RGB', got 'GBR'"):
        model(image, colors="GBR")


def test_a_frame_is_taken_as_it_is(model):
    frame = Frame(image_bgr=picture(RED_BGR), captured=12.5, index=7, name="a.png")
    result = model(frame)
    assert result.frame is frame
    assert result.times.captured == 12.5
    entry = json.loads(result.to_json())
    assert (entry["index"], entry["name"], entry["width"]) == (7, "a.png", 60)
    assert entry["classes"][0]["name"] == "red"


def test_pictures_are_numbered(model):
    assert [model(picture(0)).frame.index for _ in range(3)] == [0, 1, 2]


def test_wrong_pictures(model):
    with pytest.raises(ContractError, match=r"a frame is \(H, W, 3\) uint8"):
        model(np.zeros((4, 4), np.uint8))
    with pytest.raises(ContractError, match="no class 'sky'; its classes are red, green, blue"):
        model(picture(0)).mask("sky")


def test_a_closed_model(tiny_model):
    model = maskattn_edge.open(tiny_model)
    model.close()
    model.close()
    with pytest.raises(ContractError, match="tiny was closed"):
        model(picture(0))


def test_the_shipped_model_opens_without_a_name():
    with maskattn_edge.open(engine="onnxruntime") as model:
        assert model(picture(0)).frame_labels.shape == (40, 60)


def test_what_cannot_be_opened(tmp_path, tiny_model):
    with pytest.raises(ModelFileError, match=r"none\.onnx"):
        maskattn_edge.open(tmp_path / "none.onnx")
    with pytest.raises(UsageError, match="unknown engine 'warp'"):
        maskattn_edge.open(tiny_model, engine="warp")


def test_an_engine_that_fails_at_once_is_closed(tiny_model, monkeypatch):
    closed = []
    engine = maskattn_edge.open_engine(tiny_model, backend="onnxruntime")
    monkeypatch.setattr(engine, "close", lambda: closed.append(True))
    monkeypatch.setattr("maskattn_edge.model.open_engine", lambda *_, **__: engine)

    def fail(self, image):
        raise RuntimeError("gone")

    monkeypatch.setattr(Engine, "infer", fail)
    with pytest.raises(RuntimeError, match="gone"):
        maskattn_edge.open(tiny_model)
    assert closed == [True]
