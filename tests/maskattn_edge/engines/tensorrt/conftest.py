"""A CUDA driver and a TensorRT of Python, for the logic around them: nothing here computes masks.

What they answer follows the documented calls; that the real ones behave so is for `-m gpu`.
"""

import ctypes
import enum
import hashlib
from types import SimpleNamespace

import numpy as np
import pytest

from maskattn_edge.contract.model_file import read_model_file
from maskattn_edge.engines.gpu import DeviceFacts
from maskattn_edge.engines.tensorrt.cache import EngineCache
from maskattn_edge.engines.tensorrt.fingerprint import BuildOptions
from maskattn_edge.engines.tensorrt.preflight import BuildMemory
from maskattn_edge.engines.tensorrt.request import Built
from maskattn_edge.engines.tensorrt.sidecar import Agreement
from maskattn_edge.engines.tensorrt.toolchain import Examined, Toolchain

DEVICE = DeviceFacts(name="Orin", sm="8.7", driver="540.4, CUDA 12.6")
GOOD = Agreement(reference="test", images=2, labels=1.0, miou=1.0, file_labels=1.0)


class Status(enum.IntEnum):
    CUDA_SUCCESS = 0
    CUDA_ERROR_OUT_OF_MEMORY = 2
    CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED = 900


class FakeDriver:
    """Memory is the host's; work on a stream is done at once, or kept while it is captured."""

    CUdevice_attribute = SimpleNamespace(
        CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR="major",
        CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR="minor",
        CU_DEVICE_ATTRIBUTE_INTEGRATED="integrated",
        CU_DEVICE_ATTRIBUTE_CAN_MAP_HOST_MEMORY="map",
    )
    CUstreamCaptureMode = SimpleNamespace(CU_STREAM_CAPTURE_MODE_THREAD_LOCAL=1)
    CUstream_flags = SimpleNamespace(CU_STREAM_NON_BLOCKING=1)

    def __init__(self, *, integrated=False, maps=True, captures=True):
        self.attributes = {"major": 8, "minor": 7, "integrated": integrated, "map": maps}
        self.captures = captures
        self.memory = {}
        self.captured = None
        self.open = []  # what must be given back
        self.calls = []
        self.recorded = {}  # event -> calls before it
        self.host_flags = []
        self.most_bytes = 1 << 40

    def __getattr__(self, name):
        if not name.startswith("cu"):
            raise AttributeError(name)

        def call(*arguments):
            self.calls.append(name)
            return getattr(self, "do_" + name)(*arguments)

        return call

    def do_cuInit(self, flags):
        return (Status.CUDA_SUCCESS,)

    def do_cuDeviceGet(self, ordinal):
        return Status.CUDA_SUCCESS, ordinal

    def do_cuDeviceGetName(self, size, device):
        return Status.CUDA_SUCCESS, b"Orin\0\0\0"

    def do_cuDriverGetVersion(self):
        return Status.CUDA_SUCCESS, 12060

    def do_cuDeviceGetAttribute(self, attribute, device):
        return Status.CUDA_SUCCESS, self.attributes[attribute]

    def do_cuDevicePrimaryCtxRetain(self, device):
        self.open.append("context")
        return Status.CUDA_SUCCESS, "context"

    def do_cuDevicePrimaryCtxRelease(self, device):
        self.open.remove("context")
        return (Status.CUDA_SUCCESS,)

    def do_cuCtxSetCurrent(self, context):
        return (Status.CUDA_SUCCESS,)

    def do_cuMemAlloc(self, size):
        if size > self.most_bytes:
            return Status.CUDA_ERROR_OUT_OF_MEMORY, 0
        block = (ctypes.c_uint8 * size)()
        address = ctypes.addressof(block)
        self.memory[address] = block
        self.open.append(address)
        return Status.CUDA_SUCCESS, address

    def do_cuMemFree(self, address):
        self.open.remove(address)
        return (Status.CUDA_SUCCESS,)

    def do_cuMemHostAlloc(self, size, flags):
        self.host_flags.append(flags)
        return self.do_cuMemAlloc(size)

    def do_cuMemFreeHost(self, address):
        return self.do_cuMemFree(address)

    def do_cuMemHostGetDevicePointer(self, address, flags):
        return Status.CUDA_SUCCESS, address

    def do_cuStreamCreate(self, flags):
        self.open.append(7)
        return Status.CUDA_SUCCESS, 7

    def do_cuStreamDestroy(self, stream):
        self.open.remove(7)
        return (Status.CUDA_SUCCESS,)

    def do_cuMemcpyHtoDAsync(self, device, host, size, stream):
        self.do(lambda: ctypes.memmove(device, host, size))
        return (Status.CUDA_SUCCESS,)

    def do_cuMemcpyDtoHAsync(self, host, device, size, stream):
        self.do(lambda: ctypes.memmove(host, device, size))
        return (Status.CUDA_SUCCESS,)

    def do_cuStreamSynchronize(self, stream):
        assert self.captured is None, "a wait breaks a capture"
        return (Status.CUDA_SUCCESS,)

    def do_cuStreamBeginCapture(self, stream, mode):
        self.captured = []
        return (Status.CUDA_SUCCESS,)

    def do_cuStreamEndCapture(self, stream):
        work, self.captured = self.captured, None
        if not self.captures:
            return Status.CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED, None
        return Status.CUDA_SUCCESS, work

    def do_cuGraphInstantiate(self, graph, flags):
        self.open += ["executable", "graph"]
        return Status.CUDA_SUCCESS, graph

    def do_cuGraphLaunch(self, executable, stream):
        for work in executable:
            work()
        return (Status.CUDA_SUCCESS,)

    def do_cuGraphExecDestroy(self, executable):
        self.open.remove("executable")
        return (Status.CUDA_SUCCESS,)

    def do_cuGraphDestroy(self, graph):
        self.open.remove("graph")
        return (Status.CUDA_SUCCESS,)

    def do_cuEventCreate(self, flags):
        event = f"event {self.calls.count('cuEventCreate')}"
        self.open.append(event)
        return Status.CUDA_SUCCESS, event

    def do_cuEventDestroy(self, event):
        self.open.remove(event)
        return (Status.CUDA_SUCCESS,)

    def do_cuEventRecord(self, event, stream):
        self.recorded[event] = len(self.calls)
        return (Status.CUDA_SUCCESS,)

    def do_cuEventElapsedTime(self, start, end):
        return Status.CUDA_SUCCESS, float(self.recorded[end] - self.recorded[start])

    def do(self, work):
        if self.captured is None:
            work()
        else:
            self.captured.append(work)


