#!/bin/sh
# Build the sdist and the wheel from it, install the wheel alone, and use it outside the tree, on
# every Python that we support and that is here: on PATH, or among those that pyenv keeps.
set -eu
python=$(cd "$(dirname "$(command -v "$1")")" && pwd)/$(basename "$1")
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
"$python" -m build --outdir "$scratch/dist" . >"$scratch/build.log" 2>&1 || {
  tail -20 "$scratch/build.log" >&2
  exit 1
}
cd "$scratch"
versions=0
pyenv=${PYENV_ROOT:-$HOME/.pyenv}/versions
for candidate in "$python" python3.10 python3.11 python3.12 \
  "$pyenv"/3.10.*/bin/python "$pyenv"/3.11.*/bin/python "$pyenv"/3.12.*/bin/python; do
  version=$("$candidate" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null) \
    || continue  # not here
  case " ${seen:-} " in *" $version "*) continue ;; esac
  seen="${seen:-} $version"
  rm -rf "$scratch/venv" "$scratch/out.webm"
  "$candidate" -m venv "$scratch/venv"
  "$scratch/venv/bin/python" -m pip install --quiet --disable-pip-version-check "$scratch"/dist/*.whl
  for package in maskattn_edge maskattn_models maskattn_export maskattn_benchmarks; do
    "$scratch/venv/bin/python" -c "import $package"
  done
  "$scratch/venv/bin/maskattn-edge" --version
  "$scratch/venv/bin/maskattn-edge" models
  "$scratch/venv/bin/maskattn-edge" run --source 'synthetic://?seed=1&frames=5' --save out.webm
  test -s out.webm
  # A command whose extra is missing must say how to get it, in one line, and not fail otherwise.
  if "$scratch/venv/bin/maskattn-edge" train --data "$scratch" 2>"$scratch/train.log"; then
    exit 1
  fi
  grep -q "pip install 'maskattn-edge\[train\]'" "$scratch/train.log"
  versions=$((versions + 1))
done
for version in 3.10 3.11 3.12; do
  case " $seen " in *" $version "*) ;; *) missing="${missing:-} $version" ;; esac
done
echo "wheel: $versions passed, 0 failed (Python$seen${missing:+; not here, so not tested:$missing})"
