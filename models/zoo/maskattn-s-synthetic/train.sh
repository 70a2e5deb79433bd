#!/bin/sh
# Makes the default model of the wheel, from nothing but a seed.
#
#   sh models/zoo/maskattn-s-synthetic/train.sh [FOLDER]
#
# Takes minutes on a GPU and hours on a CPU. The INT8 file is what the wheel carries:
#   cp FOLDER/best.int8.onnx maskattn_edge/assets/default.onnx
set -eu
out=${1:-runs/maskattn-s-synthetic}
edge() { python3 -m maskattn_edge "$@"; }

edge data prepare synthetic "$out/synthetic" --images 16000 --seed 1 --clips 0
edge train --data "$out/synthetic" --size s --epochs 60 --batch 128 --lr 5e-4 --cutmix 0 --seed 0 \
  --out "$out"
edge export "$out/best.pt" --int8 --name maskattn-s-synthetic \
  --weights-licence Apache-2.0 --data-licence "Apache-2.0 (drawn by this project)"
for file in best.pt best.fp32.onnx best.fp16.onnx best.int8.onnx; do
  edge evaluate "$out/$file" --data "$out/synthetic" --split test --json "$out/$file.test.json"
done