class FakeTensorRT:
    """A plan `b"plan"` on (1, 2, 3, 3) images: the label is the first channel plus one."""

    __version__ = "10.3.0"
    ExecutionContextAllocationStrategy = SimpleNamespace(USER_MANAGED=1)
    TensorIOMode = SimpleNamespace(INPUT="in", OUTPUT="out")

    class ILogger:
        Severity = SimpleNamespace(INTERNAL_ERROR=0, ERROR=1, WARNING=2, INFO=3)

        def __init__(self):
            pass

    class IProfiler:
        def __init__(self):
            pass

    def __init__(self, driver, *, activations=1000):
        self.driver, self.activations = driver, activations

    @staticmethod
    def nptype(dtype):
        return dtype

    def Runtime(self, logger):  # noqa: N802 - TensorRT's name
        def deserialize(plan):
            if plan != b"plan":
                logger.log(1, "deserialize: magic tag\n does not match")
                return None
            return FakeEngine(self)

        return SimpleNamespace(deserialize_cuda_engine=deserialize)


class FakeEngine:
    num_io_tensors, num_layers = 2, 5
    shapes = {"image": (1, 2, 3, 3), "labels": (1, 2, 3)}

    def __init__(self, trt):
        self.trt = trt
        self.device_memory_size_v2 = trt.activations

    def get_tensor_name(self, index):
        return ("image", "labels")[index]

    def get_tensor_dtype(self, name):
        return np.uint8

    def get_tensor_shape(self, name):
        return self.shapes[name]

    def get_tensor_mode(self, name):
        return "in" if name == "image" else "out"

    def create_execution_context(self, strategy):
        return FakeContext(self.trt.driver)


class FakeContext:
    def __init__(self, driver):
        self.driver, self.addresses, self.profiler = driver, {}, None

    def set_device_memory(self, address, size):
        assert address in self.driver.open

    def set_tensor_address(self, name, address):
        self.addresses[name] = address
        return True

    def execute_async_v3(self, stream):
        def work():
            image = (ctypes.c_uint8 * 18).from_address(self.addresses["image"])
            labels = (ctypes.c_uint8 * 6).from_address(self.addresses["labels"])
            labels[:] = [value + 1 for value in image[::3]]

        if self.profiler is not None:
            for place, name in enumerate(("stem", "head")):
                self.profiler.report_layer_time(name, 0.5 + place)
        self.driver.do(work)
        return True


@pytest.fixture
def make_driver():
    return FakeDriver


@pytest.fixture
def make_tensorrt():
    return FakeTensorRT


@pytest.fixture
def tiny_file(tiny_model):
    return read_model_file(tiny_model)


@pytest.fixture
def cache(tmp_path):
    return EngineCache(tmp_path / "engines")


@pytest.fixture
def options():
    return BuildOptions()


@pytest.fixture
def make_tools():
    """A machine whose builder writes `plan`, and whose plans agree as told."""

    def make(plan=b"plan of a fake builder", *, agreement=GOOD, tensorrt="10.3.0", device=DEVICE,
             memory=8000):  # fmt: skip
        calls = []

        def build(request, on_step):
            calls.append(request)
            with open(request.plan, "wb") as file:
                file.write(plan)
            return Built(peak_host_bytes=1 << 30, timing=b"times " + request.timing)

        def examine(file, plan, dla):
            return Examined(agreement=agreement, activation_bytes=4_000_000, layers=30)

        tools = Toolchain(
            tensorrt=tensorrt,
            device=device,
            memory=lambda: BuildMemory(host_mb=memory),
            build=build,
            examine=examine,
        )
        return tools, calls

    return make


@pytest.fixture
def sha256():
    return lambda data: hashlib.sha256(data).hexdigest()
