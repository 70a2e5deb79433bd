#!/bin/sh
# List what a release brings with it: an SBOM (CycloneDX, JSON) and a table of sizes and licences.
#
#   sh tools/sbom.sh WHEEL FOLDER [PYTHON]
set -eu
wheel=$(realpath "$1")
mkdir -p "$2"
out=$(realpath "$2")
python=${3:-python3}
tools=$(dirname "$(realpath "$0")")
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
# The tool lists another environment than its own, so that it does not list itself.
for name in tool base; do "$python" -m venv "$scratch/$name"; done
"$scratch/tool/bin/python" -m pip install --quiet --disable-pip-version-check 'cyclonedx-bom>=7,<8'
"$scratch/base/bin/python" -m pip install --quiet --disable-pip-version-check "$wheel"
"$scratch/base/bin/python" -m pip uninstall --quiet --yes --disable-pip-version-check pip setuptools
"$scratch/tool/bin/cyclonedx-py" environment "$scratch/base" --output-reproducible \
  --output-format JSON --output-file "$out/sbom.cdx.json"
"$python" "$tools/base_install.py" "$wheel" --python "$python" --json "$out/licences.json" \
  >"$out/licences.md"
echo "sbom: $out/sbom.cdx.json, $out/licences.md"
