"""Training on a GPU: the graph does what the steps do, wherever the images lie."""

import warnings
from dataclasses import replace

import pytest
import torch

from maskattn_models.checkpoint import load_checkpoint
from maskattn_models.training import (
    Observer,
    TrainingInterrupted,
    TrainingSettings,
    train,
)
from maskattn_models.training.graph import launcher, warm_up
from maskattn_models.training.ranks import Ranks

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA GPU"),
]

SETTINGS = TrainingSettings(epochs=3, batch=4, seed=3, device="cuda", precision="fp32")
RANDOM = ("generator", "cuda_random")


def refuse(message):
    raise AssertionError(message)


def captured(step):
    launch = launcher(step, graph=True, ranks=Ranks(), warn=refuse)
    assert launch is not step
    return launch


def assert_close(one, other):
    """Sums by atomic additions differ in their order; random numbers must not differ at all."""
    assert one.keys() == other.keys()
    for name, value in one.items():
        if name in RANDOM or not value.is_floating_point():
            assert torch.equal(value, other[name]), name
        else:
            torch.testing.assert_close(other[name], value, rtol=2e-2, atol=2e-3, msg=name)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("resident_share", [0.5, 0.0])
def test_the_graph_does_what_the_steps_do(stepping, precision, resident_share):
    settings = replace(
        stepping.settings, precision=precision, learning_rate=1e-4, resident_share=resident_share
    )
    results = []
    for use_graph in (False, True):
        step, batches, order = stepping.make("cuda:0", settings=settings)
        launch = captured(step) if use_graph else step
        for epoch in (1, 2):
            step.restart()
            batches.start(order.epoch(epoch))
            stepping.run(step, batches, order.steps, launch)
        results.append((stepping.everything(step), batches.resident))
    (eager, resident), (replayed, _) = results
    assert resident == (resident_share > 0)
    assert eager["step"] == 6
    assert_close(eager, replayed)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_the_graph_holds_the_loss_of_instances(stepping, objects_store, precision):
    settings = replace(
        stepping.settings, precision=precision, learning_rate=1e-4, contrastive_weight=0.5
    )
    results = []
    for use_graph in (False, True):
        step, batches, order = stepping.make(
            "cuda:0", settings=settings, config=stepping.objects_config, store=objects_store
        )
        launch = captured(step) if use_graph else step
        stepping.run(step, batches, order.steps, launch)
        results.append(stepping.everything(step))
    assert_close(*results)


def test_streamed_and_resident_batches_train_alike(stepping):
    results = []
    for share in (0.5, 0.0):
        settings = replace(stepping.settings, resident_share=share, learning_rate=1e-4)
        step, batches, order = stepping.make("cuda:0", settings=settings)
        launch = captured(step)
        losses = []
        for epoch in range(1, 11):
            step.restart()
            batches.start(order.epoch(epoch))
            stepping.run(step, batches, order.steps, launch)
            losses.append(step.losses.clone())
        results.append(torch.stack(losses).cpu())
    torch.testing.assert_close(results[0], results[1], rtol=2e-2, atol=2e-3)


def test_streamed_batches_arrive_whole(stepping):
    """Many steps without a wait: a slot that was overwritten too early would show."""
    settings = replace(stepping.settings, resident_share=0.0)
    _, batches, order = stepping.make("cuda:0", settings=settings)
    images = torch.from_numpy(stepping.random_store().images)
    sums, expected = [], []
    for epoch in range(1, 51):
        chosen = order.epoch(epoch)
        batches.start(chosen)
        for index in range(order.steps):
            batches.take(index)
            sums.append(batches.batch(torch.zeros(1))[0].sum((1, 2, 3)))
            batches.fetch(index + 1)
        expected.extend(images[rows].sum((1, 2, 3)) for rows in chosen)
    assert torch.equal(torch.stack(sums).cpu(), torch.stack(expected))


@pytest.mark.parametrize("before", [0, 2])
def test_warm_up_and_capture_leave_no_trace(stepping, before):
    step, batches, _ = stepping.make("cuda:0")
    stepping.run(step, batches, before)
    kept = stepping.everything(step)
    warm_up(step)
    after = stepping.everything(step)
    captured(step)
    last = stepping.everything(step)
    for name, value in kept.items():
        assert torch.equal(value, after[name]), name
        assert torch.equal(value, last[name]), name


