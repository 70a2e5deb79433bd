#!/bin/sh
# Prove that every package of the base install and of the tensorrt extra has a wheel for a Jetson.
#
#   sh tools/resolve_aarch64.sh WHEEL [PYTHON [FOLDER]]
#
# With FOLDER, the versions are written there as constraints, which Dockerfile.jetson installs by.
# Nothing is installed: pip only resolves, for JetPack 6 (Python 3.10) and JetPack 7 (3.12). TensorRT
# itself is none of pip's on a Jetson: it comes with JetPack.
set -eu
wheel=$(realpath "$1")
python=${2:-python3}
folder=${3:-}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

resolve() {  # VERSION REQUIREMENT...
  version=$1
  shift
  # glibc of Ubuntu 22.04 is 2.35: wheels for it and for all older ones may be used.
  set -- --platform manylinux_2_35_aarch64 --platform manylinux_2_34_aarch64 \
    --platform manylinux_2_31_aarch64 --platform manylinux_2_28_aarch64 \
    --platform manylinux_2_27_aarch64 --platform manylinux_2_26_aarch64 \
    --platform manylinux_2_17_aarch64 --platform manylinux2014_aarch64 "$@"
  "$python" -m pip install --quiet --disable-pip-version-check --dry-run --ignore-installed \
    --target "$scratch/none" --python-version "$version" --implementation cp \
    --only-binary=:all: --report "$scratch/report.json" "$@"
  "$python" - "$version" "$scratch/report.json" "$folder" <<'END'
import json, pathlib, sys
with open(sys.argv[2], encoding="utf-8") as file:
    found = json.load(file)["install"]
named = {each["metadata"]["name"].lower(): each["metadata"]["version"] for each in found}
named.pop("maskattn-edge")
names = sorted(f"{name}=={version}" for name, version in named.items())
if sys.argv[3]:
    file = pathlib.Path(sys.argv[3], f"constraints-py{sys.argv[1]}.txt")
    file.write_text("# By tools/resolve_aarch64.sh\n" + "\n".join(names) + "\n", encoding="utf-8")
print(f"Python {sys.argv[1]}, aarch64: {len(names)} packages: {', '.join(names)}")
END
}

# pip reads "python_version < '3.11'" by the Python that runs it: name what it may have left out.
resolve 3.10 "${wheel}[tensorrt]" 'cuda-bindings<13' 'tomli>=2'
resolve 3.12 "${wheel}[tensorrt]"
