"""Snippets that run in a Python of their own and leave their answer in `facts`.

A library that is half installed may crash where it is imported; the doctor must outlive that.
"""

from __future__ import annotations

_PYTHON = """
import grp, os, platform, pwd, struct, sys
facts = {
    "version": platform.python_version(), "executable": sys.executable,
    "bits": 8 * struct.calcsize("P"), "machine": platform.machine(), "prefix": sys.prefix,
    "venv": sys.prefix != sys.base_prefix, "kernel": platform.release(),
    "home": os.path.expanduser("~"), "folder": os.getcwd(), "uid": os.getuid(),
}
try:
    facts["user"] = pwd.getpwuid(os.getuid()).pw_name
except KeyError:
    facts["user"] = str(os.getuid())
"""

_PACKAGES = """
import importlib, importlib.metadata
facts = {}
for name in ("numpy", "msgspec", "typer", "rich"):
    importlib.import_module(name)
    facts[name] = importlib.metadata.version(name)
"""

_OPENCV = """
import re
import cv2
def built(name):
    found = re.search(rf"^ +{name}[^:]*: +(\\S+)", cv2.getBuildInformation(), re.M)
    return bool(found) and found[1] not in ("NO", "NONE")
facts = {"version": cv2.__version__, "file": cv2.__file__, "gstreamer": built("GStreamer"),
         "ffmpeg": built("FFMPEG"), "v4l": built("v4l/v4l2"), "gui": built("GUI")}
"""

_ONNXRUNTIME = """
import onnxruntime
facts = {"version": onnxruntime.__version__, "providers": onnxruntime.get_available_providers()}
"""

_OPENVINO = """
import openvino
facts = {"version": openvino.__version__.partition("-")[0],
         "devices": openvino.Core().available_devices}
"""

_TENSORRT = """
import tensorrt
facts = {"version": tensorrt.__version__}
"""

_CUDA_BINDINGS = """
import importlib.metadata
import cuda.bindings.driver
facts = {"version": importlib.metadata.version("cuda-bindings")}
"""

_PYCUDA = """
import importlib.metadata
import pycuda.driver
facts = {"version": importlib.metadata.version("pycuda")}
"""

_GPU = """
import ctypes
cuda = ctypes.CDLL("libcuda.so.1")
code = cuda.cuInit(0)
version, count, devices = ctypes.c_int(), ctypes.c_int(), []
cuda.cuDriverGetVersion(ctypes.byref(version))
if code == 0:
    cuda.cuDeviceGetCount(ctypes.byref(count))
for index in range(count.value):
    name, total = ctypes.create_string_buffer(256), ctypes.c_size_t()
    major, minor = ctypes.c_int(), ctypes.c_int()
    cuda.cuDeviceGetName(name, 256, index)
    cuda.cuDeviceTotalMem_v2(ctypes.byref(total), index)
    cuda.cuDeviceGetAttribute(ctypes.byref(major), 75, index)  # compute capability
    cuda.cuDeviceGetAttribute(ctypes.byref(minor), 76, index)
    devices.append({"name": name.value.decode(errors="replace"), "bytes": total.value,
                    "sm": f"{major.value}.{minor.value}"})
facts = {"code": code, "cuda": f"{version.value // 1000}.{version.value % 1000 // 10}",
         "devices": devices}
"""

_MODEL = """
from maskattn_edge.contract.model_file import read_model_file
from maskattn_edge.models import default_model
file = read_model_file(default_model())
facts = {"name": file.spec.name, "precision": file.spec.precision.name, "file": str(file.path)}
"""

PROBES = {
    "python": _PYTHON,
    "packages": _PACKAGES,
    "opencv": _OPENCV,
    "onnxruntime": _ONNXRUNTIME,
    "openvino": _OPENVINO,
    "tensorrt": _TENSORRT,
    "cuda-bindings": _CUDA_BINDINGS,
    "pycuda": _PYCUDA,
    "gpu": _GPU,
    "model": _MODEL,
}
"""Name of a probe -> its snippet."""

WRAPPER = """
import json, sys
try:
    names = {{}}
    exec({snippet!r}, names)
    answer = {{"facts": names["facts"]}}
except BaseException as error:
    lines = str(error).strip().splitlines() or [""]
    answer = {{"error": f"{{type(error).__name__}}: {{lines[0]}}"}}
print("\\n" + json.dumps(answer))
"""
"""Runs a snippet; the last line that it prints is the answer as JSON."""