def test_each_replay_has_random_numbers_of_its_own_that_can_be_set_back(stepping):
    settings = replace(stepping.settings, learning_rate=1e-8, weight_decay=0.0)
    step, batches, order = stepping.make("cuda:0", settings=settings)
    launch = captured(step)
    kept, losses = step.state.random(), []
    for _ in range(2):
        for _ in range(2):
            step.restart()
            batches.start(torch.zeros_like(order.epoch(1)))
            launch()
            losses.append(step.losses[0].item())
        step.state.set_random(kept)
    assert losses[0] != losses[1]
    assert losses[2:] == pytest.approx(losses[:2], rel=1e-3)


def test_no_step_waits_for_the_device(stepping):
    step, batches, _ = stepping.make("cuda:0")
    stepping.run(step, batches, 2)
    torch.cuda.synchronize()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that the mode is a prototype
        try:
            torch.cuda.set_sync_debug_mode("error")
            step()
        finally:
            torch.cuda.set_sync_debug_mode("default")


def test_after_a_capture_that_fails_the_steps_go_on(stepping, monkeypatch):
    step, batches, _ = stepping.make("cuda:0")
    expected, others, _ = stepping.make("cuda:0")
    real, told = torch.Tensor.index_copy_, []

    def waits(self, *args):
        if torch.cuda.is_current_stream_capturing():
            self.sum().item()
        return real(self, *args)

    monkeypatch.setattr(torch.Tensor, "index_copy_", waits)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        launch = launcher(step, graph=True, ranks=Ranks(), warn=told.append)
    assert launch is step
    assert len(told) == 1
    assert "cannot be captured in a CUDA graph" in told[0]
    torch.manual_seed(stepping.settings.seed)
    random = expected.state.random()
    step.state.set_random(random)
    stepping.run(step, batches, 2, launch)
    expected.state.set_random(random)
    stepping.run(expected, others, 2)
    assert_close(stepping.everything(expected), stepping.everything(step))


class Warnings(Observer):
    def __init__(self):
        self.told = []

    def warned(self, message):
        self.told.append(message)


@pytest.mark.parametrize("use_graph", [True, False])
def test_a_run_on_the_gpu_resumes_where_it_was(squares, tiny, tmp_path, use_graph):
    settings, notes = replace(SETTINGS, graph=use_graph, learning_rate=1e-4), Warnings()
    train(squares, tiny, settings, tmp_path / "whole", observer=notes)
    asked = iter(range(10**6))
    with pytest.raises(TrainingInterrupted):
        train(
            squares, tiny, settings, tmp_path / "run", observer=notes,
            stop=lambda: next(asked) == 12 + 2,
        )  # fmt: skip
    assert load_checkpoint(tmp_path / "run" / "last.pt").training["epochs"] == 1
    train(squares, tiny, settings, tmp_path / "run", resume=True, observer=notes)
    whole, run = (load_checkpoint(tmp_path / name / "last.pt") for name in ("whole", "run"))
    assert_close(dict(whole.resume["weights"]), dict(run.resume["weights"]))
    for name in RANDOM:
        assert torch.equal(whole.resume[name], run.resume[name]), name
    performance = whole.training["performance"]
    assert performance["graph"] is use_graph
    assert performance["peak_memory_bytes"] > 2**20
    assert notes.told == []


def test_a_run_moves_from_the_processor_to_the_gpu_and_back(squares, tiny, tmp_path):
    out = tmp_path / "run"
    train(squares, tiny, replace(SETTINGS, epochs=1, device="cpu"), out)
    train(squares, tiny, replace(SETTINGS, epochs=2), out, resume=True)
    train(squares, tiny, replace(SETTINGS, epochs=3, device="cpu"), out, resume=True)
    assert load_checkpoint(out / "last.pt").training["epochs"] == 3


def test_it_learns_under_the_graph(squares, tiny, tmp_path):
    settings = replace(SETTINGS, epochs=40, learning_rate=1e-2, precision="auto")
    assert train(squares, tiny, settings, tmp_path / "run").metrics["val_miou"] > 0.9
