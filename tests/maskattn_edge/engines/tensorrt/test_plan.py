"""Frames through a loaded plan: graph or not, zero-copy or not, and everything given back."""

import enum
import threading

import numpy as np
import pytest

from maskattn_edge.contract.errors import EngineError
from maskattn_edge.engines import open_engine
from maskattn_edge.engines.tensorrt import BuildOptions, EngineCache, buffers, build_engine
from maskattn_edge.engines.tensorrt.activations import ACTIVATIONS, SharedActivations
from maskattn_edge.engines.tensorrt.cuda import Cuda, Graph
from maskattn_edge.engines.tensorrt.plan import LoadedPlan

IMAGE = np.arange(18, dtype=np.uint8).reshape(1, 2, 3, 3)


def load(driver, make_tensorrt, **options):
    return LoadedPlan(make_tensorrt(driver), Cuda(driver), b"plan", **options)


@pytest.mark.parametrize("in_place", [False, True])
@pytest.mark.parametrize("graph", [False, True])
def test_frames(make_driver, make_tensorrt, in_place, graph):
    driver = make_driver()
    plan = load(driver, make_tensorrt, graph=graph, in_place=in_place)
    assert plan.uses_graph == graph
    first = plan.run(IMAGE)["labels"]
    kept = first.copy()
    second = plan.run(IMAGE + 1)["labels"]
    np.testing.assert_array_equal(kept, IMAGE[..., 0] + 1)
    np.testing.assert_array_equal(second, IMAGE[..., 0] + 2)
    np.testing.assert_array_equal(first, kept)  # a later frame does not write over it
    copies = [call for call in driver.calls if call.startswith("cuMemcpy")]
    assert bool(copies) != in_place
    assert ("cuGraphLaunch" in driver.calls) == graph
    plan.close()
    assert driver.open == []


@pytest.mark.parametrize(
    ("driver", "most", "copies"),
    [
        ({}, 1 << 20, 0),
        ({}, 17, 1),  # of 18 bytes in and 6 out
        ({}, 5, 2),
        ({"integrated": True}, 5, 0),  # a Jetson's GPU has no other memory
        ({"maps": False}, 1 << 20, 2),
        ({"maps": False, "integrated": True}, 1 << 20, 2),
    ],
)
def test_small_tensors_are_used_in_place_where_the_device_can(
    make_driver, make_tensorrt, monkeypatch, driver, most, copies
):
    monkeypatch.setattr(buffers, "IN_PLACE_BYTES", most)
    driver = make_driver(**driver)
    plan = load(driver, make_tensorrt, graph=False)
    driver.calls.clear()
    np.testing.assert_array_equal(plan.run(IMAGE)["labels"], IMAGE[..., 0] + 1)
    assert sum(call.startswith("cuMemcpy") for call in driver.calls) == copies
    plan.close()


@pytest.mark.parametrize(("integrated", "image", "labels"), [(False, 6, 2), (True, 2, 2)])
def test_only_the_image_stays_out_of_the_hosts_caches(
    make_driver, make_tensorrt, integrated, image, labels
):
    driver = make_driver(integrated=integrated)
    plan = load(driver, make_tensorrt)
    assert driver.host_flags == [image, labels]  # 2: mapped, 4: write-combined
    plan.close()


@pytest.mark.parametrize("graph", [True, False])
def test_a_replay_runs_the_last_image_again(make_driver, make_tensorrt, graph):
    driver = make_driver()
    plan = load(driver, make_tensorrt, graph=graph)
    plan.run(IMAGE)
    driver.calls.clear()
    plan.replay()
    launches = ["cuGraphLaunch"] * graph
    assert driver.calls == ["cuCtxSetCurrent", *launches, "cuStreamSynchronize"]
    np.testing.assert_array_equal(plan.run(IMAGE + 1)["labels"], IMAGE[..., 0] + 2)
    plan.close()


@pytest.mark.parametrize(("graph", "between"), [(True, 2), (False, 1)])
def test_the_gpus_own_time_lies_around_the_frame(make_driver, make_tensorrt, graph, between):
    driver = make_driver()
    plan = load(driver, make_tensorrt, graph=graph)
    plan.run(IMAGE)
    assert plan.gpu_ms is None
    assert not driver.recorded
    plan.measure_gpu()
    plan.measure_gpu()
    np.testing.assert_array_equal(plan.run(IMAGE)["labels"], IMAGE[..., 0] + 1)
    assert plan.gpu_ms == between  # calls: the launch, or none; then the second mark
    plan.close()
    assert driver.open == []


def test_layers_are_timed_frame_by_frame(make_driver, make_tensorrt):
    driver = make_driver()
    plan = load(driver, make_tensorrt, graph=False)
    assert plan.profile(3) == {"stem": [0.5] * 3, "head": [1.5] * 3}
    plan.close()
    assert driver.open == []


def test_a_refused_capture_falls_back_and_says_why(make_driver, make_tensorrt):
    driver = make_driver(captures=False)
    plan = load(driver, make_tensorrt)
    assert not plan.uses_graph
    assert "CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED" in plan.graph_refused
    np.testing.assert_array_equal(plan.run(IMAGE)["labels"], IMAGE[..., 0] + 1)
    plan.close()
    assert driver.open == []


def test_a_dla_is_not_captured(make_driver, make_tensorrt):
    plan = load(make_driver(), make_tensorrt, dla=0)
    assert not plan.uses_graph
    assert "DLA" in plan.graph_refused
    plan.close()


