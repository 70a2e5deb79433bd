"""The real TensorRT on a real GPU: build, verify, cache, run. `tools/gpu_check.sh` calls these."""

import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest

from maskattn_edge.contract.errors import (
    EngineError,
    EngineVerificationError,
    MaskAttnError,
    ModelFileError,
)
from maskattn_edge.contract.model_file import describe, parse_model, read_model_file
from maskattn_edge.contract.spec import Golden
from maskattn_edge.engines import open_engine
from maskattn_edge.engines.tensorrt import (
    BuildOptions,
    CachedEngine,
    EngineCache,
    Miss,
    PlanEngine,
    build_engine,
    plan_layer_times,
    this_machine,
)
from maskattn_edge.engines.tensorrt.activations import ACTIVATIONS
from maskattn_edge.engines.tensorrt.child import build_in_child
from maskattn_edge.engines.tensorrt.cuda import Cuda
from maskattn_edge.engines.tensorrt.verification import check, reference_of
from maskattn_edge.models import default_model
from maskattn_edge.pictures import encode_labels, encode_rgb

pytestmark = [
    pytest.mark.gpu,
    # What TensorRT 10 and 11 call deprecated differs; both must work.
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]

QUICK = BuildOptions(opt_level=0)


@pytest.fixture(scope="module")
def tools():
    try:
        return this_machine()
    except MaskAttnError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def shipped(tools, tmp_path_factory):
    """The shipped model, built with the usual options into a cache of its own."""
    cache = EngineCache(tmp_path_factory.mktemp("engines"))
    file = read_model_file(default_model())
    steps = []
    result = build_engine(
        file, BuildOptions(), cache, tools, on_step=lambda *step: steps.append(step)
    )
    return file, cache, result, steps


def images_of(file, count=8):
    size = (count, 1, file.spec.input.height, file.spec.input.width, 3)
    return list(np.random.default_rng(0).integers(0, 256, size, np.uint8))


def test_the_shipped_model_is_built_and_verified(shipped, record_property):
    file, cache, result, steps = shipped
    sidecar = result.engine.sidecar
    record_property("sidecar", msgspec.json.encode(sidecar).decode())
    check(sidecar.agreement, file.spec.precision.name)
    assert sidecar.agreement.reference == "fp32 answers in the file"
    assert sidecar.measured.peak_host_bytes > 0
    assert sidecar.measured.activation_bytes > 0
    assert sidecar.plan_bytes == result.engine.path.stat().st_size
    assert any(total > 0 for _, _, total in steps)  # the progress monitor was heard


def test_the_second_time_it_comes_from_the_cache(shipped, tools):
    file, cache, result, _ = shipped
    again = build_engine(file, BuildOptions(), cache, replace(tools, build=None, examine=None))
    assert again.rebuilt is None
    assert again.engine.plan == result.engine.plan


def test_graph_and_plain_enqueue_answer_alike(shipped):
    file, _, result, _ = shipped
    plan = result.engine.plan
    with PlanEngine(file, plan) as graph, PlanEngine(file, plan, graph=False) as plain:
        assert graph.uses_graph
        assert not plain.uses_graph
        images = images_of(file) + [image[None] for image in reference_of(file).images]
        for image in images:
            np.testing.assert_array_equal(graph.infer(image).labels, plain.infer(image).labels)


def test_host_memory_in_place_and_copies_answer_alike(shipped):
    file, _, result, _ = shipped
    plan = result.engine.plan
    for graph in (True, False):
        with (
            PlanEngine(file, plan, graph=graph, in_place=True) as in_place,
            PlanEngine(file, plan, graph=graph, in_place=False) as copied,
        ):
            for image in images_of(file) * 10:  # a late write would show
                np.testing.assert_array_equal(
                    in_place.infer(image).labels, copied.infer(image).labels
                )


def test_the_layers_of_an_engine(shipped):
    _, _, result, _ = shipped
    times = plan_layer_times(result.engine.plan, frames=20, warmup=5)
    assert 10 < len(times) <= result.engine.sidecar.measured.layers
    assert all(one.frame_ms > 0 for one in times)


