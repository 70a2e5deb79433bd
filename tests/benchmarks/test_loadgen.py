"""MLPerf LoadGen, a short run of each scenario, and an engine that fails under it."""

import subprocess
import sys
import threading

import numpy as np
import pytest

from maskattn_benchmarks import loadgen as module
from maskattn_benchmarks.loadgen import LoadGenSettings, read_summary, run_loadgen
from maskattn_edge.cli.app import run_command
from maskattn_edge.contract.errors import ContractError
from maskattn_edge.models import default_model

SOURCE = "synthetic://?frames=2&width=160&height=120"
SHORT = LoadGenSettings(min_queries=64, min_seconds=0.1)


@pytest.fixture
def _loadgen():
    pytest.importorskip("mlperf_loadgen", reason="mlcommons-loadgen is not installed")


@pytest.mark.usefixtures("_loadgen")
@pytest.mark.parametrize("scenario", module.SCENARIOS)
def test_a_short_run_keeps_loadgens_own_logs(tmp_path, scenario):
    logs = tmp_path / "loadgen" / "default" / scenario
    found = run_loadgen(default_model(), "onnxruntime", scenario, logs, SHORT, source=SOURCE)
    assert found.failure == ""
    assert found.logs == f"loadgen/default/{scenario}"
    summary = (logs / "mlperf_log_summary.txt").read_text()
    assert f"Scenario : {scenario}" in summary
    assert found.valid == ("Result is : VALID" in summary)
    assert (logs / "mlperf_log_detail.txt").stat().st_size > 1000
    assert 0 < found.figures["50.00 percentile latency (ns)"] <= found.figures["Max latency (ns)"]
    rate = "Samples per second" if scenario == "Offline" else "QPS w/ loadgen overhead"
    assert found.figures[rate] > 0


def test_a_model_that_fails_says_why(tmp_path):
    found = run_loadgen(tmp_path / "no.onnx", "onnxruntime", "Offline", tmp_path / "l", SHORT,
                        source=SOURCE)  # fmt: skip
    assert "no such file" in found.failure
    assert not found.valid


@pytest.mark.usefixtures("_loadgen")
def test_the_engine_stays_on_its_thread_and_its_error_is_kept(tmp_path):
    import mlperf_loadgen

    class Engine:
        threads = set()
        calls = 0

        def infer(self, image):
            self.threads.add(threading.get_ident())
            self.calls += 1
            if self.calls == 5:
                raise RuntimeError("it broke")

    engine = Engine()
    samples = module._Samples(mlperf_loadgen, engine, [np.zeros(1)] * 4)
    settings = module._test(mlperf_loadgen, "SingleStream", 10, 0.0, 0.001)
    module._conduct(mlperf_loadgen, samples, 4, settings, tmp_path)
    assert engine.threads == {threading.get_ident()}
    assert str(samples.failure) == "it broke"
    assert engine.calls == 5


def test_the_summary_is_read_up_to_its_parameters():
    text = (
        "Result is : INVALID\nSamples per second: 95.5\n * Processed at least 64 queries (114).\n"
        "Mean latency (ns)               : 2637763\nTest Parameters Used\nmin_query_count : 10\n"
    )
    assert read_summary(text) == ({"Samples per second": 95.5, "Mean latency (ns)": 2637763}, False)


def test_wrong_use(capsys):
    with pytest.raises(ContractError, match="one query or more"):
        LoadGenSettings(min_queries=0)
    assert run_command(["benchmark", str(default_model()), "--queries", "3"]) == 2
    assert "--queries means nothing without --loadgen" in capsys.readouterr().err


def test_loading_it_needs_no_loadgen():
    code = (
        "import sys, maskattn_benchmarks.loadgen, maskattn_benchmarks.peers.table; "
        "print(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert not {"mlperf_loadgen", "torch", "transformers"} & set(done.stdout.split())