@pytest.mark.parametrize("name", ["cuCtxSetCurrent", "cuGraphLaunch", "cuStreamSynchronize"])
def test_a_replay_says_what_failed(make_driver, make_tensorrt, name):
    driver = make_driver()
    status = enum.IntEnum("Status", {"CUDA_ERROR_OUT_OF_MEMORY": 2})(2)
    setattr(driver, name, lambda *_: (status,))
    replay = Cuda(driver).replayer(Graph([], []), 7)
    with pytest.raises(EngineError, match=f"^CUDA's {name} failed: CUDA_ERROR_OUT_OF_MEMORY$"):
        replay()


def test_work_that_fails_within_a_capture_ends_it(make_driver):
    driver = make_driver()
    cuda = Cuda(driver)

    def work():
        raise EngineError("enqueue failed")

    with pytest.raises(EngineError, match="enqueue failed"):
        cuda.capture(7, work)
    assert driver.calls[-1] == "cuStreamEndCapture"


def test_a_truncated_plan_is_one_line_and_leaves_nothing(make_driver, make_tensorrt):
    driver = make_driver()
    with pytest.raises(EngineError, match="refuses the plan: deserialize: magic tag does not"):
        LoadedPlan(make_tensorrt(driver), Cuda(driver), b"pla")
    assert driver.open == []


def test_no_memory_is_one_line_and_leaves_nothing(make_driver, make_tensorrt):
    driver = make_driver()
    driver.most_bytes = 999
    with pytest.raises(EngineError, match="cuMemAlloc failed: CUDA_ERROR_OUT_OF_MEMORY"):
        load(driver, make_tensorrt)
    assert driver.open == []


def test_one_thread_owns_it(make_driver, make_tensorrt):
    plan = load(make_driver(), make_tensorrt)
    caught = []

    def other():
        try:
            plan.run(IMAGE)
        except EngineError as error:
            caught.append(str(error))

    thread = threading.Thread(target=other)
    thread.start()
    thread.join()
    assert caught == ["a TensorRT engine belongs to the thread that opened it: open one per thread"]
    plan.close()


def test_two_engines_of_a_thread_share_activation_memory(make_driver, make_tensorrt):
    driver = make_driver()
    before = ACTIVATIONS.total_bytes()
    first, second = load(driver, make_tensorrt), load(driver, make_tensorrt)
    assert (first.activation_bytes, second.activation_bytes) == (1000, 1000)
    assert ACTIVATIONS.total_bytes() - before == 1000
    first.close()
    np.testing.assert_array_equal(second.run(IMAGE)["labels"], IMAGE[..., 0] + 1)
    second.close()
    assert ACTIVATIONS.total_bytes() == before
    assert driver.open == []


def test_a_block_never_grows_and_threads_do_not_share(make_driver):
    cuda, shared = Cuda(make_driver()), SharedActivations()
    with shared.block(cuda, 100) as small, shared.block(cuda, 200) as large:
        assert small != large
        with shared.block(cuda, 50) as third:
            assert third == small
        other = []

        def elsewhere():
            with shared.block(cuda, 50) as address:
                other.append(address)

        thread = threading.Thread(target=elsewhere)
        thread.start()
        thread.join()
        assert other[0] not in (small, large)
        assert shared.total_bytes() == 300
    assert shared.total_bytes() == 0


@pytest.fixture
def machine(make_driver, make_tensorrt, make_tools, monkeypatch):
    """The fakes in place of this machine; plans that the builder leaves are `b"plan"`."""
    driver = make_driver()
    trt, home = make_tensorrt(driver), "maskattn_edge.engines.tensorrt.plan_engine."
    tools, calls = make_tools(b"plan")
    monkeypatch.setattr(home + "load_tensorrt", lambda: trt)
    monkeypatch.setattr(home + "Cuda.open", lambda: Cuda(driver))
    monkeypatch.setattr("maskattn_edge.engines.tensorrt.engine.this_machine", lambda: tools)
    return driver, calls


def test_the_engine_is_built_once_and_told(machine, tiny_model, tmp_path):
    driver, calls = machine
    steps = []
    for _ in range(2):
        with open_engine(
            tiny_model, cache=tmp_path / "engines", on_step=lambda *step: steps.append(step[0])
        ) as engine:
            assert engine.name == "tensorrt"
            assert engine.device == "Orin, TensorRT 10.3.0, 0.0 MB of activations"
            assert engine.uses_graph
            assert (engine.activation_bytes, engine.layers) == (1000, 5)
    assert len(calls) == 1
    assert steps[0].startswith("building this device's engine, once: no engine of this model")
    assert driver.open == []


def test_a_plan_that_tensorrt_refuses_is_built_again(
    machine, make_tools, tiny_model, tiny_file, tmp_path
):
    driver, calls = machine
    refused, _ = make_tools(b"whole, yet refused")
    build_engine(tiny_file, BuildOptions(opt_level=5), EngineCache(tmp_path), refused)
    with open_engine(tiny_model, backend="tensorrt", cache=tmp_path) as engine:
        assert engine.uses_graph
    assert [request.options.opt_level for request in calls] == [5]
    assert driver.open == []


def test_facts_need_no_context(make_driver):
    driver = make_driver()
    facts = Cuda(driver).facts()
    assert (facts.name, facts.sm) == ("Orin", "8.7")
    assert facts.driver.endswith("CUDA 12.6")
    assert driver.open == []


def test_no_driver_is_one_line():
    class Nothing:
        def cuInit(self, flags):  # noqa: N802 - the driver's name
            raise RuntimeError("libcuda.so.1\nnot found")

    with pytest.raises(EngineError, match="no NVIDIA GPU can be used: the driver's library"):
        Cuda(Nothing())
