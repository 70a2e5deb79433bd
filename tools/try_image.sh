#!/bin/sh
# Build Dockerfile.jetson without a Jetson, as far as Ubuntu's packages reach, and use the result.
#
#   sh tools/try_image.sh JETPACK ROOTFS [--compile]
#
# JETPACK is 6 or 7, ROOTFS a folder that debootstrap made of jammy or noble. It takes the place of
# the dated image. What is left out is what only NVIDIA's repository has: its key and its list in
# stage l4t, TensorRT in stage runtime. Without --compile pip's OpenCV stands in for the one that
# stage builder compiles with GStreamer. Everything else runs as it stands there. Needs buildah,
# and root; no daemon, no registry of images.
set -eu
jetpack=$1 rootfs=$2 compile=${3:-}
root=$(cd "$(dirname "$0")/.." && pwd)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
say() { echo "try_image: $*"; }

# The rootfs, under the name that the Dockerfile asks for.
base=$(sed -n "s/^FROM \(ubuntu:[^ ]*\) AS jetpack$jetpack$/\1/p" "$root/Dockerfile.jetson")
container=$(buildah from scratch)
buildah add --quiet "$container" "$rootfs" / >/dev/null
buildah commit --quiet --rm "$container" "docker.io/library/$base" >/dev/null
say "$base is $(sed -n 's/^PRETTY_NAME=//p' "$rootfs/etc/os-release")"

# What NVIDIA's repository alone has, left out; a line that is not found any more is an error.
cp "$root/Dockerfile.jetson" "$scratch/Dockerfile"
without() {  # PATTERN of sed, REPLACEMENT
  before=$(cksum <"$scratch/Dockerfile")
  sed -i -E "/$1/$2" "$scratch/Dockerfile"
  [ "$before" != "$(cksum <"$scratch/Dockerfile")" ] || { say "not found: $1" >&2; exit 1; }
}
without '^ADD --chmod=644 https:\/\/repo\.download\.nvidia\.com' ',+1d'
without 'echo "deb \[signed-by=.*nvidia' 's/echo "deb.*main";/true;/'
without 'libnvinfer10 .*python3-libnvinfer' 'd'
if [ "$compile" != --compile ]; then
  without '--no-binary opencv-python-headless' 's/--no-binary opencv-python-headless//'
  without "assert 'GStreamer: " "s/assert .* in (.*)\"/print(cv2.__version__)\"/"
fi

# pip asks where this machine's pip asks, and trusts what it trusts.
printf '[global]\n' >"$scratch/pip.conf"
[ ! -f /etc/pip.conf ] || cp /etc/pip.conf "$scratch/pip.conf"
set -- --volume "$scratch/pip.conf:/etc/pip.conf:ro"
if [ -n "${PIP_CERT:-}" ]; then
  sed -i '/^ *cert *=/d; s|^\[global\]|&\ncert = /etc/this-machine.crt|' "$scratch/pip.conf"
  set -- "$@" --volume "$PIP_CERT:/etc/this-machine.crt:ro"
fi
for stage in builder runtime; do
  started=$(date +%s)
  buildah build --isolation chroot --pull-never --layers --build-arg "JETPACK=$jetpack" "$@" \
    --ignorefile "$root/.dockerignore" --target "$stage" --format docker \
    --file "$scratch/Dockerfile" --tag "maskattn-edge:try-$jetpack-$stage" "$root" \
    >"$scratch/$stage.log" 2>&1 || { tail -40 "$scratch/$stage.log" >&2; exit 1; }
  say "stage $stage built, $(($(date +%s) - started)) s"
done

container=$(buildah from --pull-never "localhost/maskattn-edge:try-$jetpack-runtime")
inside() { buildah run --isolation chroot --user 1000:1000 "$container" -- "$@"; }
inside id
inside python3 --version
say "doctor (no GPU, no TensorRT and no camera here, so that it may exit with 1)"
inside maskattn-edge doctor || say "doctor exits with $?"
inside sh -c 'maskattn-edge run --source "synthetic://?seed=1&frames=20" --save /tmp/out.webm &&
  test -s /tmp/out.webm && test -s /run/maskattn/stats.jsonl'
say "run works, and writes the file of the health check"
health=$(sed -n 's/^ *CMD \["sh", "-c", "\(.*\)"\]$/\1/p' "$root/Dockerfile.jetson" | sed 's/\\"/"/g')
inside sh -c "$health"
say "the health check is content"
buildah rm "$container" >/dev/null
