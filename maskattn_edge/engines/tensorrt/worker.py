"""The building process: `python -m maskattn_edge.engines.tensorrt.worker`, fed by `child.py`.

A build takes much memory and may be killed for it, or crash in native code; here it takes nothing
else with it.
"""

from __future__ import annotations

import os
import resource
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from maskattn_edge.contract.errors import EngineError, MissingDependencyError, ModelFileError
from maskattn_edge.engines.tensorrt.builder import Builder
from maskattn_edge.engines.tensorrt.library import load_tensorrt
from maskattn_edge.engines.tensorrt.request import (
    Answer,
    Done,
    Failed,
    Header,
    Step,
    decode_header,
    encode,
)

_LOG_LINES = 400


def main() -> int:
    """Build what stdin asks for; stdout carries `Answer`s, one a line."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which then kills us
    with suppress(OSError):
        # If memory runs out, the kernel should end the build and not the robot's other programs.
        Path("/proc/self/oom_score_adj").write_text("1000")
    answers = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)  # native code prints where it likes
    try:
        header = decode_header(sys.stdin.buffer.readline())
        timing = sys.stdin.buffer.read(header.timing_bytes)
        onnx = sys.stdin.buffer.read(header.onnx_bytes)
        _tell(answers, _build(header, onnx, timing, answers))
    except (ModelFileError, MissingDependencyError, EngineError) as error:
        _tell(answers, _failed(error))
    except MemoryError:
        _tell(answers, Failed(kind="EngineError", message="the build ran out of memory"))
    except OSError as error:
        reason = f"cannot write the plan ({error.strerror}): free some space"
        _tell(answers, Failed(kind="EngineError", message=reason))
    return 0


def _build(header: Header, onnx: bytes, timing: bytes, answers: BinaryIO) -> Done:
    builder = Builder(load_tensorrt(), onnx)
    plan = builder.build(
        header.options,
        timing=timing,
        on_step=lambda phase, done, total: _tell(
            answers, Step(phase=phase, done=done, total=total)
        ),
    )
    Path(header.plan).write_bytes(plan.data)
    Path(header.plan + ".timing").write_bytes(plan.timing)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return Done(peak_host_bytes=peak, log=plan.log[-_LOG_LINES:])


def _failed(error: ModelFileError | MissingDependencyError | EngineError) -> Failed:
    if isinstance(error, ModelFileError):
        return Failed(kind="ModelFileError", message=str(error))
    if isinstance(error, MissingDependencyError):
        return Failed(kind="MissingDependencyError", message=str(error))
    return Failed(kind="EngineError", message=str(error))


def _tell(answers: BinaryIO, answer: Answer) -> None:
    answers.write(encode(answer) + b"\n")


if __name__ == "__main__":
    sys.exit(main())
