"""ONNX Runtime on a GPU: fakes at its boundary here, and the real one where there is a GPU."""

import json
from types import SimpleNamespace

import numpy as np
import pytest

from maskattn_edge.contract.errors import (
    EngineError,
    EngineVerificationError,
    MaskAttnError,
    MissingDependencyError,
    ModelFileError,
)
from maskattn_edge.contract.model_file import read_model_file
from maskattn_edge.engines import onnxruntime_tensorrt, open_engine
from maskattn_edge.engines.gpu import DeviceFacts, gpu_facts
from maskattn_edge.models import default_model

GPU = DeviceFacts(name="Fake GPU", sm="9.0", driver="570.1, CUDA 12.8")
CUDA, TENSORRT, CPU = (f"{n}ExecutionProvider" for n in ("CUDA", "Tensorrt", "CPU"))


class FakeValue:
    """A tensor in the GPU's memory."""

    def __init__(self, array):
        self.array = array

    @staticmethod
    def ortvalue_from_numpy(array, device, ordinal):
        assert (device, ordinal) == ("cuda", 0)
        return FakeValue(array.copy())

    @staticmethod
    def ortvalue_from_shape_and_type(shape, dtype, device, ordinal):
        assert (device, ordinal) == ("cuda", 0)
        return FakeValue(np.zeros(shape, dtype))

    def update_inplace(self, array):
        assert array.flags.c_contiguous
        self.array[...] = array

    def numpy(self):
        return self.array.copy()


class FakeBinding:
    def __init__(self):
        self.inputs, self.outputs = {}, {}
        self.bind_ortvalue_input = self.inputs.__setitem__
        self.bind_ortvalue_output = self.outputs.__setitem__


class FakeRuntime:
    """The module `onnxruntime` of a GPU; labels are the brightest channel."""

    __version__ = "1.32.0"
    OrtValue = FakeValue
    SessionOptions = SimpleNamespace

    def __init__(self, providers=(TENSORRT, CUDA, CPU)):
        self.providers = providers
        self.loads = True
        self.captures = True
        self.wrong = False
        self.fails_at = None
        self.opened = []
        self.preloaded = 0

    def preload_dlls(self):
        print("Failed to load libcufft.so")
        self.preloaded += 1

    def get_available_providers(self):
        return list(self.providers)

    def InferenceSession(self, data, options, providers):  # noqa: N802
        name, settings = providers[0]
        graph = settings.get("enable_cuda_graph") or settings.get("trt_cuda_graph_enable")
        if graph and not self.captures:
            raise RuntimeError("graph nodes have not been partitioned to CUDA\nmore")
        self.opened.append((providers, settings))
        used = name if self.loads else CPU
        return SimpleNamespace(
            get_providers=lambda: [used], io_binding=FakeBinding, run_with_iobinding=self.run
        )

    def run(self, binding):
        if self.fails_at is not None:
            self.fails_at -= 1
            if self.fails_at < 0:
                raise RuntimeError("CUDA error 700\nat line 3")
        image = binding.inputs["image"].array
        labels = np.full(image.shape[:3], 2) if self.wrong else image.argmax(-1)
        binding.outputs["labels"].array[...] = labels


@pytest.fixture
def runtime(monkeypatch):
    fake = FakeRuntime()
    monkeypatch.setattr("maskattn_edge.engines.ort_gpu.gpu_facts", lambda: GPU)
    monkeypatch.setattr("maskattn_edge.engines.ort_gpu.load_onnxruntime", lambda purpose: fake)
    monkeypatch.setattr(onnxruntime_tensorrt, "tensorrt_version", lambda: "10.13.0")
    return fake


def images(count=2):
    return np.random.default_rng(0).integers(0, 255, (count, 1, 32, 48, 3), np.uint8)


NAMES = ["onnxruntime-cuda", "onnxruntime-tensorrt"]


@pytest.mark.parametrize("name", NAMES)
def test_answers_are_the_callers_own(name, runtime, tiny_model, tmp_path):
    one, other = images()
    with open_engine(tiny_model, backend=name, cache=tmp_path) as engine:
        assert engine.name == name
        assert engine.device == "Fake GPU, CUDA graph"
        first = engine.infer(one)
        engine.infer(other)
    np.testing.assert_array_equal(first.labels, one[0].argmax(-1))


@pytest.mark.parametrize("name", NAMES)
def test_without_a_graph_where_it_cannot_be_captured(name, runtime, tiny_model, tmp_path):
    runtime.captures = False
    with open_engine(tiny_model, backend=name, cache=tmp_path) as engine:
        assert engine.device == (
            "Fake GPU, no CUDA graph (graph nodes have not been partitioned to CUDA)"
        )
        engine.infer(images()[0])


@pytest.mark.parametrize("name", NAMES)
def test_a_provider_that_does_not_load_is_not_the_cpu(name, runtime, tiny_model, tmp_path):
    runtime.loads = False
    with pytest.raises(EngineError, match="a library that it needs is missing"):
        open_engine(tiny_model, backend=name, cache=tmp_path)


@pytest.mark.parametrize("name", NAMES)
def test_an_onnxruntime_for_cpus(name, runtime, tiny_model):
    runtime.providers = (CPU,)
    with pytest.raises(MissingDependencyError, match="pip install 'onnxruntime-gpu"):
        open_engine(tiny_model, backend=name)


