"""A candidate's own process: it loads, warms up, and takes blocks of frames when it is told to.

Run as `python -m maskattn_benchmarks.worker`; orders come on standard input, answers go to
standard output (`channel.py`). Memory, threads and crashes of one candidate are its own, and the
clock is read where the frame is: no message is part of any figure.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

from maskattn_benchmarks.channel import Channel, Failed, Open, Opened, Take, Taken
from maskattn_benchmarks.frames import prediction_pictures
from maskattn_benchmarks.harness import Stopwatch
from maskattn_benchmarks.peers.table import open_candidate
from maskattn_edge.contract.errors import MaskAttnError
from maskattn_edge.contract.model_file import read_model_file
from maskattn_edge.engines import Engine
from maskattn_edge.latency import LatencySettings


def main() -> int:
    """Serve one candidate until the other side closes; returns the exit status."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's, which then closes
    channel = _private_channel()
    try:
        _serve(channel)
    except EOFError:
        return 0
    except Exception as error:  # whatever an engine throws is the candidate's reason
        name = "" if isinstance(error, MaskAttnError) else f"{type(error).__name__}: "
        channel.send(Failed(reason=(name + " ".join(str(error).split()))[:4000]))
        return 1
    return 0


def _private_channel() -> Channel:
    """Standard output, kept from libraries that print: they write to standard error instead."""
    channel = Channel(os.dup(0), os.dup(1))
    os.dup2(2, 1)
    return channel


def _serve(channel: Channel) -> None:
    order: Open = channel.receive()
    file = read_model_file(Path(order.model))
    with open_candidate(file, order.engine, threads=order.threads) as engine:
        engine.measure_gpu()
        pictures = prediction_pictures(engine, order.frames)
        watch = _warmed_up(engine, order)
        channel.send(
            Opened(
                device=engine.device[:256],
                pictures=pictures,
                warmup=watch.warmup.samples(),
                activation_bytes=engine.activation_bytes,
                cpu_s=time.process_time(),
            )
        )
        while True:
            block: Take = channel.receive()
            seconds = watch.take(block.block, block.frames)
            channel.send(Taken(samples=watch.drain(), seconds=seconds, cpu_s=time.process_time()))


def _warmed_up(engine: Engine, order: Open) -> Stopwatch:
    settings = LatencySettings(warmup_frames=order.warmup_frames)
    watch = Stopwatch(
        engine,
        order.frames,
        settings,
        started=order.started,
        max_warmup_s=order.max_warmup_s,
    )
    watch.warm_up()
    return watch


if __name__ == "__main__":
    sys.exit(main())