def test_two_engines_in_one_process(shipped, tools, tiny_file, cache):
    file, _, result, _ = shipped
    tiny = build_engine(tiny_file, QUICK, cache, tools).engine
    with PlanEngine(file, result.engine.plan) as one:
        alone = [one.infer(image).labels.copy() for image in images_of(file)]
        before = ACTIVATIONS.total_bytes()
        with PlanEngine(tiny_file, tiny.plan) as other:
            assert ACTIVATIONS.total_bytes() == max(before, other.activation_bytes)
            for image, labels, small in zip(
                images_of(file), alone, images_of(tiny_file), strict=True
            ):
                found = other.infer(small).labels
                best = np.take_along_axis(small[0], found[..., None].astype(int), 2)[..., 0]
                np.testing.assert_array_equal(best, small[0].max(-1))
                np.testing.assert_array_equal(one.infer(image).labels, labels)
        np.testing.assert_array_equal(one.infer(images_of(file)[0]).labels, alone[0])


def test_a_hundred_thousand_frames_take_no_more_memory(shipped):
    file, _, result, _ = shipped
    image = images_of(file, 1)[0]
    with PlanEngine(file, result.engine.plan) as engine:
        cuda = Cuda.open()
        cuda.make_current()
        for _ in range(500):
            engine.infer(image)
        device, host = cuda.memory().free, resident_bytes()
        for _ in range(100_000):
            engine.infer(image)
        assert device - cuda.memory().free <= 4 << 20
        assert resident_bytes() - host <= 4 << 20
        cuda.close()


def resident_bytes():
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def test_opening_and_closing_gives_memory_back(shipped):
    file, _, result, _ = shipped
    cuda = Cuda.open()
    cuda.make_current()
    PlanEngine(file, result.engine.plan).close()
    free = cuda.memory().free
    for _ in range(10):
        PlanEngine(file, result.engine.plan).close()
    assert free - cuda.memory().free <= 8 << 20
    cuda.close()


