"""The step: on the device alone, undone without a trace, fed from the device or the host."""

from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from maskattn_edge.contract.errors import UsageError
from maskattn_models.training import streaming
from maskattn_models.training.batches import Resident
from maskattn_models.training.graph import launcher, warm_up
from maskattn_models.training.order import Order
from maskattn_models.training.ranks import Ranks
from maskattn_models.training.schedule import learning_rate
from maskattn_models.training.settings import LOSSES, AugmentSettings

WAITS = {
    "_local_scalar_dense", "item", "is_nonzero", "equal", "nonzero", "nonzero_static",
    "masked_select", "unique_dim", "unique_consecutive", "_unique2", "bincount", "histc",
    "repeat_interleave", "_assert_async",
}  # fmt: skip
"""Operators that wait for a device, because the host wants a value or a size from it."""

FROM_HOST = {"lift", "lift_fresh", "lift_fresh_copy"}
"""What a tensor made of Python's numbers is announced by."""


class HostTraffic(TorchDispatchMode):
    """Records the operators that a CUDA graph cannot hold."""

    def __init__(self):
        super().__init__()
        self.found, self.count = [], 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        name = func.overloadpacket.__name__
        self.count += 1
        masks = name in ("index", "index_put_") and any(
            index is not None and index.dtype in (torch.bool, torch.uint8) for index in args[1]
        )
        if name in WAITS | FROM_HOST or masks:
            self.found.append(name)
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("loss", LOSSES)
def test_a_step_neither_waits_for_the_device_nor_brings_numbers_from_the_host(stepping, loss):
    settings = replace(stepping.settings, loss=loss, augment=AugmentSettings(cutmix=0.5))
    step, batches, _ = stepping.make(settings=settings)
    stepping.run(step, batches, 1)  # the optimizer makes its state in the first
    with HostTraffic() as traffic:
        step()
    assert traffic.found == []
    assert traffic.count > 500


def test_nor_does_a_step_that_learns_instances(stepping, objects_store):
    settings = replace(stepping.settings, contrastive_weight=0.5)
    step, batches, _ = stepping.make(
        settings=settings, config=stepping.objects_config, store=objects_store
    )
    stepping.run(step, batches, 1)
    with HostTraffic() as traffic:
        step()
    assert traffic.found == []


@pytest.mark.parametrize(
    ("work", "name"),
    [
        (lambda x: x.sum().item(), "_local_scalar_dense"),
        (lambda x: float(x[0]), "_local_scalar_dense"),
        (lambda x: bool((x > 0).any()), "_local_scalar_dense"),
        (lambda x: torch.tensor([1.0, 2.0]), "lift_fresh"),
        (lambda x: x.new_tensor((0.3, 0.6)), "lift_fresh"),
        (lambda x: x.nonzero(), "nonzero"),
        (lambda x: x[x > 0], "index"),
        (lambda x: torch.nn.utils.clip_grad_norm_([x], 1.0, error_if_nonfinite=True), "_local"),
    ],
)
def test_the_recorder_above_can_catch_one(work, name):
    values = torch.ones(4, requires_grad=True)
    values.grad = torch.ones(4)
    with HostTraffic() as traffic, torch.no_grad():
        work(values)
    assert any(found.startswith(name) for found in traffic.found), traffic.found


def test_a_step_counts_and_notes_on_the_device(stepping):
    step, batches, _ = stepping.make()
    stepping.run(step, batches, 2)
    assert step.position.item() == step.state.step.item() == 2
    assert (step.losses[:2] > 0).all()
    assert step.losses[2] == 0
    expected = learning_rate(
        torch.tensor(1), peak=stepping.settings.peak_learning_rate, warmup_steps=0, total_steps=6
    )
    torch.testing.assert_close(step.state.lr, expected)
    assert all(group["lr"] is step.state.lr for group in step.state.optimizer.param_groups)


@pytest.mark.parametrize("before", [0, 2])
def test_steps_to_warm_up_leave_no_trace(stepping, before):
    torch.manual_seed(0)
    plain, batches, _ = stepping.make()
    stepping.run(plain, batches, before + 1)
    expected = stepping.everything(plain)
    step, batches, _ = stepping.make()
    stepping.run(step, batches, before)
    kept = stepping.everything(step)
    addresses = [value.data_ptr() for value in step.state.tensors()]
    warm_up(step)
    after = stepping.everything(step)
    for name, value in kept.items():
        assert torch.equal(value, after[name]), name
    assert addresses == [value.data_ptr() for value in step.state.tensors()]
    assert all(p.grad is None for p in step.state.network.parameters())
    step()
    for name, value in stepping.everything(step).items():
        assert torch.equal(value, expected[name]), name


