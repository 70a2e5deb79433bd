"""The real boundary: files, commands, probes in a child, and a camera that ioctls describe."""

import errno
import os
import struct

import pytest

from maskattn_edge.doctor import Recorder, ThisSystem
from maskattn_edge.doctor import this_system as module
from maskattn_edge.doctor.system import Mode
from maskattn_edge.doctor.v4l2 import describe_camera


@pytest.fixture
def system():
    return ThisSystem()


def test_files_and_commands(system, tmp_path):
    (tmp_path / "b10").write_text("x")
    (tmp_path / "b9").write_bytes(b"board\0")
    assert system.read(str(tmp_path / "b9")) == "board"
    assert system.read(str(tmp_path)) is None
    assert system.glob(str(tmp_path / "b*")) == (str(tmp_path / "b9"), str(tmp_path / "b10"))
    assert system.run("sh", "-c", "echo out; echo err >&2; exit 3").text == "out\nerr\n"
    assert system.run("no-such-command-here") is None
    assert system.access(str(tmp_path / "b9")).readable
    assert system.access(str(tmp_path / "none")) is None
    assert system.free_bytes(str(tmp_path / "not" / "yet")) > 0
    assert system.camera(str(tmp_path / "none")).error == "No such file or directory"


def test_probes_outlive_what_they_load(system, monkeypatch):
    snippets = {
        "right": "facts = {'a': 1}\nprint('noise')",
        "missing": "import no_such_module_here",
        "crash": "import os; os.abort()",
    }
    monkeypatch.setattr(module, "PROBES", snippets)
    assert system.probe("right").facts == {"a": 1}
    assert system.probe("missing").error.startswith("ModuleNotFoundError: No module named")
    assert system.probe("crash").error == "it crashes when it is loaded (exit code -6)"


def test_a_hung_command_and_probe_are_given_up(system, monkeypatch):
    monkeypatch.setattr(module, "_TIMEOUT_S", 0.1)
    monkeypatch.setattr(module, "_PROBE_TIMEOUT_S", 0.1)
    monkeypatch.setattr(module, "PROBES", {"slow": "import time; time.sleep(9)"})
    assert system.run("sleep", "9") is None
    assert "does not answer" in system.probe("slow").error


def test_the_python_that_runs_us(system):
    facts = system.probe("python").facts
    assert facts["uid"] == os.getuid()
    assert facts["bits"] == 64
    recorder = Recorder(system)
    assert recorder.probe("python").facts == facts
    assert list(recorder.recording.probe) == ["python"]


def camera_ioctl(handle, request, answer):
    """A driver with MJPG at two sizes, and YUYV within bounds."""
    index = struct.unpack_from("I", answer)[0]
    number = request & 0xFF
    if number == 0:
        struct.pack_into("16s32s32s3I", answer, 0, b"uvcvideo", b"Cam", b"usb", 0, 0x80000001, 1)
    elif number == 2 and index < 2:
        struct.pack_into("4s", answer, 44, (b"MJPG", b"YUYV")[index])
    elif number == 74 and bytes(answer[4:8]) == b"MJPG" and index < 2:
        struct.pack_into("3I", answer, 8, 1, *((640, 480), (1280, 720))[index])
    elif number == 74 and bytes(answer[4:8]) == b"YUYV" and index < 1:
        struct.pack_into("7I", answer, 8, 3, 16, 800, 8, 16, 600, 8)
    elif number == 75 and bytes(answer[4:8]) == b"MJPG" and index < 2:
        struct.pack_into("3I", answer, 16, 1, 1, (15, 30)[index])
    else:
        raise OSError(errno.EINVAL, "Invalid argument")


def test_modes_of_a_camera(tmp_path):
    device = tmp_path / "video0"
    device.touch()
    camera = describe_camera(str(device), camera_ioctl)
    assert (camera.card, camera.driver, camera.capture) == ("Cam", "uvcvideo", True)
    assert camera.modes == (
        Mode("MJPG", 640, 480, 30.0),
        Mode("MJPG", 1280, 720, 30.0),
        Mode("YUYV", 800, 600, 0.0),
    )


def test_a_file_that_is_no_camera(tmp_path):
    device = tmp_path / "video0"
    device.touch()
    camera = describe_camera(str(device))
    assert not camera.capture
    assert camera.error == "Inappropriate ioctl for device"
