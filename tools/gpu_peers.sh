#!/usr/bin/env bash
# Our engines and the peers on a GPU, in one interleaved run; within nine minutes.
#
#   tools/gpu_peers.sh FOLDER MODEL.onnx ...      the first model is also run by other engines
#
# For the whole table: n, s and m in fp16 and INT8, panoptic s in both; s first, with its program
# (python -m maskattn_export.program CHECKPOINT s.fp16.pt2) beside it, for PyTorch.
# FOLDER/peers may hold peers (plain-unet.onnx, segformer-b0.onnx, published.onnx); those that are
# missing are made in fp16 with random weights, where PyTorch, onnx and transformers are installed.
# PYTHON names an interpreter in which `import tensorrt` and `import cuda.bindings` work.
# JOBS engines are built at a time (1): a build takes 20 to 60 s alone, on an H100 with 16 cores, and
# five at a time were not done in 125 s.
# Engines stay in the cache: a second call builds only what the first did not.
set -uo pipefail
python=${PYTHON:-python3}
jobs=${JOBS:-1}
if [ $# -lt 2 ]; then
  echo "usage: tools/gpu_peers.sh FOLDER MODEL.onnx ..." >&2
  exit 2
fi
tools=$(cd "$(dirname "$0")" && pwd)
root=$(dirname "$tools")
export PYTHONPATH="$root:$root/models:$root/export:$root/benchmarks${PYTHONPATH:+:$PYTHONPATH}"
out=$1
shift
mkdir -p "$out/peers"

classes=$("$python" - "$1" <<'PY'
import sys
from pathlib import Path

from maskattn_edge.contract.model_file import read_model_file

print(len(read_model_file(Path(sys.argv[1])).spec.classes))
PY
) || exit 1
for name in plain-unet segformer-b0 published; do
  if [ ! -f "$out/peers/$name.onnx" ]; then
    timeout "${PEER_S:-40}" "$python" -m maskattn_export.peers "$name" "$out/peers/$name.onnx" \
      --classes "$classes" --fp16 2> "$out/peers/$name.err" &
  fi
done
wait
models=("$@")
for name in plain-unet segformer-b0 published; do
  if [ -f "$out/peers/$name.onnx" ]; then
    models+=("$out/peers/$name.onnx")
  else
    echo "$name: not written: $(tail -n 1 "$out/peers/$name.err")" | tee -a "$out/missing.txt" >&2
  fi
done

"$python" "$tools/gpu_peers.py" build "$out" "${models[@]}" --jobs "$jobs" \
  --seconds "${BUILD_S:-360}" || exit 1
timeout --signal=INT "${MEASURE_S:-95}" "$python" "$tools/gpu_peers.py" measure "$out" \
  "${models[@]}" --seconds 12
measured=$?
"$python" "$tools/gpu_peers.py" --show "$out" | tee "$out/table.md"
exit "$measured"
