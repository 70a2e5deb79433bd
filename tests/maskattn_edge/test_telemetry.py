"""A robot tells nobody what it does: ONNX Runtime's reports to its maker are off."""

import os
import subprocess
import sys

from maskattn_edge.models import default_model

LOAD = """
import sys
{first}
import onnxruntime
onnxruntime.InferenceSession(sys.argv[1], providers=["CPUExecutionProvider"])
"""


def files_left(home, first, **settings):
    """What a process that loads a model leaves in an empty home."""
    home.mkdir()
    own = {"ORT_DISABLE_TELEMETRY", "XDG_CACHE_HOME", "CI", "TF_BUILD", "GITHUB_ACTIONS"}
    kept = {key: value for key, value in os.environ.items() if key not in own}
    subprocess.run(
        [sys.executable, "-c", LOAD.format(first=first), default_model()],
        env={**kept, "HOME": str(home), **settings},
        check=True,
        capture_output=True,
    )
    return [path.name for path in home.rglob("*") if path.is_file()]


def test_nothing_is_kept_for_reports(tmp_path):
    assert files_left(tmp_path / "ours", "import maskattn_edge") == []


def test_who_set_it_is_not_overruled():
    line = "import os, maskattn_edge; print(os.environ['ORT_DISABLE_TELEMETRY'])"
    for value, expected in (("0", "0"), (None, "1")):
        kept = {key: text for key, text in os.environ.items() if key != "ORT_DISABLE_TELEMETRY"}
        done = subprocess.run(
            [sys.executable, "-c", line],
            env=kept if value is None else {**kept, "ORT_DISABLE_TELEMETRY": value},
            check=True,
            capture_output=True,
            text=True,
        )
        assert done.stdout.strip() == expected