def test_a_truncated_plan_is_rebuilt(tiny_file, tools, cache):
    first = build_engine(tiny_file, QUICK, cache, tools).engine
    first.path.write_bytes(first.plan[:-100])
    assert isinstance(cache.find(first.sidecar.fingerprint), Miss)
    again = build_engine(tiny_file, QUICK, cache, tools)
    assert "truncated" in again.rebuilt
    with pytest.raises(EngineError, match="refuses the plan") as caught:
        PlanEngine(tiny_file, first.plan[: len(first.plan) // 2])
    assert "\n" not in str(caught.value)


def test_an_engine_of_another_gpu_is_built_anew(tiny_file, tools, cache):
    elsewhere = replace(tools, device=replace(tools.device, name="Another GPU"))
    other = build_engine(tiny_file, QUICK, cache, elsewhere).engine
    own = msgspec.structs.replace(other.sidecar.fingerprint, device=tools.device.name)
    miss = cache.find(own)
    assert isinstance(miss, Miss)
    assert "built on Another GPU, this is " in miss.reason
    built = build_engine(tiny_file, QUICK, cache, tools)
    assert "built on Another GPU" in built.rebuilt
    assert built.engine.sidecar.fingerprint.device == tools.device.name


@pytest.fixture
def full_device():
    """The GPU with nearly all of its memory taken."""
    cuda, taken = Cuda.open(), []
    cuda.make_current()
    size = cuda.memory().free
    while size > 1 << 18:
        try:
            taken.append(cuda.allocate(size))
        except EngineError:
            size //= 2
    yield
    for address in taken:
        cuda.free(address)
    cuda.close()


def test_a_full_device_is_one_line(shipped, tiny_file, tools, cache, full_device):
    file, _, result, _ = shipped
    for work in (
        lambda: PlanEngine(file, result.engine.plan),
        lambda: build_engine(tiny_file, QUICK, cache, tools),
    ):
        with pytest.raises(EngineError) as caught:
            work()
        assert "\n" not in str(caught.value)
        assert "memory" in str(caught.value).lower()
    assert not list(cache.folder.glob("*.plan"))


def test_after_a_full_device_all_is_well(shipped):
    file, _, result, _ = shipped
    with PlanEngine(file, result.engine.plan) as engine:
        assert engine.infer(images_of(file, 1)[0]).labels.shape[-2:] == (128, 128)


LOST = """
import sys
from pathlib import Path
import numpy as np
from cuda.bindings import driver
from maskattn_edge.contract.errors import EngineError
from maskattn_edge.contract.model_file import read_model_file
from maskattn_edge.engines.tensorrt import PlanEngine

TRAP = b".version 7.0\\n.target sm_70\\n.address_size 64\\n.visible .entry lost() { trap; }\\0"

file = read_model_file(Path(sys.argv[1]))
engine = PlanEngine(file, Path(sys.argv[2]).read_bytes())
image = np.zeros((1, 128, 128, 3), np.uint8)
engine.infer(image)
module = driver.cuModuleLoadData(TRAP)[1]
kernel = driver.cuModuleGetFunction(module, b"lost")[1]
driver.cuLaunchKernel(kernel, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0)
print(driver.cuCtxSynchronize()[0].name, flush=True)
for _ in range(2):
    try:
        engine.infer(image)
    except EngineError as error:
        print("refused:", error, flush=True)
import os
os._exit(0)  # what a robot's supervisor does with a process whose GPU is gone: it starts another
"""


def test_a_lost_context_is_an_error_and_harms_nobody_else(shipped, cli_environment):
    file, _, result, _ = shipped
    with PlanEngine(file, result.engine.plan) as engine:
        before = engine.infer(images_of(file, 1)[0]).labels
        done = subprocess.run(
            [sys.executable, "-c", LOST, str(file.path), str(result.engine.path)],
            env=cli_environment,
            capture_output=True,
            text=True,
            timeout=120,
        )
        lost, *refused = done.stdout.splitlines()
        assert lost == "CUDA_ERROR_LAUNCH_FAILED", done.stdout + done.stderr
        assert len(refused) == 2, done.stdout + done.stderr
        assert all(line.startswith("refused: CUDA's ") for line in refused)
        assert all(line.endswith("failed: CUDA_ERROR_LAUNCH_FAILED") for line in refused)
        np.testing.assert_array_equal(engine.infer(images_of(file, 1)[0]).labels, before)


def test_an_engine_that_answers_otherwise_is_refused(tiny_file, tools, cache):
    image = images_of(tiny_file, 1)[0][0]
    wrong = (2 - image.argmax(-1)).astype(np.uint8)
    spec = msgspec.structs.replace(
        tiny_file.spec, samples=(Golden(image=encode_rgb(image), labels=encode_labels(wrong)),)
    )
    file = parse_model(describe(tiny_file.data, spec), tiny_file.path)
    with pytest.raises(EngineVerificationError, match="not installed"):
        build_engine(file, QUICK, cache, tools)
    assert not list(cache.folder.glob("*.plan"))


def test_a_killed_build_is_called_what_it_is(tiny_file, tools, cache):
    def kill(phase, done, total):
        for child in Path(f"/proc/self/task/{os.getpid()}/children").read_text().split():
            os.kill(int(child), signal.SIGKILL)

    def build(request, on_step):
        return build_in_child(request, kill)

    with pytest.raises(EngineError, match="was killed, most likely because memory ran out"):
        build_engine(tiny_file, QUICK, cache, replace(tools, build=build))
    assert not list(cache.folder.glob("*.plan"))
    built = build_engine(tiny_file, QUICK, cache, tools)
    assert isinstance(cache.find(built.engine.sidecar.fingerprint), CachedEngine)


def test_what_the_parser_refuses_is_one_line(tiny_file, tools, cache):
    broken = replace(tiny_file, data=tiny_file.data.replace(b"Transpose", b"Transpoze"))
    with pytest.raises(ModelFileError, match="TensorRT refuses it") as caught:
        build_engine(broken, QUICK, cache, tools)
    assert "\n" not in str(caught.value)


def test_auto_takes_tensorrt(tiny_model, tools, tmp_path):
    with open_engine(tiny_model, cache=tmp_path / "engines") as engine:
        assert engine.name == "tensorrt"
        assert tools.device.name in engine.device


def test_the_command_line(tiny_model, tools, tmp_path, run_cli):
    engines = tmp_path / "engines"
    done = run_cli("build", tiny_model, "--opt-level", 0, "--cache", engines, timeout=300)
    assert done.returncode == 0, done.stderr
    assert "agreement   labels " in done.stdout
    line = ("run", tiny_model, "--engine", "tensorrt", "--cache", engines)
    done = run_cli(*line, "--source", "synthetic://?frames=5&width=64&height=48", timeout=300)
    assert done.returncode == 0, done.stderr
    assert "engine: tensorrt on" in done.stderr
    assert "5 processed" in done.stdout


def test_trtexec_loads_the_plan(shipped):
    """A plan is plain: NVIDIA's own tool takes it, where it is installed."""
    tool = next((path for path in ("/usr/src/tensorrt/bin/trtexec",) if Path(path).is_file()), None)
    if tool is None:
        pytest.skip("trtexec is not installed")
    engine = shipped[2].engine.path
    subprocess.run(
        [tool, f"--loadEngine={engine}", "--iterations=10"], check=True, capture_output=True
    )
