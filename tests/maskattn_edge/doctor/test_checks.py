"""What the doctor says of machines: recorded ones, and ones with a single fault."""

import pytest

from maskattn_edge.contract.errors import ContractError, DataError
from maskattn_edge.doctor import CHECKS, Finding, read_recording
from maskattn_edge.doctor.system import Access, Camera, Output, Probe

PYTHON = "/home/robot/maskattn/bin/python"


def mends(findings):
    return {name: finding.mend for name, finding in findings.items() if finding.status != "ok"}


@pytest.mark.parametrize("name", ["x86-without-gpu", "x86-with-gpu", "jetpack7-thor"])
def test_machines_with_nothing_to_mend(name, recording, findings_of):
    findings = findings_of(recording(name))
    assert list(findings) == list(CHECKS)
    assert mends(findings) == {}


def test_a_container_without_devices(recording, findings_of):
    findings = findings_of(recording("container-without-devices"))
    assert list(mends(findings)) == ["cameras"]
    assert findings["cameras"].mend.startswith("docker run --device /dev/video0 ...")
    assert findings["OS"].text.endswith("in a container")
    assert findings["driver"].text == "no NVIDIA GPU: models run on the processor"


def test_jetpack_6_in_a_slow_mode(recording, findings_of):
    findings = findings_of(recording("jetpack6-orin-nano"))
    assert mends(findings) == {"power": "sudo nvpmodel -m 2", "clocks": "sudo jetson_clocks"}
    assert "JetPack 6, L4T 36.4.3" in findings["Jetson"].text
    assert findings["CUDA"].text == "Orin, SM 8.7, 8.0 GB"
    assert findings["engines"].text.startswith("1 in /home/robot/.cache")
    assert findings["cameras"].details[0] == (
        "/dev/video0: vi-output, imx219 9-0010 (tegra-video, read through csi://)"
    )
    assert "  MJPG: 640x480 30/s, 1280x720 30/s, 1920x1080 30/s" in findings["cameras"].details


def test_jetpack_7(recording, findings_of):
    findings = findings_of(recording("jetpack7-thor"))
    assert "Thor Developer Kit, JetPack 7, L4T 38.2.1" in findings["Jetson"].text
    assert findings["cuda-bindings"].text == "13.0.3; PyCUDA 2025.1.2 is here too, not used"
    assert (findings["power"].text, findings["clocks"].text) == ("MAXN", "held at the top")


def test_jetpack_6_with_much_to_mend(recording, findings_of):
    findings = findings_of(recording("jetpack6-misconfigured"))
    engines = "/home/robot/.cache/maskattn-edge/engines"
    assert mends(findings) == {
        "OpenCV": "sudo apt install build-essential cmake python3-dev libgstreamer1.0-dev "
        "libgstreamer-plugins-base1.0-dev libv4l-dev && CMAKE_ARGS=-DWITH_GSTREAMER=ON "
        f"{PYTHON} -m pip install --force-reinstall --no-deps --no-binary opencv-python-headless "
        "opencv-python-headless  # takes an hour or two",
        "TensorRT": "sed -i '/^include-system-site-packages/s/false/true/' "
        "/home/robot/maskattn/pyvenv.cfg",
        "cuda-bindings": f"{PYTHON} -m pip install 'maskattn-edge[tensorrt]' 'cuda-bindings<13'",
        "engines": f"rm {engines}/1.json {engines}/2.json",
        "cameras": "maskattn-edge doctor  # again, once the permissions below are right",
        "permissions": "sudo usermod -aG video robot  # then log in again",
        "power": "sudo nvpmodel -m 2",
        "clocks": "sudo jetson_clocks",
        "memory": "sudo systemctl isolate multi-user.target  # ends the desktop until the next "
        "start",
        "disk": f"{PYTHON} -m pip cache purge && sudo apt clean",
    }
    assert [name for name, finding in findings.items() if finding.status == "broken"] == [
        "permissions"
    ]


def no_module(name):
    return Probe(error=f"ModuleNotFoundError: No module named '{name}'")


