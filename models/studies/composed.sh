#!/bin/sh
# The table of models/composed.md: objects told apart by a panoptic network, or by connected
# regions of a semantic one, on real objects composed into real scenes.
#
#   sh models/studies/composed.sh OBJECTS SCENES [FOLDER]
#
# OBJECTS has instances (COCO format, or class/ and instance/ masks), SCENES labels (CamVid).
# Started again, it goes on with what is missing. EPOCHS, SEEDS, IMAGES, SIZE and DEVICE may be set
# in the environment.
set -eu
objects=${1:?"usage: sh models/studies/composed.sh OBJECTS SCENES [FOLDER]"}
scenes=${2:?"usage: sh models/studies/composed.sh OBJECTS SCENES [FOLDER]"}
out=${3:-runs/composed}
data=$out/composed
size=${SIZE:-s}
maskattn() { python3 -m maskattn_edge "$@"; }
score() {
  run=$1 name=$2
  shift 2
  maskattn evaluate "$run/best.pt" --data "$data" --split test --as panoptic \
    --json "$run/$name.json" --pictures "$run/$name.png" "$@"
}

[ -e "$data/manifest.json" ] ||
  maskattn data prepare composed "$data" --objects "$objects" --scenes "$scenes" \
    --images "${IMAGES:-2000}" --seed 0

for task in semantic panoptic; do
  seed=0
  while [ "$seed" -lt "${SEEDS:-3}" ]; do
    run=$out/$task-$size/seed-$seed
    if [ ! -e "$run/done" ]; then
      rm -rf "$run" # a run that was cut off starts again
      maskattn train --data "$data" --task "$task" --size "$size" --epochs "${EPOCHS:-200}" \
        --seed "$seed" --device "${DEVICE:-cuda}" --out "$run" >&2
      touch "$run/done"
    fi
    echo "== $task, size $size, seed $seed, scored as panoptic"
    if [ "$task" = panoptic ]; then
      score "$run" test
    else # the smallest region is a choice: the set's smallest object, and the tool's default
      score "$run" test-24 --min-area 24
      score "$run" test-64 --min-area 64
    fi
    seed=$((seed + 1))
  done
done
