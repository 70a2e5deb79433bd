#!/bin/sh
# The comparisons of models/README.md, on a machine with a GPU.
#
#   sh models/studies/gpu.sh CAMVID [FOLDER]
#
# CAMVID holds the CamVid layout that `train` reads. Started again, it goes on with the runs that
# are missing. EPOCHS, SEEDS, DEVICE, JOBS (runs at a time, 6) and RECIPE, further options of every
# study such as "--cutmix 0 --loss cross-entropy+dice", may be set in the environment.
set -eu
data=${1:?"usage: sh models/studies/gpu.sh CAMVID [FOLDER]"}
out=${2:-runs/studies}
failed=""
study() { python3 -m maskattn_edge study "$@"; }
run() {
  name=$1 size=$2
  echo "== $name, size $size" >&2
  study "$name" --data "$data" --size "$size" --epochs "${EPOCHS:-200}" --seeds "${SEEDS:-3}" \
    --device "${DEVICE:-cuda}" --jobs "${JOBS:-6}" ${RECIPE:-} --out "$out/$name-$size" \
    >/dev/null || stop_or_note $? "$name-$size"
}
stop_or_note() { # a study in which a run failed does not end the others; Ctrl-C does
  [ "$1" -ne 130 ] || exit 130
  failed="$failed $2"
}

for size in n s m; do
  run ablation "$size"
done
run fractions s
run attention s

set --
for folder in "$out"/*/; do
  [ ! -e "$folder/results.json" ] || set -- "$@" "$folder"
done
study show "$@"
[ -z "$failed" ] || { echo "failed:$failed" >&2; exit 1; }
