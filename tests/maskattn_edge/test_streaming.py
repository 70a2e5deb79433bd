"""`maskattn_edge.stream`: newest frames of a camera, all frames of a file, and closed sources."""

import threading
import time

import numpy as np
import pytest

import maskattn_edge
from maskattn_edge.contract.errors import ContractError, SourceError
from maskattn_edge.sources import Frame, Source


class Fake(Source):
    """Gives `length` frames; `gate` is called before each."""

    def __init__(self, length, *, live=False, fail_at=None, gate=None):
        self.length, self.live, self.fail_at, self.gate = length, live, fail_at, gate
        self.index, self.closed = 0, threading.Event()

    def read(self):
        if self.gate is not None:
            self.gate(self.index)
        if self.index == self.fail_at:
            raise SourceError("the cable broke")
        if self.index == self.length:
            return None
        self.index += 1
        image = np.zeros((20, 30, 3), np.uint8)
        return Frame(image_bgr=image, captured=time.monotonic(), index=self.index - 1)

    def describe(self):
        return "fake"

    def close(self):
        self.closed.set()


@pytest.fixture
def model(tiny_model):
    with maskattn_edge.open(tiny_model, engine="onnxruntime", threads=1) as opened:
        yield opened


def test_a_file_comes_whole_and_in_order(model):
    source = Fake(20)
    with maskattn_edge.stream(source, model) as results:
        assert [result.frame.index for result in results] == list(range(20))
    assert (results.captured, results.processed, results.dropped) == (20, 20, 0)
    assert source.closed.is_set()
    assert next(results, None) is None  # it stays at its end


def test_of_a_camera_the_newest_frame_comes(model):
    looked, more = threading.Event(), threading.Event()

    def gate(index):
        if index == 1:
            assert looked.wait(10)
        if index == 5:
            more.set()

    source = Fake(6, live=True, gate=gate)
    results = maskattn_edge.stream(source, model)
    assert next(results).frame.index == 0
    looked.set()
    assert more.wait(10)  # frames 1 to 4 came while the loop's body was busy
    assert next(results).frame.index >= 4
    results.close()
    assert results.dropped >= 3


def test_break_closes_the_source_and_leaves_the_model_open(model):
    source = Fake(100)
    for result in maskattn_edge.stream(source, model):
        if result.frame.index == 2:
            break
    assert source.closed.wait(5)
    assert model(np.zeros((8, 8, 3), np.uint8)).labels.shape == (32, 48)


def test_a_stream_that_is_not_used_closes_its_source(model):
    source = Fake(3)
    maskattn_edge.stream(source, model).close()
    assert source.closed.is_set()
    assert source.index == 0


def test_an_error_comes_after_the_results_before_it(model):
    results = maskattn_edge.stream(Fake(9, fail_at=3), model)
    assert [next(results).frame.index for _ in range(3)] == [0, 1, 2]
    with pytest.raises(SourceError, match="the cable broke"):
        next(results)
    assert next(results, None) is None


def test_limits(model):
    assert len(list(maskattn_edge.stream(Fake(50), model, max_frames=4))) == 4
    assert len(list(maskattn_edge.stream(Fake(50, live=True), model, max_frames=1))) == 1
    began = time.monotonic()
    list(maskattn_edge.stream(Fake(3), model, max_fps=50))
    assert time.monotonic() - began >= 2 / 50
    with pytest.raises(ContractError, match="max_fps must be above 0"):
        maskattn_edge.stream(Fake(1), model, max_fps=0)


def test_a_model_file_is_opened_and_closed_with_the_stream(tiny_model):
    results = maskattn_edge.stream("synthetic://?frames=2&width=64&height=48", tiny_model)
    assert [result.frame.index for result in results] == [0, 1]
    with pytest.raises(ContractError, match="was closed"):
        results._model(np.zeros((8, 8, 3), np.uint8))


def test_a_source_is_closed_where_the_model_cannot_be_opened(tmp_path):
    source = Fake(1)
    with pytest.raises(maskattn_edge.MaskAttnError):
        maskattn_edge.stream(source, tmp_path / "none.onnx")
    assert source.closed.is_set()
