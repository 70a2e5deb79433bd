"""The benchmark's side of a candidate's process: started, asked with a time-out, and ended."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec

from maskattn_benchmarks.channel import Channel, Failed, Open, Opened, Take, Taken
from maskattn_benchmarks.results import Samples
from maskattn_benchmarks.settings import BenchmarkSettings
from maskattn_edge.contract.errors import EngineError

_END_S = 5.0
_SAID = 300
_OPENING = {"": "loading and warming up", "torch-compile": "loading, compiling and warming up"}


class CandidateProcess:
    """A process with one model on one engine, warm; it takes blocks of frames on demand.

    Args:
        model: the file.
        engine: name of a back end, a peer's included.
        frames: JPEG files, taken in turn.
        settings: warm-up, threads and time-outs.
        started: the reading of `time.perf_counter` that samples are counted from; Linux has one
            such clock for all processes.

    Raises:
        EngineError: the process fails, ends, or takes longer than `settings.timeout_s`.
    """

    def __init__(
        self,
        model: Path,
        engine: str,
        frames: Sequence[bytes],
        settings: BenchmarkSettings,
        started: float,
    ) -> None:
        self._timeout_s = settings.timeout_s
        self._said = tempfile.TemporaryFile()  # noqa: SIM115 - closed in `close`
        self._process = subprocess.Popen(
            [sys.executable, "-m", "maskattn_benchmarks.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._said,
            bufsize=0,
            start_new_session=True,  # what it starts, a compiler say, ends with it
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._channel = Channel(self._process.stdout.fileno(), self._process.stdin.fileno())
        order = Open(
            model=str(model),
            engine=engine,
            threads=settings.threads,
            frames=list(frames),
            warmup_frames=settings.latency.warmup_frames,
            max_warmup_s=settings.max_warmup_s,
            started=started,
        )
        try:
            self.opened: Opened = self._ask(order, _OPENING.get(engine, _OPENING[""]))
        except BaseException:
            self.close()
            raise
        self.cpu_s = self.opened.cpu_s

    def take(self, block: int, frames: int) -> tuple[Samples, float]:
        """The samples of a block of frames, and the seconds that it took.

        Raises:
            EngineError: as for the class.
        """
        taken: Taken = self._ask(Take(block=block, frames=frames), "a block of frames")
        self.cpu_s = taken.cpu_s
        return taken.samples, taken.seconds

    def close(self) -> None:
        """End the process, by force if it does not end by itself; may be called twice."""
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            pipe.close()
        try:
            self._process.wait(_END_S)
        except subprocess.TimeoutExpired:
            self._kill()
        self._said.close()

    def _kill(self) -> None:
        """End it at once, and what it has started."""
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def _ask(self, order: msgspec.Struct, what: str) -> Any:  # noqa: ANN401 - see `channel`
        try:
            self._channel.send(order)
            answer = self._channel.receive(self._timeout_s)
        except TimeoutError as error:
            self._kill()
            raise EngineError(f"{what} took more than {self._timeout_s:g} s") from error
        except (EOFError, EngineError) as error:
            raise EngineError(f"its process ended during {what}: {self._reason()}") from error
        if isinstance(answer, Failed):
            raise EngineError(answer.reason)
        return answer

    def _reason(self) -> str:
        """The exit status or signal, and the last line that the process wrote to stderr."""
        status = self._process.wait(_END_S)
        how = f"signal {-status}" if status < 0 else f"exit code {status}"
        self._said.seek(0)
        lines = self._said.read().decode(errors="replace").strip().splitlines()
        return f"{how}, {lines[-1][:_SAID]}" if lines else how
