#!/bin/sh
# What object heads are worth beside connected regions of a semantic network's labels.
#
#   sh models/studies/panoptic.sh DATA OUT
#
# DATA has instances: COCO or Cityscapes as `data prepare` writes them, or the synthetic set. Over
# the seeds it trains a semantic, a panoptic and an instance network of one size and recipe, exports
# them in fp32, fp16 and INT8, and scores each on SPLIT: the semantic one as panoptic and instance
# too, its objects then being connected regions. Complete runs are kept when it is started again.
# EPOCHS, SEEDS, SIZE, SPLIT and DEVICE may be set in the environment.
set -eu
data=${1:?"usage: sh models/studies/panoptic.sh DATA OUT"}
out=${2:?"usage: sh models/studies/panoptic.sh DATA OUT"}
split=${SPLIT:-val}
edge() { python3 -m maskattn_edge "$@"; }
score() { # MODEL TASK REPORT
  [ -e "$3" ] || edge evaluate "$1" --data "$data" --split "$split" --as "$2" --json "$3"
}

for seed in ${SEEDS:-0 1 2}; do
  for task in semantic panoptic instance; do
    run="$out/$task-$seed"
    resume=""
    [ ! -e "$run/last.pt" ] || resume=--resume
    edge train --data "$data" --task "$task" --size "${SIZE:-s}" --epochs "${EPOCHS:-100}" \
      --seed "$seed" --device "${DEVICE:-cuda}" --out "$run" $resume
    [ -e "$run/best.int8.onnx" ] || edge export "$run/best.pt" --fp16 --int8
    for precision in fp32 fp16 int8; do
      model="$run/best.$precision.onnx"
      score "$model" semantic "$run/$precision-semantic.json"
      [ "$task" = instance ] || score "$model" panoptic "$run/$precision-panoptic.json"
      score "$model" instance "$run/$precision-instance.json"
    done
  done
done
