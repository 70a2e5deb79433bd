"""The whole loop as a robot runs it: cameras at once, each in a process, beside a stated load.

What is told over minutes is what heat does: ages and latencies of all frames, and temperatures and
clocks once a second, where the machine tells them.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from maskattn_benchmarks.gauges import GaugeLog
from maskattn_benchmarks.results import CameraRun, RobotRun
from maskattn_benchmarks.robot_frames import FrameLedger
from maskattn_edge.contract.errors import ContractError

CAMERAS = ("synthetic://?seed=0&frames=16", "synthetic://?seed=1&frames=16")
"""Two cameras of 30 frames a second, where no other is named: drawn before, played in a loop."""

TICK_S = 1.0
_END_S = 10.0
_SETTLE_S = 10.0
_OPEN_S = 300.0


@dataclass(frozen=True, kw_only=True)
class RobotSettings:
    """What the loop is measured under.

    Args:
        cameras: sources that are read at once, each by a process with an engine of its own;
            those that are no cameras are played like one.
        hogs: processes that do nothing but use a core.
        seconds: how long, counted from when all cameras run.

    Raises:
        ContractError: there is no camera, or a number is out of range.
    """

    cameras: tuple[str, ...] = CAMERAS
    hogs: int = 1
    seconds: float = 60.0

    def __post_init__(self) -> None:
        if not 1 <= len(self.cameras) <= 16 or not 0 <= self.hogs <= 1024 or not self.seconds > 0:
            raise ContractError(
                "a robot's loop needs 1 to 16 cameras, 0 to 1024 busy processes and some time, got "
                f"{len(self.cameras)}, {self.hogs} and {self.seconds} s"
            )


def drive(
    name: str,
    model: Path,
    engine: str,
    settings: RobotSettings,
    *,
    threads: int | None = None,
    nvml: Any = None,  # noqa: ANN401 - pynvml has no types
    on_tick: Callable[[RobotRun], None] = lambda _: None,
) -> RobotRun:
    """Run the loop of one candidate; a camera that fails says why in its own row.

    Args:
        name: of the candidate.
        model: the file.
        engine: a name of `peers.table.ENGINES`.
        settings: cameras, load and time.
        threads: CPU threads per frame; None takes all cores.
        nvml: the initialised module pynvml, or None.
        on_tick: given the run so far, once a second.
    """
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        cameras = [
            stack.enter_context(_Camera(model, engine, source, threads, folder / str(number)))
            for number, source in enumerate(settings.cameras)
        ]
        _wait_until(lambda: all(camera.ready for camera in cameras), _OPEN_S)
        stack.enter_context(busy(settings.hogs))
        began, gauges = time.monotonic(), GaugeLog(nvml)
        seconds = 0.0

        def so_far(*, complete: bool) -> RobotRun:
            found = tuple(camera.run(began, seconds) for camera in cameras)
            return RobotRun(
                name=name, hogs=settings.hogs, seconds=seconds, complete=complete, cameras=found,
                series=gauges.series(),
            )  # fmt: skip

        while seconds < settings.seconds and any(camera.alive for camera in cameras):
            time.sleep(min(TICK_S, settings.seconds - seconds))
            seconds = min(time.monotonic() - began, settings.seconds)
            gauges.read(seconds)
            on_tick(so_far(complete=False))
        # The last frames of the loop are still on their way: counted when a later one came.
        _wait_until(lambda: all(camera.passed(began + seconds) for camera in cameras), _SETTLE_S)
        for camera in cameras:
            camera.end()
        for camera in cameras:
            camera.wait()
        return so_far(complete=all(not camera.failure for camera in cameras))


@contextmanager
def busy(count: int) -> Iterator[list[subprocess.Popen[bytes]]]:
    """So many processes, each of which uses a core; they end with the block, or with us."""
    code = (
        "import os, sys\nwhile os.getppid() == int(sys.argv[1]):\n    for _ in range(1000000): pass"
    )
    hogs = [
        subprocess.Popen([sys.executable, "-S", "-c", code, str(os.getpid())]) for _ in range(count)
    ]
    try:
        yield hogs
    finally:
        for hog in hogs:
            hog.kill()
            hog.wait()


class _Camera:
    """One camera's process, and what it has written so far."""

    def __init__(
        self, model: Path, engine: str, source: str, threads: int | None, path: Path
    ) -> None:
        self._source, self._path, self._errors = source, path, path.with_suffix(".err")
        words = [str(model), engine, source, str(threads or 0), str(path)]
        with self._errors.open("wb") as errors:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "maskattn_benchmarks.robot_camera", *words],
                stdin=subprocess.PIPE, stdout=errors, stderr=errors,
            )  # fmt: skip
        self._stopped = False
        self._frames, self._device = FrameLedger(), ""
        self._read_to = 0

    def __enter__(self) -> _Camera:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.stdin is not None:
            self._process.stdin.close()
        if self.alive:
            self._process.kill()
        self._process.wait()

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    @property
    def ready(self) -> bool:
        """Whether its first frames were delivered, or it is over."""
        return self._path.exists() or not self.alive

    @property
    def failure(self) -> str:
        if self.alive or (self._stopped and self._process.returncode == 0):
            return ""
        lines = self._errors.read_text(errors="replace").strip().splitlines()
        return (lines[-1] if lines else f"its process ended: {self._process.returncode}")[:4000]

    def passed(self, moment: float) -> bool:
        """Whether a frame that was captured after `moment` was delivered, or none will be."""
        self._read()
        return not self.alive or self._frames.delivered_until >= moment

    def end(self) -> None:
        """Tell it to end."""
        self._stopped = self.alive
        if self.alive:
            self._process.terminate()

    def wait(self) -> None:
        """Wait until it has, by force where it does not."""
        try:
            self._process.wait(_END_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def run(self, began: float, seconds: float) -> CameraRun:
        """The frames that were captured within `seconds` from `began`."""
        self._read()
        return self._frames.run(
            began, seconds, source=self._source, device=self._device, failure=self.failure
        )

    def _read(self) -> None:
        """Whole lines that came since the last time."""
        if not self._path.exists():
            return
        with self._path.open("rb") as file:
            file.seek(self._read_to)
            data = file.read()
        whole = data[: data.rfind(b"\n") + 1]
        self._read_to += len(whole)
        for text in whole.splitlines():
            line = msgspec.json.decode(text)
            self._device = str(line["device"])[:256]
            self._frames.add(line["read"], line["delivered"])


def _wait_until(true: Callable[[], bool], seconds: float) -> None:
    end = time.monotonic() + seconds
    while not true() and time.monotonic() < end:
        time.sleep(0.02)
