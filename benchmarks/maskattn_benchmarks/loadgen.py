"""MLPerf's own load generator on an engine: SingleStream and Offline, its logs kept as they are.

Run as `python -m maskattn_benchmarks.loadgen MODEL ENGINE SCENARIO LOGS THREADS QUERIES SECONDS
SOURCE`; LoadGen keeps its state in the process, so that each scenario has one of its own. A sample
is one image of the network's size: LoadGen's latencies are those of the engine alone.

Source: github.com/mlcommons/inference, loadgen; the MLPerf inference rules, section "Scenarios".
"""

from __future__ import annotations

import re
import subprocess
import sys
import time
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

import cv2
import numpy as np
from numpy.typing import NDArray

from maskattn_benchmarks.frames import camera_frames
from maskattn_benchmarks.peers.table import open_candidate
from maskattn_benchmarks.results import LoadGenResult
from maskattn_edge.contract.errors import ContractError, EngineError, MaskAttnError
from maskattn_edge.contract.model_file import read_model_file
from maskattn_edge.optional import require
from maskattn_edge.preprocess import fit

if TYPE_CHECKING:
    from maskattn_edge.engines import Engine

Scenario = Literal["SingleStream", "Offline"]
SCENARIOS: tuple[Scenario, ...] = get_args(Scenario)

_FRAMES = 16
_FIGURE = re.compile(r"^(?P<name>[^:]+?)\s*:\s*(?P<value>[0-9][0-9.eE+]*)$")
_SUMMARY = "mlperf_log_summary.txt"


@dataclass(frozen=True, kw_only=True)
class LoadGenSettings:
    """How long a scenario lasts: until it had `min_queries` and `min_seconds`, both.

    MLPerf asks for 1,024 queries (24,576 samples Offline) and 600 s; LoadGen's verdict is about
    the numbers that are set here, and says so in its summary.
    """

    min_queries: int = 1024
    min_seconds: float = 10.0

    def __post_init__(self) -> None:
        if self.min_queries < 1 or not self.min_seconds >= 0:
            raise ContractError(f"LoadGen needs one query or more and no negative time, got {self}")


def run_loadgen(
    model: Path,
    engine: str,
    scenario: Scenario,
    logs: Path,
    settings: LoadGenSettings,
    *,
    source: str,
    threads: int | None = None,
    timeout_s: float = 300.0,
) -> LoadGenResult:
    """One scenario in a process of its own; what fails is told in the result.

    Args:
        model: the file.
        engine: a name of `peers.table.ENGINES`.
        scenario: which of MLPerf's.
        logs: folder for LoadGen's logs; it is made.
        settings: how long.
        source: of the frames, as `run --source` takes it.
        threads: CPU threads per frame; None takes all cores.
        timeout_s: beside what `settings` asks for.
    """
    numbers = (str(threads or 0), str(settings.min_queries), str(settings.min_seconds))
    words = [str(model), engine, scenario, str(logs), *numbers, source]
    command = [sys.executable, "-m", "maskattn_benchmarks.loadgen", *words]
    try:
        done = subprocess.run(
            command, capture_output=True, check=False, timeout=timeout_s + settings.min_seconds
        )
        if done.returncode:
            lines = done.stderr.decode(errors="replace").strip().splitlines()
            raise EngineError(lines[-1] if lines else f"exit code {done.returncode}")
        figures, valid = read_summary((logs / _SUMMARY).read_text(errors="replace"))
    except subprocess.TimeoutExpired:
        return LoadGenResult(scenario=scenario, failure="it took too long, and was ended")
    except (EngineError, OSError) as error:
        return LoadGenResult(scenario=scenario, failure=str(error)[:4000])
    where = f"{logs.parent.parent.name}/{logs.parent.name}/{logs.name}"
    return LoadGenResult(
        scenario=scenario, valid=valid, figures=figures, version=_version(), logs=where
    )


def read_summary(text: str) -> tuple[dict[str, float], bool]:
    r"""The numbers of LoadGen's summary by its own names, and whether it calls the run valid.

    >>> read_summary("Result is : VALID\nMax latency (ns)      : 12")
    ({'Max latency (ns)': 12.0}, True)
    """
    figures = {}
    for line in text.partition("Test Parameters Used")[0].splitlines():
        found = _FIGURE.match(line.strip())
        if found:
            figures[found["name"]] = float(found["value"])
    return figures, "Result is : VALID" in text


