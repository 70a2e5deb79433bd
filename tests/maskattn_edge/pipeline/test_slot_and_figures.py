"""The parts of the pipeline that need no threads to be wrong."""

import json
import math
import threading
from pathlib import Path

import numpy as np
import pytest

from maskattn_edge.contract.errors import ContractError
from maskattn_edge.pipeline import Settings
from maskattn_edge.pipeline.figures import Recent, Samples
from maskattn_edge.pipeline.memory import resident_memory_mb
from maskattn_edge.pipeline.slot import Slot
from maskattn_edge.pipeline.stop import Stop


def test_slot_holds_only_the_newest() -> None:
    slot: Slot[int] = Slot()
    assert all(slot.put(number) for number in range(5))
    assert slot.take(0) == 4
    assert slot.take(0) is None
    assert slot.dropped == 4


def test_closed_slot_gives_what_it_has_then_ends() -> None:
    slot: Slot[int] = Slot(3, lossy=False)
    slot.put(1)
    slot.put(2)
    slot.close()
    assert not slot.put(3)
    assert not slot.ended
    assert [slot.take(), slot.take(), slot.take()] == [1, 2, None]
    assert slot.ended
    assert (slot.dropped, slot.discarded) == (0, 1)


def test_discarding_counts() -> None:
    slot: Slot[int] = Slot(3)
    slot.put(1)
    slot.put(2)
    slot.close(discard=True)
    assert slot.ended
    assert slot.discarded == 2


def test_full_queue_waits_for_room_and_loses_nothing() -> None:
    slot: Slot[int] = Slot(2, lossy=False)

    def put() -> None:
        for number in range(200):
            slot.put(number)
        slot.close()

    thread = threading.Thread(target=put)
    thread.start()
    taken = []
    while (number := slot.take()) is not None:
        taken.append(number)
    thread.join()
    assert taken == list(range(200))
    assert slot.dropped == 0


def test_closing_frees_a_waiting_put() -> None:
    slot: Slot[int] = Slot(1, lossy=False)
    slot.put(1)
    results: list[bool] = []
    thread = threading.Thread(target=lambda: results.append(slot.put(2)))
    thread.start()
    slot.close(discard=True)
    thread.join(5)
    assert results == [False]


def test_a_full_queue_is_filled_again_when_it_is_half_empty() -> None:
    slot: Slot[int] = Slot(4, lossy=False)
    for number in range(4):
        slot.put(number)
    put = threading.Event()
    thread = threading.Thread(target=lambda: (slot.put(4), put.set()))
    thread.start()
    assert slot.take() == 0
    assert not put.wait(0.05)
    assert slot.take() == 1
    assert put.wait(5)
    thread.join()
    assert [slot.take(0) for _ in range(4)] == [2, 3, 4, None]


def test_take_waits_until_an_item_comes_but_no_longer_than_told() -> None:
    slot: Slot[int] = Slot()
    slot.put(1)
    assert slot.take() == 1  # its bell has rung, and must not end the next wait
    assert slot.take(0.02) is None
    taken: list[int | None] = []
    thread = threading.Thread(target=lambda: taken.append(slot.take(5)))
    thread.start()
    slot.put(2)
    thread.join(5)
    assert taken == [2]


def test_closing_frees_a_waiting_take() -> None:
    slot: Slot[int] = Slot()
    taken: list[int | None] = []
    thread = threading.Thread(target=lambda: taken.append(slot.take()))
    thread.start()
    slot.close()
    thread.join(5)
    assert taken == [None]


def test_percentiles_are_numpys() -> None:
    samples = Samples()
    values = np.random.default_rng(0).gamma(2.0, 5.0, 999)
    for value in values:
        samples.add(float(value))
    got = samples.percentiles()
    np.testing.assert_allclose([got.p50, got.p90, got.p99], np.percentile(values, [50, 90, 99]))
    assert (got.max, got.count, got.exact) == (values.max(), 999, True)


def test_reservoir_is_bounded_and_fair() -> None:
    samples = Samples(500, seed=3)
    for value in range(20_000):
        samples.add(value)
    got = samples.percentiles()
    assert (got.count, got.max, got.exact) == (20_000, 19_999, False)
    assert len(samples._kept) == 500
    assert abs(got.p50 - 10_000) < 1_500


def test_no_samples_are_nan() -> None:
    got = Samples().percentiles()
    assert got.count == 0
    assert math.isnan(got.p50)
    assert math.isnan(got.max)


def test_recent_rate() -> None:
    recent = Recent(3)
    assert math.isnan(recent.rate)
    for now in (0.0, 10.0, 10.5, 11.0):
        recent.add(now, now)
    assert (recent.rate, recent.median) == (2.0, 10.5)


def test_memory_is_read_from_the_kernel(tmp_path: Path) -> None:
    status = tmp_path / "status"
    status.write_text("Name:\tx\nVmHWM:\t  4096 kB\nVmRSS:\t  2048 kB\n")
    assert resident_memory_mb(status) == (2.0, 4.0)
    assert all(math.isnan(value) for value in resident_memory_mb(tmp_path / "none"))


@pytest.mark.parametrize(
    "wrong", [{"max_frames": 0}, {"max_fps": 0.0}, {"warmup_frames": -1}, {"queue_frames": 0}]
)
def test_settings_check_themselves(wrong: dict[str, float]) -> None:
    with pytest.raises(ContractError, match=next(iter(wrong))):
        Settings(**wrong)


def test_first_failure_counts_and_second_signal_aborts() -> None:
    stop = Stop()
    first, second = ValueError("1"), ValueError("2")
    stop.fail(first)
    stop.fail(second)
    assert stop.error is first
    stop.interrupt()
    with pytest.raises(KeyboardInterrupt):
        stop.interrupt()


def test_json_has_null_for_what_was_not_measured() -> None:
    from maskattn_edge.pipeline.facts import rounded

    assert json.dumps(rounded({"a": math.nan, "b": [1.23456]})) == '{"a": null, "b": [1.2346]}'