def test_the_processor_runs_the_step_itself(stepping):
    step, _, _ = stepping.make()
    told = []
    assert launcher(step, graph=True, ranks=Ranks(), warn=told.append) is step
    assert told == []


def test_a_capture_that_fails_is_told_once_and_leaves_the_state_alone(stepping, monkeypatch):
    from maskattn_models.training import graph

    def fails(step, ranks):
        raise RuntimeError("operation not permitted\nwhen stream is capturing")

    step, _, _ = stepping.make()
    monkeypatch.setattr(graph, "_capture", fails)
    monkeypatch.setattr(step.state, "device", torch.device("cuda", 0))
    told = []
    assert launcher(step, graph=True, ranks=Ranks(), warn=told.append) is step
    assert len(told) == 1
    assert "(operation not permitted when stream is capturing); it runs without" in told[0]
    assert launcher(step, graph=False, ranks=Ranks(), warn=told.append) is step
    assert len(told) == 1


class Copies:
    """Stands in for streams and events where there is no CUDA: all is done in order."""

    def __init__(self, *_):
        self.recorded = 0

    def wait_event(self, event):
        pass

    def synchronize(self):
        pass

    def record(self, stream):
        self.recorded += 1

    def __enter__(self):
        return self

    def __exit__(self, *_):
        return None


@pytest.fixture
def without_cuda(monkeypatch):
    empty = torch.empty
    stand_in = SimpleNamespace(
        Event=Copies, Stream=Copies, stream=lambda stream: stream, current_stream=Copies
    )
    monkeypatch.setattr(streaming.torch, "cuda", stand_in)
    monkeypatch.setattr(
        streaming.torch, "empty", lambda *a, pin_memory=False, **named: empty(*a, **named)
    )


@pytest.mark.parametrize("with_instances", [False, True])
def test_streamed_batches_are_those_that_lie_on_the_device(stepping, without_cuda, with_instances):
    store, cpu = stepping.random_store(), torch.device("cpu")
    sources = [torch.from_numpy(part) for part in (store.images, store.labels)]
    sources += [sources[1].clone()] if with_instances else []
    order = Order(images=len(store), batch=4, seed=0, ranks=Ranks())
    kinds = [
        kind(sources, steps=order.steps, size=order.size, device=cpu)
        for kind in (Resident, streaming.Streamed)
    ]
    count = len(sources)
    addresses = [value.data_ptr() for value in kinds[1].batch(torch.zeros(1))[:count]]
    seen = []
    for number in (1, 2):
        chosen = order.epoch(number)
        for kind in kinds:
            kind.start(chosen)
        for index in range(order.steps):
            for kind in kinds:
                kind.take(index)
            (first, *rest), (second, *others) = (
                kind.batch(torch.tensor([index])) for kind in kinds
            )
            assert torch.equal(first, second)
            assert torch.equal(rest[0], others[0])
            if with_instances:
                assert torch.equal(rest[1], rest[0])
                assert torch.equal(rest[1], others[1])
            else:
                assert rest[1] is others[1] is None
            assert torch.equal(first, torch.from_numpy(store.images)[chosen[index]])
            seen.append(int(first.sum()))
            for kind in kinds:
                kind.fetch(index + 1)
    assert len(set(seen)) == 2 * order.steps
    held = kinds[1].batch(torch.zeros(1))[:count]
    assert [value.data_ptr() for value in held] == addresses


def test_ranks_divide_each_batch_among_them():
    alone = Order(images=11, batch=4, seed=5, ranks=Ranks())
    parts = [Order(images=11, batch=4, seed=5, ranks=Ranks(rank=rank, world=2)) for rank in (0, 1)]
    assert alone.steps == parts[0].steps == 2
    together = torch.cat([part.epoch(3) for part in parts], dim=1)
    assert torch.equal(together, alone.epoch(3))
    assert len(together.unique()) == 8
    assert not torch.equal(alone.epoch(3), alone.epoch(4))
    assert not torch.equal(
        alone.epoch(3), Order(images=11, batch=4, seed=6, ranks=Ranks()).epoch(3)
    )


@pytest.mark.parametrize(
    ("images", "batch", "world", "message"),
    [
        (9, 4, 3, "a batch of 4 cannot be divided among 3 processes: choose a --batch"),
        (2, 3, 3, "2 training images are too few for 3 processes"),
    ],
)
def test_what_cannot_be_divided(images, batch, world, message):
    with pytest.raises(UsageError, match=message):
        Order(images=images, batch=batch, seed=0, ranks=Ranks(world=world))


def test_a_small_split_makes_one_batch():
    order = Order(images=3, batch=32, seed=0, ranks=Ranks())
    assert (order.size, order.steps) == (3, 1)
    assert sorted(order.epoch(1)[0].tolist()) == [0, 1, 2]
