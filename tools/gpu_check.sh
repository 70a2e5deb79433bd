#!/usr/bin/env bash
# All tests that need a GPU, then the engines of model files with their times; results as JSON.
#
#   tools/gpu_check.sh [FOLDER] [MODEL.onnx ...]     default folder: gpu-check; shipped model
#
# Needs an environment in which `import tensorrt` and `import cuda.bindings` work; PYTHON names its
# interpreter. Tests of training are left out where PyTorch is not installed.
set -uo pipefail
cd "$(dirname "$0")/.."
python=${PYTHON:-python3}
out=${1:-gpu-check}
shift || true
mkdir -p "$out"
export PYTHONPATH="$PWD:$PWD/models:$PWD/export:$PWD/benchmarks${PYTHONPATH:+:$PYTHONPATH}"

folders=(tests/maskattn_edge)
"$python" -c 'import torch' 2>/dev/null && folders+=(tests/models)
mapfile -t files < <(grep -rl --include='test_*.py' 'mark\.gpu' "${folders[@]}" | sort)
timeout 400 "$python" -m pytest -q -m gpu -p no:cacheprovider "${files[@]}" \
  --junitxml "$out/tests.xml" | tee "$out/tests.txt"
tests=${PIPESTATUS[0]}
timeout 300 "$python" tools/gpu_engines.py "$@" > "$out/engines.json" 2> "$out/engines.err"
engines=$?

"$python" - "$out" "$tests" "$engines" <<'PY'
import json
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

out, tests, engines = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
cases = []
if (out / "tests.xml").is_file():
    for case in ET.parse(out / "tests.xml").iter("testcase"):
        kinds = [child.tag for child in case if child.tag in ("failure", "error", "skipped")]
        reason = next((child.get("message") for child in case if child.tag in kinds), None)
        cases.append(
            {
                "test": f"{case.get('classname')}::{case.get('name')}",
                "outcome": kinds[0] if kinds else "passed",
                "seconds": float(case.get("time", 0)),
                "reason": reason,
            }
        )
try:
    measured = json.loads((out / "engines.json").read_text())
except ValueError:
    measured = {"error": (out / "engines.err").read_text()[-2000:]}
result = {"tests_exit_code": tests, "engines_exit_code": engines, "tests": cases,
          "engines": measured}
(out / "gpu-check.json").write_text(json.dumps(result, indent=2) + "\n")
passed = sum(case["outcome"] == "passed" for case in cases)
print(f"{passed} of {len(cases)} GPU tests passed; {out}/gpu-check.json has everything")
PY
[ "$tests" -eq 0 ] && [ "$engines" -eq 0 ]
