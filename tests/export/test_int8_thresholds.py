import numpy as np
import pytest

from maskattn_edge.contract.errors import ContractError
from maskattn_export.int8.thresholds import BINS, METHODS, Histogram


def histogram(values, largest=None):
    top = float(np.abs(values).max()) if largest is None else largest
    counts, _ = np.histogram(np.abs(values), bins=BINS, range=(0, top))
    return Histogram(counts.astype(np.int64), top)


def error_in_int8(values, threshold):
    """Mean squared error of INT8 with this threshold, written out."""
    scale = threshold / 127
    return np.mean((np.clip(np.round(values / scale), -127, 127) * scale - values) ** 2)


def test_max_clips_nothing():
    assert METHODS["max"](histogram(np.array([0.5, -3.0]))) == 3.0


def test_percentile_leaves_out_the_rarest():
    values = np.concatenate([np.linspace(0, 1, 99_995), np.full(5, 10.0)])
    assert 0.99 <= METHODS["percentile"](histogram(values)) <= 1.01


def test_entropy_cuts_a_long_tail_and_that_pays():
    values = np.random.default_rng(0).laplace(size=200_000)
    values[:3] = 60.0
    found = METHODS["entropy"](histogram(values))
    assert found < 30
    assert error_in_int8(values[3:], found) < error_in_int8(values[3:], 60.0) / 2


def test_entropy_keeps_an_even_distribution():
    found = METHODS["entropy"](histogram(np.linspace(0, 1, 100_000)))
    assert found == pytest.approx(1.0, abs=0.1)


def test_zeros_of_a_relu_do_not_decide():
    values = np.abs(np.random.default_rng(0).normal(size=50_000))
    with_zeros = np.concatenate([values, np.zeros(10**6)])
    alone, among = (METHODS["entropy"](histogram(one)) for one in (values, with_zeros))
    assert alone == pytest.approx(among, rel=0.02)


@pytest.mark.parametrize("method", METHODS)
def test_a_tensor_of_zeros(method):
    counts = np.zeros(BINS, np.int64)
    counts[0] = 7
    assert METHODS[method](Histogram(counts, 0.0)) == 0.0


def test_an_overflow_is_an_error():
    with pytest.raises(ContractError, match="overflows on a calibration image"):
        Histogram(np.zeros(BINS, np.int64), float("inf"))


def test_another_number_of_bins():
    with pytest.raises(ContractError, match="a histogram has 2048 bins"):
        Histogram(np.zeros(5, np.int64), 1.0)
