"""Two processes that train together, and what becomes of one when the other stops."""

import os
import socket
import subprocess
import sys
import textwrap

import pytest
import torch

from maskattn_edge.contract.errors import UsageError
from maskattn_models.checkpoint import load_checkpoint
from maskattn_models.network import NetworkConfig
from maskattn_models.training import AugmentSettings, TrainingSettings, joined, train

TOLERANCE = 2e-5
"""Of losses, relative: sums of floats in another order are all that differs."""

STILL = AugmentSettings(
    scale=(1.0, 1.0), aspect=0.0, rotation_deg=0.0, flip=0.0, brightness=0.0, contrast=0.0,
    color=0.0, gamma=0.0, grey=0.0, sharpness=0.0, noise=0.0,
    cutmix=0.0,
)  # fmt: skip
"""No change at all, so that random numbers, which differ, do not matter."""

SCRIPT = """
    import os, sys
    from dataclasses import replace
    from pathlib import Path
    from maskattn_edge.contract.errors import MaskAttnError
    from maskattn_models.data import open_dataset
    from maskattn_models.network import NetworkConfig
    from maskattn_models.training import AugmentSettings, TrainingSettings, joined, train
    from maskattn_models.training import step as step_module
    from maskattn_models.training import trainer
    from maskattn_models.training.record import Record

    data, out = open_dataset(Path(sys.argv[1])), Path(sys.argv[2])
    config = NetworkConfig(classes=2, size="n", height=32, width=32, dropout=0.0)
    settings = eval(sys.argv[3])
    real = step_module.enlarged_segmentation_loss
    Record.draw = lambda self, state: None  # pictures take longer than these runs

    def attempt(name, settings, data=data, config=config, **how):
        try:
            train(data, config, settings, out / name, ranks=ranks, **how)
            print(name, "done", flush=True)
        except MaskAttnError as error:
            print(name, type(error).__name__, error, flush=True)

    with joined(os.environ, cuda=False) as ranks:
        second = ranks.rank == 1
        attempt("whole", settings)
        asked = iter(range(10**6))
        attempt("stopped", replace(settings, augment=AugmentSettings()),
                stop=lambda: second and next(asked) == 14)
        attempt("stopped", replace(settings, augment=AugmentSettings()), resume=True)
        attempt("straight", replace(settings, augment=AugmentSettings()))
        if second:
            step_module.enlarged_segmentation_loss = lambda *a, **k: real(*a, **k) * float("nan")
        attempt("broken", settings)
        step_module.enlarged_segmentation_loss = real
        attempt("whole", settings)
        attempt("odd", replace(settings, batch=3))
        new_state, states = trainer.new_state, []
        trainer.new_state = lambda *a, **k: states.append(new_state(*a, **k)) or states[0]
        attempt("instances", eval(sys.argv[6]), open_dataset(Path(sys.argv[4])), eval(sys.argv[5]))
        print("head", states[0].embedding.weight.flatten().tolist())
"""


def free_port():
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        return server.getsockname()[1]


def environment(**more):
    paths = os.pathsep.join(filter(None, sys.path))
    return {**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1", **more}


@pytest.fixture(scope="module")
def pair(squares, objects, tmp_path_factory):
    """Folders written by two processes, and what each of them has printed."""
    out, port = tmp_path_factory.mktemp("pair"), str(free_port())
    words = [str(squares.root), str(out), repr(SETTINGS)]
    words += [str(objects.root), repr(OBJECTS), repr(APART)]
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(SCRIPT), *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment(
                RANK=str(rank), LOCAL_RANK=str(rank), WORLD_SIZE="2",
                MASTER_ADDR="127.0.0.1", MASTER_PORT=port,
            ),
        )
        for rank in (0, 1)
    ]  # fmt: skip
    said = []
    try:
        for process in processes:
            output, errors = process.communicate(timeout=120)
            assert process.returncode == 0, errors
            said.append(output.splitlines())
    finally:
        for process in processes:
            process.kill()
            process.wait()
    return out, said


SETTINGS = TrainingSettings(epochs=3, batch=4, seed=3, device="cpu", augment=STILL)

OBJECTS = NetworkConfig(
    classes=2, size="n", height=32, width=32, task="panoptic", things=(1,), dropout=0.0
)
APART = TrainingSettings(
    epochs=2, batch=4, seed=3, device="cpu", augment=STILL, class_weights="equal",
    contrastive_weight=0.5, offset_weight=0.0,
)  # fmt: skip
"""Every image of `objects` has two whole instances and weighs the same: a mean of ranks' means is
the mean. Cells of objects are not equally many, so that the offsets' loss is left out."""


