"""OpenVINO's converter stays out of a robot's process, and comes where it is asked for."""

import subprocess
import sys

import pytest

pytest.importorskip("openvino")

CODE = """
import sys
from maskattn_edge.engines.openvino_library import load_openvino

openvino = load_openvino("a test")
heavy = {"openvino.tools.ovc", "openvino_telemetry", "urllib.request"} & set(sys.modules)
assert not heavy, heavy
assert load_openvino("a test") is openvino
try:
    openvino.convert_model()
except Exception as error:
    assert "openvino.tools.ovc" in sys.modules, error
assert openvino.convert_model is sys.modules["openvino.tools.ovc"].convert_model
"""


def test_the_converter_is_imported_on_first_use(cli_environment):
    subprocess.run([sys.executable, "-c", CODE], check=True, timeout=60, env=cli_environment)