def test_cuda_comes_from_pip_s_packages_without_a_word(runtime, tiny_model, tmp_path, capsys):
    with open_engine(tiny_model, backend="onnxruntime-cuda", cache=tmp_path):
        assert runtime.preloaded == 1
    assert capsys.readouterr().out == ""


def test_cuda_does_not_take_int8(runtime):
    with pytest.raises(EngineError, match=r"^default\.onnx: .*: take the fp16 file, or the engine"):
        open_engine(read_model_file(default_model()), backend="onnxruntime-cuda")
    assert not runtime.opened


def test_errors_of_the_gpu_are_one_line(runtime, tiny_model):
    runtime.fails_at = 1
    with (
        open_engine(tiny_model, backend="onnxruntime-cuda") as engine,
        pytest.raises(EngineError, match="failed on the GPU: CUDA error 700$"),
    ):
        engine.infer(images()[0])
    runtime.fails_at = 0
    with pytest.raises(ModelFileError, match="onnxruntime-cuda cannot run it: CUDA error 700$"):
        open_engine(tiny_model, backend="onnxruntime-cuda")


def test_without_a_gpu(tiny_model, monkeypatch):
    def no_library(name):
        raise OSError(name)

    monkeypatch.setattr("maskattn_edge.engines.gpu.ctypes.CDLL", no_library)
    for name in NAMES:
        with pytest.raises(EngineError, match=r"libcuda\.so\.1 is not there"):
            open_engine(tiny_model, backend=name)


def test_a_driver_without_a_gpu(monkeypatch):
    def fail(*_):
        return 100

    fail.__name__ = "cuInit"
    monkeypatch.setattr(
        "maskattn_edge.engines.gpu.load_driver", lambda: SimpleNamespace(cuInit=fail)
    )
    with pytest.raises(EngineError, match="cuInit failed with CUDA error 100"):
        gpu_facts()


def cached(tmp_path):
    return sorted(path.parent.name for path in tmp_path.rglob("verified.json"))


def test_another_driver_or_model_has_another_folder(runtime, tiny_model, tmp_path, monkeypatch):
    steps = []

    def reopen():
        told = len(steps)
        with open_engine(
            tiny_model,
            backend="onnxruntime-tensorrt",
            cache=tmp_path,
            on_step=lambda *step: steps.append(step),
        ):
            return len(steps) - told

    assert [reopen(), reopen()] == [1, 0]  # built once
    folder = runtime.opened[0][1]["trt_engine_cache_path"]
    assert folder.endswith(cached(tmp_path)[0])
    facts = json.loads(next(tmp_path.rglob("verified.json")).read_text())
    assert (facts["gpu"], facts["tensorrt"]) == ("Fake GPU", "10.13.0")
    monkeypatch.setattr(onnxruntime_tensorrt, "tensorrt_version", lambda: "10.14.0")
    assert reopen() == 1
    newer = DeviceFacts(name="Fake GPU", sm="9.0", driver="580.2, CUDA 13.0")
    monkeypatch.setattr("maskattn_edge.engines.ort_gpu.gpu_facts", lambda: newer)
    assert reopen() == 1
    assert len(cached(tmp_path)) == 3


def test_what_tensorrt_is_told(runtime, tmp_path):
    runtime.run = lambda binding: None
    file = read_model_file(default_model())  # INT8
    with pytest.raises(EngineVerificationError):  # its labels are all 0
        open_engine(file, backend="onnxruntime-tensorrt", cache=tmp_path)
    (name, options), (second, _) = runtime.opened[0][0]
    assert (name, second) == (TENSORRT, CUDA)
    assert options["trt_int8_enable"] == options["trt_engine_cache_enable"] == "1"
    assert cached(tmp_path) == []  # a wrong engine is built again next time


def test_a_cache_that_cannot_be_written(runtime, tiny_model, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(EngineError, match="choose another folder with --cache"):
        open_engine(tiny_model, backend="onnxruntime-tensorrt", cache=tmp_path / "file")


@pytest.mark.gpu
@pytest.mark.parametrize("name", NAMES)
def test_on_a_real_gpu(name, tiny_model, tmp_path):
    files = {"onnxruntime-cuda": tiny_model, "onnxruntime-tensorrt": default_model()}
    file = read_model_file(files[name])
    with (
        on_this_machine(file, name, tmp_path) as engine,
        open_engine(file, backend="onnxruntime") as cpu,
    ):
        assert gpu_facts().name in engine.device
        size = file.spec.input
        shape = (5, 1, size.height, size.width, 3)
        frames = np.random.default_rng(0).integers(0, 255, shape, np.uint8)
        for frame in [*frames, frames[0]]:
            found, expected = engine.infer(frame).labels, cpu.infer(frame).labels
            assert np.mean(found == expected) > 0.9
    try:
        with open_engine(file, backend=name, cache=tmp_path) as again:
            assert again.infer(frames[0]).labels.shape == (size.height, size.width)
    except MaskAttnError as error:
        pytest.fail(f"the cached engine does not load: {error}")


def on_this_machine(file, name, cache):
    """The engine, or a skip with the reason why this machine has none."""
    try:
        gpu_facts()
        return open_engine(file, backend=name, cache=cache)
    except MissingDependencyError as error:
        pytest.skip(str(error))
    except EngineError as error:
        if "no NVIDIA GPU" in str(error) or "cannot load its" in str(error):
            pytest.skip(str(error))  # its libraries are not those it was built for
        raise
