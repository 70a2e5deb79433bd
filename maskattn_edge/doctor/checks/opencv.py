"""OpenCV, and whether it has GStreamer, without which a Jetson's CSI cameras stay dark."""

from __future__ import annotations

from maskattn_edge.doctor import machine
from maskattn_edge.doctor.finding import Finding, broken, ok, warning
from maskattn_edge.doctor.system import System


def check(name: str, system: System) -> Finding:
    """It loads, and with what it was built."""
    found = system.probe("opencv")
    if found.error:
        return broken(name, f"it does not load ({found.error})", mend=_mend(system, found.error))
    parts = {"gstreamer": "GStreamer", "v4l": "V4L2", "ffmpeg": "FFmpeg", "gui": "windows"}
    words = [f"{'with' if found.facts[key] else 'no'} {word}" for key, word in parts.items()]
    text = f"{found.facts['version']}, {', '.join(words)}"
    if machine.is_jetson(system) and not found.facts["gstreamer"]:
        return warning(name, f"{text}: CSI cameras need GStreamer", mend=_with_gstreamer(system))
    return ok(name, text)


def _mend(system: System, error: str) -> str:
    if "libGL" in error or "libgthread" in error:  # the build with windows, without a desktop
        libraries = "libgl1 libglib2.0-0"
        return machine.as_root(system, f"apt install {libraries}")
    return machine.pip_install(system, "--force-reinstall", "opencv-python-headless")


def _with_gstreamer(system: System) -> str:
    """The system's OpenCV has GStreamer; pip's hides it in an environment that sees both."""
    program = str(machine.python(system).get("executable", "python3"))
    install = machine.as_root(system, "apt install python3-opencv")
    return f"{install} && {program} -m pip uninstall -y opencv-python opencv-python-headless"
