"""A run that is killed at any moment can be gone on with."""

import os
import random
import signal
import subprocess
import sys
import textwrap
import time

import pytest

from maskattn_edge.contract.errors import UsageError
from maskattn_models.checkpoint import load_checkpoint
from maskattn_models.data import open_dataset
from maskattn_models.network import NetworkConfig
from maskattn_models.training import TrainingSettings, train

KILLS = 20
MOST_SECONDS = 20.0
"""The kills end then, however slow the machine; a few must have been possible."""

SETTINGS = TrainingSettings(epochs=10**6, batch=4, seed=2, device="cpu")

SERVER = """
    import os, sys
    from pathlib import Path
    import matplotlib.figure
    import torch._dynamo  # the first step of an optimizer imports it, which takes seconds
    from maskattn_models.data import open_dataset
    from maskattn_models.network import NetworkConfig
    from maskattn_models.training import AugmentSettings, TrainingSettings, train

    data, out, settings = open_dataset(Path(sys.argv[1])), Path(sys.argv[2]), eval(sys.argv[3])
    config = NetworkConfig(classes=2, size="n", height=32, width=32)
    for line in sys.stdin:  # one process for each line, with everything imported already
        pid = os.fork()
        if not pid:
            train(data, config, settings, out, resume=(out / "last.pt").exists())
            os._exit(1)  # it never comes to its end
        print(pid, flush=True)
        _, status = os.waitpid(pid, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_kill_at_any_moment_leaves_checkpoints_that_load(squares, tmp_path):
    out, moments, epochs = tmp_path / "run", random.Random(0), []
    start, first_epoch = time.monotonic(), 0.0
    server = subprocess.Popen(
        [
            sys.executable,
            "-c",
            textwrap.dedent(SERVER),
            str(squares.root),
            str(out),
            repr(SETTINGS),
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={
            **os.environ,
            "OMP_NUM_THREADS": "1",
            "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
        },
    )
    with server:
        while len(epochs) < KILLS and time.monotonic() - start < MOST_SECONDS:
            server.stdin.write("go\n")
            server.stdin.flush()
            pid, began = int(server.stdout.readline()), time.monotonic()
            if epochs:
                time.sleep(moments.uniform(0, 2 * first_epoch))
            else:
                wait_for(out / "best.pt")
                first_epoch = time.monotonic() - began
            os.kill(pid, signal.SIGKILL)
            assert int(server.stdout.readline()) == -signal.SIGKILL  # it was still at work
            epochs.append(check(out))
        server.stdin.close()
    assert len(epochs) >= 5
    assert epochs == sorted(epochs)  # nothing is lost that was saved
    assert epochs[-1] > epochs[0]
    go_on(squares, out, epochs[-1])


def wait_for(path):
    end = time.monotonic() + MOST_SECONDS
    while not path.exists() and time.monotonic() < end:
        time.sleep(0.005)


def check(out):
    """Load what is there; the number of epochs that last.pt holds."""
    last = out / "last.pt"
    if not last.exists():
        assert not (out / "best.pt").exists()
        return 0
    kept = load_checkpoint(last)
    assert kept.build()
    if kept.resume["best_epoch"] or (out / "best.pt").exists():
        assert load_checkpoint(out / "best.pt").build()
    return kept.training["epochs"]


def go_on(squares, out, epochs):
    """Resume in this process for one epoch more, and find the folder tidy."""
    asked = iter(range(10**6))
    config = NetworkConfig(classes=2, size="n", height=32, width=32)
    with pytest.raises(Exception, match=f"saved up to epoch {epochs + 1}"):
        train(squares, config, SETTINGS, out, resume=True, stop=lambda: next(asked) == 12 + 2)
    assert not [path for path in out.iterdir() if path.name.startswith(".")]
    with pytest.raises(UsageError, match="holds a training run"):
        train(open_dataset(squares.root), config, SETTINGS, out)