class _Samples:
    """The engine as LoadGen's system under test, and the images as its library of samples."""

    def __init__(self, loadgen: Any, engine: Engine, images: list[NDArray[np.uint8]]) -> None:  # noqa: ANN401
        self._loadgen, self._engine, self._images = loadgen, engine, images
        self.failure: Exception | None = None

    def issue(self, queries: list[Any]) -> None:
        """Answer each sample as soon as its labels are there.

        An error cannot pass through LoadGen: it is kept, and the rest is answered unseen.
        """
        for query in queries:
            try:
                if self.failure is None:
                    self._engine.infer(self._images[query.index])
            except Exception as error:
                self.failure = error
            answer = self._loadgen.QuerySampleResponse(query.id, 0, 0)
            self._loadgen.QuerySamplesComplete([answer])


def main(arguments: list[str]) -> int:
    """Run one scenario; returns the exit status."""
    model, engine, scenario, logs, threads, queries, seconds, source = arguments
    try:
        loadgen: Any = require("mlperf_loadgen", purpose="MLPerf LoadGen", extra="loadgen")
        file = read_model_file(Path(model))
        with open_candidate(file, engine, threads=int(threads) or None) as opened:
            images = _images(opened, source)
            frame_s = _warmed_up(opened, images)
            samples = _Samples(loadgen, opened, images)
            settings = _test(loadgen, scenario, int(queries), float(seconds), frame_s)
            _conduct(loadgen, samples, len(images), settings, Path(logs))
            if samples.failure is not None:
                raise EngineError(f"the engine failed under LoadGen: {samples.failure}")
    except MaskAttnError as error:
        print(" ".join(str(error).split()), file=sys.stderr)
        return 1
    return 0


def _images(engine: Engine, source: str) -> list[NDArray[np.uint8]]:
    size = engine.spec.input
    images = []
    for jpeg in camera_frames(source, _FRAMES)[0]:
        frame = np.asarray(cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR), np.uint8)
        grid, _ = fit(frame, height=size.height, width=size.width, resize=size.resize)
        images.append(np.asarray(cv2.cvtColor(grid, cv2.COLOR_BGR2RGB), np.uint8)[np.newaxis])
    return images


def _warmed_up(engine: Engine, images: list[NDArray[np.uint8]]) -> float:
    """Seconds of a frame after up to ten: Offline asks for a rate in advance."""
    took = 1.0
    begin = time.perf_counter()
    for image in images[:10]:
        start = time.perf_counter()
        engine.infer(image)
        took = time.perf_counter() - start
        if start - begin > 5:
            break
    return took


def _test(loadgen: Any, scenario: str, queries: int, seconds: float, frame_s: float) -> Any:  # noqa: ANN401
    settings = loadgen.TestSettings()
    settings.scenario = getattr(loadgen.TestScenario, scenario)
    settings.mode = loadgen.TestMode.PerformanceOnly
    settings.min_duration_ms = round(1000 * seconds)
    # Offline is one query with all samples, of which LoadGen makes enough for rate and time.
    settings.min_query_count = queries if scenario == "SingleStream" else 1
    settings.offline_expected_qps = max(1 / frame_s, queries / max(seconds, 1e-3) / 1.1)
    return settings


def _conduct(loadgen: Any, samples: _Samples, count: int, settings: Any, logs: Path) -> None:  # noqa: ANN401
    logs.mkdir(parents=True, exist_ok=True)
    output = loadgen.LogOutputSettings()
    output.outdir = str(logs)
    output.copy_summary_to_stdout = False
    how = loadgen.LogSettings()
    how.log_output, how.enable_trace = output, False
    system = loadgen.ConstructSUT(samples.issue, lambda: None)
    library = loadgen.ConstructQSL(count, count, lambda _: None, lambda _: None)
    try:
        loadgen.StartTestWithLogSettings(system, library, settings, how)
    finally:
        loadgen.DestroyQSL(library)
        loadgen.DestroySUT(system)


def _version() -> str:
    return f"mlcommons-loadgen {version('mlcommons-loadgen')}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
