"""Builds in a process of its own, and says in one line what became of it."""

from __future__ import annotations

import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from maskattn_edge.contract.errors import (
    EngineError,
    MaskAttnError,
    MissingDependencyError,
    ModelFileError,
)
from maskattn_edge.engines.tensorrt.builder import OnStep
from maskattn_edge.engines.tensorrt.preflight import host_memory_mb
from maskattn_edge.engines.tensorrt.request import (
    BuildRequest,
    Built,
    Done,
    Failed,
    Header,
    decode_answer,
    encode,
)

WORKER = (sys.executable, "-m", "maskattn_edge.engines.tensorrt.worker")

_ERRORS: dict[str, type[MaskAttnError]] = {
    "ModelFileError": ModelFileError,
    "MissingDependencyError": MissingDependencyError,
    "EngineError": EngineError,
}


def build_in_child(
    request: BuildRequest, on_step: OnStep | None = None, *, command: Sequence[str] = WORKER
) -> Built:
    """Run one build to its end. The child never outlives this call.

    Args:
        request: what to build, and where the plan goes.
        on_step: told how the builder's phases go.
        command: the building process.

    Raises:
        ModelFileError: the parser refuses the model.
        MissingDependencyError: TensorRT does not load.
        EngineError: the build failed, crashed or was killed; the message says which.
    """
    free_mb = host_memory_mb()
    with (
        tempfile.TemporaryFile() as noise,
        subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=noise
        ) as child,
    ):
        try:
            last = _converse(child, request, on_step)
        finally:
            child.kill()
            code = child.wait()
        if isinstance(last, Done):
            timing = Path(request.plan + ".timing")
            return Built(peak_host_bytes=last.peak_host_bytes, timing=_taken(timing), log=last.log)
        if isinstance(last, Failed):
            raise _ERRORS[last.kind](last.message)
        raise EngineError(_explain(code, free_mb, _last_line(noise)))


def _converse(
    child: subprocess.Popen[bytes], request: BuildRequest, on_step: OnStep | None
) -> Done | Failed | None:
    """Ask, and listen until the last word; None if the child died without one."""
    assert child.stdin is not None
    assert child.stdout is not None
    header = Header(
        options=request.options,
        plan=request.plan,
        timing_bytes=len(request.timing),
        onnx_bytes=len(request.onnx),
    )
    with suppress(BrokenPipeError):  # how it ended says more
        child.stdin.write(encode(header) + b"\n" + request.timing + request.onnx)
        child.stdin.close()
    for line in child.stdout:
        try:
            answer = decode_answer(line)
        except ValueError:
            break  # cut off by the child's end
        if isinstance(answer, (Done, Failed)):
            child.wait()
            return answer
        if on_step is not None:
            on_step(answer.phase, answer.done, answer.total)
    child.wait()
    return None


def _taken(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""
    finally:
        path.unlink(missing_ok=True)


def _explain(code: int, free_mb: int, noise: str) -> str:
    if code == -signal.SIGKILL:
        return (
            f"the build was killed, most likely because memory ran out ({free_mb:,} MB were free "
            "when it began): close other programs, add swap, or give a smaller --workspace"
        )
    if code < 0:
        return f"the build crashed ({signal.Signals(-code).name}){noise}: try a lower --opt-level"
    return f"the build ended without an answer (exit code {code}){noise}"


def _last_line(noise: BinaryIO) -> str:
    noise.seek(0, 2)
    noise.seek(max(0, noise.tell() - 4096))
    lines = noise.read().decode(errors="replace").split("\n")
    return next((f": {line.strip()[:300]}" for line in reversed(lines) if line.strip()), "")
