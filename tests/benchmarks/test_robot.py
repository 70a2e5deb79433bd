"""The robot's loop: cameras, load and gauges; short runs, and fakes where time matters."""

import cv2
import msgspec
import numpy as np
import pytest

from maskattn_benchmarks import robot as module
from maskattn_benchmarks.gauges import GaugeLog
from maskattn_benchmarks.load_tables import robot_tables
from maskattn_benchmarks.replay import ReplayCamera, open_live
from maskattn_benchmarks.results import CameraRun, RobotRun, Series
from maskattn_benchmarks.robot import RobotSettings, busy, drive
from maskattn_benchmarks.robot_frames import FrameLedger
from maskattn_benchmarks.robot_plot import age_plot, gauge_plots
from maskattn_edge.cli.app import run_command
from maskattn_edge.contract.errors import ContractError, SourceError
from maskattn_edge.models import default_model

CLIP = "synthetic://?frames=2&width=160&height=120"


def test_a_short_loop_of_two_cameras(monkeypatch):
    monkeypatch.setattr(module, "TICK_S", 0.2)
    ticks = []
    settings = RobotSettings(cameras=(CLIP, CLIP), hogs=1, seconds=1.5)
    run = drive("d/o", default_model(), "onnxruntime", settings, threads=1, on_tick=ticks.append)
    assert (run.complete, run.hogs, run.seconds) == (True, 1, 1.5)
    for camera in run.cameras:
        assert (camera.failure, camera.source) == ("", CLIP)
        assert len(camera.age) > 0
        assert min(camera.age) > 0
        assert all(0 <= at < 1.5 for at in camera.at)
        assert camera.captured == len(camera.at) + camera.dropped
        # A camera of 30 frames a second sends 45 in that time, one more or less at each end.
        assert camera.captured + camera.missed in (44, 45, 46)
        assert all(age >= latency for age, latency in zip(camera.age, camera.latency, strict=True))
        assert camera.device.startswith("CPU, 1 thread")
    assert len(ticks) >= 3
    assert not ticks[0].complete
    assert run.series.at == tuple(sorted(run.series.at))


def test_every_frame_is_counted_once():
    ledger = FrameLedger()
    assert ledger.delivered_until == float("-inf")
    ledger.add([(3, 9.9), (4, 10.0), (5, 10.1), (8, 10.4)], [(3, 5.0, 2.0), (5, 7.0, 3.0)])
    # 3 came before the loop, 4 was replaced by 5, 6 and 7 were never read, 8 is on its way
    first = ledger.run(10.0, 1.0, source="c", device="d", failure="")
    assert (first.captured, first.dropped, first.missed) == (2, 1, 0)
    assert (first.at, first.age, first.latency) == ((0.1,), (7.0,), (3.0,))
    ledger.add([(9, 10.9), (10, 11.0), (11, 11.1)], [(11, 9.0, 4.0)])  # 11 came after the loop
    assert ledger.delivered_until == 11.1
    last = ledger.run(10.0, 1.0, source="c", device="d", failure="")
    assert (last.captured, last.dropped, last.missed) == (4, 3, 2)
    assert last.at == (0.1,)
    nothing = ledger.run(20.0, 1.0, source="c", device="d", failure="x")
    assert (nothing.captured, nothing.dropped, nothing.missed, nothing.failure) == (0, 0, 0, "x")


def test_a_camera_that_fails_says_why(tmp_path):
    settings = RobotSettings(cameras=(str(tmp_path / "none.mp4"),), hogs=0, seconds=0.5)
    run = drive("d/o", default_model(), "onnxruntime", settings)
    assert not run.complete
    assert "none.mp4: no such file" in run.cameras[0].failure


def test_the_load_ends_with_its_block():
    with busy(2) as hogs:
        assert [hog.poll() for hog in hogs] == [None, None]
    assert [hog.poll() for hog in hogs] == [-9, -9]


@pytest.fixture
def jpegs():
    return [cv2.imencode(".jpg", np.full((8, 8, 3), value, np.uint8))[1].tobytes()
            for value in (10, 200)]  # fmt: skip


def test_a_recording_comes_at_the_pace_of_a_camera(jpegs):
    now, slept = [100.0], []

    def sleep(seconds):
        slept.append(round(seconds, 6))
        now[0] += seconds

    camera = ReplayCamera(jpegs, 10.0, "clip", clock=lambda: now[0], sleep=sleep)
    first, second = camera.read(), camera.read()
    assert (first.index, second.index) == (0, 1)
    assert slept == [0.1]
    assert second.captured == pytest.approx(100.1)
    assert (int(first.image_bgr[0, 0, 0]), int(second.image_bgr[0, 0, 0])) == (10, 200)
    now[0] += 0.55  # a reader that was away misses frames 2 to 5, and frame 6 is already there
    late = camera.read()
    assert late.index == 6
    assert late.captured == pytest.approx(100.6)
    with pytest.raises(SourceError, match="no picture"):
        ReplayCamera([b"x"], 10.0, "clip").read()


def test_live_sources_stay_as_they_are():
    with open_live("synthetic://?width=32&height=32") as live:
        assert not isinstance(live, ReplayCamera)
    with open_live(CLIP) as played:
        assert played.live
        assert played.describe() == f"{CLIP} played as a camera, 160x120, 30 frames/s"


def test_gauges_that_come_and_go(tmp_path):
    zone = tmp_path / "sys/class/thermal/thermal_zone0"
    zone.mkdir(parents=True)
    (zone / "type").write_text("cpu")
    log = GaugeLog(root=tmp_path)
    log.read(0.0)
    (zone / "temp").write_text("45500")
    log.read(1.0)
    series = log.series()
    assert series.at == (0.0, 1.0)
    assert series.gauges == {"cpu, °C": (None, 45.5)}


def heated() -> RobotRun:
    """100 s at 10 frames a second, whose ages rise from 10 to 20 ms halfway."""
    at = tuple(k / 10 for k in range(1000))
    camera = CameraRun(source="c", captured=2000, dropped=1000, missed=7, seconds=100.0, at=at,
                       age=(10.0,) * 500 + (20.0,) * 500, latency=(5.0,) * 1000)  # fmt: skip
    seconds = tuple(float(k) for k in range(100))
    series = Series(at=seconds, gauges={"cpu, °C": (40.0,) * 50 + (None,) * 50})
    return RobotRun(name="m/e", hogs=2, seconds=100.0, complete=True, cameras=(camera,),
                    series=series)  # fmt: skip


def test_heat_is_seen_over_time(make_report):
    report = msgspec.structs.replace(make_report(m=[1.0]), robot=(heated(),))
    loop, over_time = robot_tables(report)
    assert loop.rows[0][1:] == ("10.0", "20.00", "20.00", "20.00", "20.00", "5.00", "2000", "1000",
                                "50.00", "7", "complete")  # fmt: skip
    assert "2 busy processes" in loop.title
    assert over_time.rows[0] == ("0 to 10 s", "100", "10.00", "5.00", "40.0")
    assert over_time.rows[9] == ("90 to 100 s", "100", "20.00", "5.00", "not measured")
    assert age_plot(heated()).count("<path") == 1
    ((name, plot),) = gauge_plots(heated())
    assert name == "cpu, °C"
    assert plot.partition('d="')[2].partition('"')[0].count("L") == 49  # then it was not read


def test_wrong_use(capsys):
    with pytest.raises(ContractError, match="1 to 16 cameras"):
        RobotSettings(cameras=())
    assert run_command(["benchmark", str(default_model()), "--minutes", "1"]) == 2
    assert "--minutes means nothing without --robot" in capsys.readouterr().err