def test_two_processes_train_as_one_does(pair, squares, tmp_path):
    config = NetworkConfig(classes=2, size="n", height=32, width=32, dropout=0.0)
    train(squares, config, SETTINGS, tmp_path / "one")
    one, two = (load_checkpoint(run / "last.pt") for run in (tmp_path / "one", pair[0] / "whole"))
    assert two.training["performance"]["processes"] == 2
    losses = [[row["loss"] for row in run.history] for run in (one, two)]
    assert losses[1] == pytest.approx(losses[0], rel=TOLERANCE)
    for name, value in one.resume["weights"].items():
        if value.is_floating_point():
            # Half a step: Adam makes as much of a gradient that is nothing but rounding.
            torch.testing.assert_close(
                two.resume["weights"][name], value, rtol=1e-3, atol=5e-4, msg=name
            )
    assert [row["val_miou"] for row in two.history] == pytest.approx(
        [row["val_miou"] for row in one.history], abs=2e-3
    )


def test_two_processes_tell_instances_apart_as_one_does(pair, objects, tmp_path):
    out, (first, second) = pair
    assert first[-1] == second[-1]
    assert first[-1].startswith("head [")
    train(objects, OBJECTS, APART, tmp_path / "one")
    one, two = (load_checkpoint(run / "last.pt") for run in (tmp_path / "one", out / "instances"))
    losses = [[row["loss"] for row in run.history] for run in (one, two)]
    assert losses[1][0] == pytest.approx(losses[0][0], rel=TOLERANCE)
    # After Adam's first steps: see above.
    assert losses[1][1] == pytest.approx(losses[0][1], rel=10 * TOLERANCE)
    torch.testing.assert_close(
        two.resume["embedding"]["weight"], one.resume["embedding"]["weight"], rtol=1e-3, atol=5e-4
    )


def test_a_stop_or_a_broken_loss_on_one_process_ends_both(pair):
    for said in pair[1]:
        assert said[0] == "whole done"
        assert said[1].startswith("stopped TrainingInterrupted interrupted in epoch 2 of 3")
        assert said[4].startswith("broken TrainingError the loss is nan in step 1 of epoch 1")
        assert said[5].startswith("whole UsageError")
        assert said[5].endswith("go on with --resume, or choose another --out")
        assert "odd UsageError a batch of 3 cannot be divided among 2 processes" in said[6]
    assert load_checkpoint(pair[0] / "broken" / "last.pt").training["epochs"] == 0


def test_two_processes_resume_bit_for_bit(pair):
    """Each has random numbers of its own; both are brought back."""
    assert [said[2:4] for said in pair[1]] == [["stopped done", "straight done"]] * 2
    stopped, straight = (load_checkpoint(pair[0] / n / "last.pt") for n in ("stopped", "straight"))
    for name, value in straight.resume["weights"].items():
        assert torch.equal(stopped.resume["weights"][name], value), name
    first, second = straight.resume["random_of_ranks"]
    assert not torch.equal(first["generator"], second["generator"])


def test_torchrun_starts_the_command_and_one_process_speaks(squares, tmp_path):
    out = tmp_path / "run"
    done = subprocess.run(
        [
            sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2",
            "--master-addr", "127.0.0.1", "--master-port", str(free_port()),
            "-m", "maskattn_edge", "train", "--data", str(squares.root), "--size", "n",
            "--height", "32", "--width", "32", "--batch", "4", "--epochs", "1",
            "--device", "cpu", "--out", str(out),
        ],
        capture_output=True,
        text=True,
        env=environment(),
        timeout=60,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("mean IoU") == 1
    assert "images/s on cpu" in done.stdout
    assert "2 processes" in done.stdout
    assert done.stderr.count("epoch 1/1") == 1
    assert load_checkpoint(out / "best.pt").build()


def test_variables_that_are_not_torchruns():
    with (
        pytest.raises(UsageError, match="WORLD_SIZE 'two' .* start several processes with torch"),
        joined({"WORLD_SIZE": "two"}, cuda=False),
    ):
        pass
    with joined({}, cuda=False) as ranks:
        assert (ranks.rank, ranks.world, ranks.first) == (0, 1, True)
