#!/bin/sh
# The comparisons of models/README.md, on a machine with a GPU; about an hour on one H100 or H200.
#
#   sh models/studies/gpu.sh CAMVID [FOLDER]
#
# CAMVID holds the CamVid layout that `train` reads. Interrupted or started again, it goes on with
# the runs that are missing. EPOCHS and SEEDS may be set in the environment.
set -eu
data=${1:?"usage: sh models/studies/gpu.sh CAMVID [FOLDER]"}
out=${2:-runs/studies}
study() { python3 -m maskattn_edge study "$@"; }
run() {
  name=$1 size=$2
  study "$name" --data "$data" --size "$size" --epochs "${EPOCHS:-200}" --seeds "${SEEDS:-3}" \
    --device "${DEVICE:-cuda}" --out "$out/$name-$size" >"$out/$name-$size.txt"
}

mkdir -p "$out"
for size in n s m; do
  run ablation "$size"
done
run fractions s
run attention s

study show "$out/ablation-n" "$out/ablation-s" "$out/ablation-m" "$out/fractions-s" \
  "$out/attention-s"
