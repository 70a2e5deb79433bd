"""The kernel's files, energy meters and warnings, from folders written by hand."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from maskattn_benchmarks.conditions import machine_facts
from maskattn_benchmarks.disturbance import (
    load_at_rest,
    other_load,
    unsteady,
    warnings_before,
    warnings_during,
)
from maskattn_benchmarks.energy import NvmlMeter, RailMeter, RaplMeter, open_meters
from maskattn_benchmarks.machine import MachineState, machine_state
from maskattn_benchmarks.nvml import gpu_facts, used_mib

TICKS = os.sysconf("SC_CLK_TCK")


def put(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{text}\n")
    return root


def test_the_state_of_a_machine(tmp_path):
    root = put(
        tmp_path,
        {
            "proc/stat": f"cpu  {TICKS} {TICKS} {2 * TICKS} 900 5 0 0 {3 * TICKS} 0 0\ncpu0 1 2",
            "proc/loadavg": "1.25 0.5 0.1 2/300 99",
            "sys/fs/cgroup/cpu.stat": "usage_usec 5\nnr_throttled 7",
            "sys/devices/system/cpu/cpu0/thermal_throttle/core_throttle_count": "2",
            "sys/devices/system/cpu/cpu1/thermal_throttle/core_throttle_count": "3",
            "sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq": "1500000",
            "sys/devices/system/cpu/cpu1/cpufreq/scaling_cur_freq": "1600000",
            "sys/class/thermal/thermal_zone0/type": "CPU-therm",
            "sys/class/thermal/thermal_zone0/temp": "51500",
        },
    )
    state = machine_state(root)
    assert (state.busy_s, state.steal_s, state.load) == (4.0, 3.0, 1.25)
    assert (state.throttled, state.quota_throttled) == (5, 7)
    assert state.described() == {
        "load": "1.25",
        "core clocks": "1500 to 1600 MHz",
        "temperature CPU-therm": "52 °C",
    }


def test_a_machine_that_tells_nothing(tmp_path):
    state = machine_state(tmp_path)
    assert (state.busy_s, state.throttled, state.load, state.frequency_mhz) == (
        None,
        None,
        None,
        (),
    )
    assert state.described() == {}
    assert warnings_during(state, replace(state, at=state.at + 1)) == []
    facts = machine_facts(root=tmp_path)
    assert facts["CPU governor"] == facts["power mode"] == facts["machine"] == "unknown"


def test_facts(tmp_path):
    root = put(
        tmp_path,
        {
            "proc/device-tree/model": "NVIDIA Jetson Orin Nano\0",
            "proc/cpuinfo": "processor : 0\nmodel name : Abacus 3",
            "proc/meminfo": "MemTotal:  8388608 kB",
            "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor": "schedutil",
            "sys/devices/system/cpu/intel_pstate/no_turbo": "1",
            "var/lib/nvpmodel/status": "pmode:0000",
        },
    )
    facts = machine_facts(root=root)
    assert facts["machine"] == "NVIDIA Jetson Orin Nano"
    assert (facts["CPU"], facts["memory"]) == ("Abacus 3", "8.0 GiB")
    assert (facts["CPU governor"], facts["CPU turbo"]) == ("schedutil", "off")
    assert facts["power mode"] == "pmode:0000"


QUIET = MachineState(at=0.0, busy_s=10.0, steal_s=1.0, own_s=5.0, throttled=0, quota_throttled=0)


def later(**changes):
    return replace(QUIET, **{"at": 10.0, "busy_s": 20.0, "own_s": 15.0, **changes})


def test_a_quiet_run_has_no_warning():
    assert warnings_during(QUIET, later()) == []
    assert warnings_before("performance", 0.02) == []


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"busy_s": 32.0}, "Another load spoiled this run: other processes used 1.20 cores"),
        ({"steal_s": 3.0}, "hypervisor took 0.20 cores"),
        ({"throttled": 1}, "throttled the CPU"),
        ({"quota_throttled": 2}, "CPU quota"),
    ],
)
def test_what_spoils_a_run(changes, said):
    (text,) = warnings_during(QUIET, later(**changes))
    with pytest.raises(ValueError, match=said):
        raise ValueError(text)


def test_falling_clocks():
    first, last = replace(QUIET, frequency_mhz=(2000, 2000)), later(frequency_mhz=(2000, 1600))
    assert warnings_during(first, last) == [
        "Core clocks fell from 2000 to 1800 MHz during the run."
    ]
    assert warnings_during(first, later(frequency_mhz=(1990, 1990))) == []


def test_before_a_run():
    assert "governor is powersave" in warnings_before("powersave", None)[0]
    assert "already used 0.90 cores" in warnings_before("performance", 0.9)[0]
    states, slept = iter([QUIET, later(busy_s=25.0)]), []
    assert load_at_rest(state=lambda: next(states), sleep=slept.append) == 0.5
    assert slept == [1.0]
    assert other_load(QUIET, QUIET) is None


def test_first_frames_that_differ(make_report):
    slow_start = make_report(run=[6.0] * 30 + [5.0] * 170).runs[0]
    assert "differs by +20 % from the last half" in unsteady(slow_start)[0]
    assert unsteady(make_report(run=[5.2] * 30 + [5.0] * 170).runs[0]) == []
    assert unsteady(make_report(run=[9.0, 1.0]).runs[0]) == []


def rapl(root: Path, count: int) -> Path:
    zone = root / "class/powercap/intel-rapl:0"
    put(zone, {"name": "package-0", "max_energy_range_uj": "1000", "energy_uj": str(count)})
    return zone


def test_rapl_across_its_wrap(tmp_path):
    zone = rapl(tmp_path, 900)
    meter = RaplMeter(zone)
    assert meter.name == "RAPL package-0"
    (zone / "energy_uj").write_text("950\n")
    assert meter.joules() == pytest.approx(50e-6)
    (zone / "energy_uj").write_text("100\n")
    assert meter.joules() == pytest.approx(200e-6)


def test_a_rail_is_power_over_time(tmp_path):
    put(tmp_path, {"volts": "5000", "amperes": "2000"})  # mV, mA: 10 W
    moments = iter([0.0, 2.0, 3.0])
    meter = RailMeter(
        tmp_path / "volts", tmp_path / "amperes", "VDD_IN", period_s=60,
        clock=lambda: next(moments),
    )  # fmt: skip
    assert meter.joules() == pytest.approx(20.0)
    (tmp_path / "amperes").write_text("4000")  # 20 W at the end: 15 W on average
    assert meter.joules() == pytest.approx(35.0)
    meter.close()


class FakeNvml:
    """As much of pynvml as is asked for; a GPU that knows its name, and not its clocks."""

    class NVMLError(Exception):
        pass

    def __init__(self, counter: bool = True) -> None:
        self.energy_mj, self.counter = 5000, counter

    def nvmlDeviceGetHandleByIndex(self, index):  # noqa: N802
        return f"gpu{index}"

    def nvmlDeviceGetTotalEnergyConsumption(self, device):  # noqa: N802
        if not self.counter:
            raise self.NVMLError("Not Supported")
        return self.energy_mj

    def nvmlDeviceGetMemoryInfo(self, device):  # noqa: N802
        return type("Memory", (), {"used": 3 * 2**20})

    def nvmlDeviceGetName(self, device):  # noqa: N802
        return b"Fake GPU"

    def nvmlSystemGetDriverVersion(self):  # noqa: N802
        return "999.1"

    def __getattr__(self, name):
        def fails(*_):
            raise self.NVMLError("Not Supported")

        return fails


def test_nvml():
    nvml = FakeNvml()
    assert NvmlMeter(nvml).joules() == 5.0
    assert used_mib(nvml) == 3.0
    assert used_mib(None) is None
    assert gpu_facts(nvml) == {"GPU": "Fake GPU", "GPU driver": "999.1"}


def test_meters_and_what_is_lacking(tmp_path):
    meters, lacking = open_meters(None, "no driver", tmp_path)
    assert meters == []
    assert [text.partition(": not measured: ")[2] for text in lacking] == [
        "this machine has no /sys/class/powercap/intel-rapl",
        "no driver",
        "this machine has no power monitor INA3221",
    ]
    rapl(tmp_path, 0)
    monitor = tmp_path / "class/hwmon/hwmon3"
    put(monitor, {"name": "ina3221", "in1_label": "VDD_IN", "in1_input": "5", "curr1_input": "2"})
    meters, lacking = open_meters(FakeNvml(counter=False), "", tmp_path)
    assert [meter.name for meter in meters] == ["RAPL package-0", "rail VDD_IN"]
    assert lacking == ["GPU energy (NVML): not measured: NVML: Not Supported"]
    for meter in meters:
        meter.close()