@pytest.mark.parametrize(
    ("machine", "change", "check", "status", "text", "mend"),
    [
        ("x86-without-gpu", {"probe": {"onnxruntime": no_module("onnxruntime")}},
         "ONNX Runtime", "broken", "does not load",
         f"{PYTHON} -m pip install --force-reinstall onnxruntime"),
        ("x86-without-gpu", {"probe": {"opencv": Probe(error="ImportError: libGL.so.1: no")}},
         "OpenCV", "broken", "libGL", "sudo apt install libgl1 libglib2.0-0"),
        ("x86-without-gpu", {"probe": {"packages": no_module("msgspec")}},
         "packages", "broken", "msgspec",
         f"{PYTHON} -m pip install --force-reinstall maskattn-edge"),
        ("x86-without-gpu", {"probe": {"model": Probe(error="ModelFileError: x")}},
         "model", "broken", "cannot be read",
         f"{PYTHON} -m pip install --force-reinstall --no-deps maskattn-edge"),
        ("x86-without-gpu", {"probe": {"openvino": Probe(error="ImportError: libtbb")}},
         "OpenVINO", "warning", "libtbb",
         f"{PYTHON} -m pip install --force-reinstall 'maskattn-edge[openvino]'"),
        ("x86-without-gpu", {"glob": {"/dev/video*": ()}},
         "cameras", "warning", "none", "lsusb  # is it plugged in? `run --source FILE` needs none"),
        ("x86-without-gpu", {"read": {"/proc/meminfo": "MemAvailable: 100000 kB"}},
         "memory", "broken", "97 MiB are free", "ps aux --sort=-rss | head  # shows which"),
        ("x86-with-gpu", {"probe": {"gpu": Probe(error="OSError: libcuda.so.1")}},
         "driver", "warning", "no driver's library", "sudo ubuntu-drivers install"),
        ("x86-with-gpu", {"probe": {"gpu": Probe(error="OSError: libcuda.so.1")}},
         "CUDA", "warning", "sees no GPU", "maskattn-edge doctor  # again"),
        ("x86-with-gpu", {"probe": {"gpu": Probe(error="OSError: libcuda.so.1")},
                          "access": {"/.dockerenv": Access(True, True, "root")}},
         "driver", "warning", "no driver's library", "docker run --gpus all ..."),
        ("x86-with-gpu", {"probe": {"gpu": Probe({"code": 804, "cuda": "13.0", "devices": []})}},
         "driver", "warning", "CUDA error 804", "sudo reboot"),
        ("x86-with-gpu", {"probe": {"tensorrt": no_module("tensorrt")}},
         "TensorRT", "warning", "does not find it", f"{PYTHON} -m pip install tensorrt-cu13"),
        ("x86-with-gpu", {"probe": {"tensorrt": Probe({"version": "8.6.1"})}},
         "TensorRT", "warning", "8.6.1 is too old", f"{PYTHON} -m pip install tensorrt-cu13"),
        ("x86-with-gpu", {"probe": {"cuda-bindings": no_module("cuda")}},
         "cuda-bindings", "warning", "not installed",
         f"{PYTHON} -m pip install 'maskattn-edge[tensorrt]' 'cuda-bindings<14'"),
        ("jetpack7-thor", {"probe": {"gpu": Probe(error="OSError: libcuda.so.1")},
                           "access": {"/.dockerenv": Access(True, True, "root")}},
         "driver", "warning", "no driver's library", "docker run --runtime nvidia ..."),
        ("jetpack7-thor", {"access": {"/tmp/argus_socket": None}},
         "cameras", "warning", "its service is not here",
         "sudo systemctl restart nvargus-daemon"),
        ("jetpack7-thor", {"access": {"/dev/nvmap": Access(False, False, "render")}},
         "permissions", "warning", "/dev/nvmap", "sudo usermod -aG render robot"),
        ("jetpack7-thor", {"access": {"/dev/video1": Access(True, False, "44"),
                                      "/.dockerenv": Access(True, True, "root")}},
         "permissions", "broken", "/dev/video1", "docker run --group-add 44 ..."),
        ("jetpack7-thor", {"read": {"/etc/nv_tegra_release": "# R35 (release), REVISION: 5.0"}},
         "Jetson", "warning", "L4T 35.5.0: tested are", "sudo apt install nvidia-jetpack"),
        ("jetpack7-thor", {"run": {"/usr/bin/python3 --version": Output(0, "Python 3.10.12")},
                           "probe": {"tensorrt": no_module("tensorrt")}},
         "TensorRT", "warning", "does not find it",
         "/usr/bin/python3 -m venv --system-site-packages ~/maskattn && "),
    ],
)  # fmt: skip
def test_one_fault(machine, change, check, status, text, mend, recording, findings_of):
    changed = recording(machine)
    for kind, answers in change.items():
        getattr(changed, kind).update(answers)
    finding = findings_of(changed)[check]
    assert (finding.status, text in finding.text) == (status, True), finding
    assert finding.mend.startswith(mend)


@pytest.mark.parametrize(
    ("facts", "text"), [({"version": "3.9.2"}, "3.10 to 3.12"), ({"bits": 32}, "32-bit")]
)
def test_a_python_that_is_not_supported(facts, text, recording, findings_of):
    changed = recording("x86-without-gpu")
    changed.probe["python"].facts.update(facts)
    finding = findings_of(changed)["Python"]
    assert finding.status == "broken"
    assert text in finding.text


def test_the_limit_of_a_container_counts(recording, findings_of):
    changed = recording("container-without-devices")
    changed.read["/sys/fs/cgroup/memory.max"] = str(150 * 2**20)
    changed.read["/sys/fs/cgroup/memory.current"] = str(50 * 2**20)
    finding = findings_of(changed)["memory"]
    assert finding.text == "100 MiB are free: a run needs about 200"
    assert finding.mend.startswith("docker update")


def test_root_needs_no_sudo(recording, findings_of):
    changed = recording("jetpack6-orin-nano")
    changed.probe["python"].facts["uid"] = 0
    assert findings_of(changed)["clocks"].mend == "jetson_clocks"


def test_gstreamer_is_missed_for_a_csi_camera_alone(recording, findings_of):
    changed = recording("jetpack6-misconfigured")
    changed.read["/sys/class/video4linux/video0/name"] = "HD Pro Webcam C920\n"
    assert findings_of(changed)["OpenCV"].status == "ok"


def test_a_metadata_node_is_no_camera(recording, findings_of):
    changed = recording("x86-without-gpu")
    changed.camera["/dev/video0"] = Camera(card="x", driver="uvcvideo", capture=False)
    assert findings_of(changed)["cameras"].text == "none"


@pytest.mark.parametrize("wrong", [{"status": "ok", "mend": "x"}, {"status": "broken"}])
def test_a_finding_has_a_mend_where_something_is_wrong(wrong):
    with pytest.raises(ContractError, match="has a mend"):
        Finding(name="x", text="y", **wrong)


@pytest.mark.parametrize("text", ['{"schema": 2}', "[", '{"read": 1}', '{"probes": {}}'])
def test_a_foreign_recording_is_one_line(text, tmp_path):
    path = tmp_path / "system.json"
    path.write_text(text)
    with pytest.raises(DataError, match="no recording of `maskattn-edge doctor --record`"):
        read_recording(path)
    with pytest.raises(DataError, match="No such file"):
        read_recording(tmp_path / "none.json")
