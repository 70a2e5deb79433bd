"""What is promised, row by row; and a run that tells when its first result came."""

import numpy as np
import pytest

from maskattn_benchmarks.promises import PROMISES, promise_table
from maskattn_benchmarks.run_process import measure_run
from maskattn_edge.contract.errors import EngineError
from maskattn_edge.models import default_model

GOOD = {
    "camera": {"latency_ms": {"p50": 4.6, "p99": 13.7}},
    "start": {"first_result_ms": 1499.0, "peak_mib": 200.0},
    "cost": {"share": -0.02, "cpu_share": 0.0999},
    "overload": {"age_p99_ms": 12.0, "limit_ms": 12.5},
    "memory": {"settled_mib": 70.0, "end_mib": 74.5},
}


def kept(results):
    return [promise.row(results)[-1] for promise in PROMISES]


def test_all_are_kept():
    assert kept(GOOD) == ["yes"] * len(PROMISES)
    lines = promise_table(GOOD, device="abacus").splitlines()
    assert lines[0] == "| promise | limit | abacus | kept |"
    assert lines[2] == "| 640x480 camera frame to labels, p50 | 5 ms | 4.6 ms | yes |"
    assert len(lines) == 2 + len(PROMISES)


@pytest.mark.parametrize(
    ("part", "bad", "broken"),
    [
        ("camera", {"latency_ms": {"p50": 5.1, "p99": 15.0}}, [0]),
        ("camera", {"latency_ms": {"p50": 4.0, "p99": 12.1}}, [1]),
        ("start", {"first_result_ms": 1501.0, "peak_mib": 239.0}, [2, 3]),
        ("cost", {"share": 0.101, "cpu_share": 0.101}, [4, 5]),
        ("overload", {"age_p99_ms": 12.6, "limit_ms": 12.5}, [6]),
        ("memory", {"settled_mib": 70.0, "end_mib": 74.8}, [7]),
    ],
)
def test_one_is_not(part, bad, broken):
    found = kept({**GOOD, part: bad})
    assert [index for index, word in enumerate(found) if word == "**no**"] == broken


def test_what_was_not_measured_says_so():
    assert {promise.row({})[2] for promise in PROMISES} == {"not measured"}


def test_a_run_is_watched():
    images = [np.zeros((48, 64, 3), np.uint8)] * 2
    found = measure_run(default_model(), "onnxruntime", 1, images)
    assert found.first_ms > 0
    assert 30 < found.peak_mib < 2000
    with pytest.raises(EngineError, match="unknown engine 'abacus'"):
        measure_run(default_model(), "abacus", 1, images)
