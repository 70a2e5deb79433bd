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
    if machine.has_csi_camera(system) and not found.facts["gstreamer"]:
        text = f"{text}: the CSI camera needs GStreamer"
        return warning(name, text, mend=_with_gstreamer(system))
    return ok(name, text)


def _mend(system: System, error: str) -> str:
    if "libGL" in error or "libgthread" in error:  # the build with windows, without a desktop
        libraries = "libgl1 libglib2.0-0"
        return machine.as_root(system, f"apt install {libraries}")
    return machine.pip_install(system, "--force-reinstall", "opencv-python-headless")


def _with_gstreamer(system: System) -> str:
    """Compile the same OpenCV with it: pip's has none, and apt's is older than what we need."""
    packages = "build-essential cmake python3-dev libgstreamer1.0-dev"
    install = machine.as_root(
        system, f"apt install {packages} libgstreamer-plugins-base1.0-dev libv4l-dev"
    )
    package = "opencv-python-headless"
    words = ("--force-reinstall", "--no-deps", "--no-binary", package, package)
    compile_it = machine.pip_install(system, *words)
    return f"{install} && CMAKE_ARGS=-DWITH_GSTREAMER=ON {compile_it}  # takes an hour or two"
