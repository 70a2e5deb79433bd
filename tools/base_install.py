"""Install a wheel alone into a fresh environment; print size and licences of what came with it.

    python tools/base_install.py dist/*.whl [--python python3.12] [--limit MB]

Exits with 1 above the limit, where a package is under the GPL, where a package bundles a library
that is, or where `maskattn-edge run` does not work. Sizes are of files as installed, without
compiled .pyc files and without pip itself.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

LIMIT_MB = 330
"""Today's 317 MB (Python 3.10) and 4 % for new releases; docs/packages.md says of what."""

GPL_LIBRARIES = ("libx264", "libx265", "libpostproc", "libreadline")
"""Shared libraries under the GPL that wheels are known to bundle."""

_OF_VENV = ("pip", "setuptools")

# Runs inside the new environment: importlib.metadata tells which files belong to a package.
_LIST = """
import importlib.metadata, json
found = []
for package in importlib.metadata.distributions():
    files = [package.locate_file(file) for file in package.files or ()]
    present = [file for file in files if file.is_file() and file.suffix != ".pyc"]
    data = package.metadata
    found.append({
        "name": data["Name"], "version": package.version,
        "bytes": sum(file.stat().st_size for file in present),
        "libraries": sorted({file.name for file in present if ".so" in file.suffixes}),
        "licence": data["License-Expression"] or "",
        "classifiers": [c for c in data.get_all("Classifier") or () if c.startswith("License")],
        "text": (data["License"] or "").strip().splitlines()[:1],
    })
print(json.dumps(found))
"""


def main() -> int:
    """Install, list, judge, run; the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("wheel", help="wheel to install, or requirements to compare with")
    parser.add_argument("more", nargs="*", help="further requirements of pip")
    parser.add_argument("--python", default=sys.executable, help="Python of the environment")
    parser.add_argument("--limit", type=float, default=LIMIT_MB, help="most MB, without Python")
    parser.add_argument("--no-run", action="store_true", help="only list; for comparisons")
    parser.add_argument("--json", type=Path, help="also write the list to this file")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        python = install(options.python, Path(scratch), [options.wheel, *options.more])
        packages = listed(python)
        faults = judged(packages, options.limit)
        if not options.no_run:
            faults += tried(python, Path(scratch))
    report(packages)
    if options.json:
        options.json.write_text(json.dumps(packages, indent=2) + "\n", encoding="utf-8")
    for fault in faults:
        print(f"FAIL {fault}", file=sys.stderr)
    return 1 if faults else 0


def install(python: str, folder: Path, requirements: list[str]) -> Path:
    """A new environment with these requirements; its Python."""
    subprocess.run([python, "-m", "venv", folder / "venv"], check=True)
    inside = folder / "venv" / "bin" / "python"
    pip = [inside, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-compile"]
    subprocess.run([*pip, *requirements], check=True)
    return inside


def listed(python: Path) -> list[dict]:
    """Name, version, bytes, libraries and licence of each package, the largest first."""
    done = subprocess.run([python, "-c", _LIST], check=True, capture_output=True, text=True)
    packages = [
        each for each in json.loads(done.stdout) if each["name"] not in ("pip", "setuptools")
    ]
    return sorted(packages, key=lambda each: -each["bytes"])


def licence_of(package: dict) -> str:
    """The licence in words, by what the package states most exactly."""
    named = [each.rpartition(" :: ")[2] for each in package["classifiers"]]
    return package["licence"] or ", ".join(named) or " ".join(package["text"]) or "not stated"


def is_gpl(licence: str) -> bool:
    """Whether it is the GPL, or the AGPL; the LGPL lets others link to it."""
    text = licence.replace("GNU General Public", "GPL").replace("GNU Affero", "AGPL")
    return "GPL" in text.replace("LGPL", "").replace("Lesser GPL", "")


def judged(packages: list[dict], limit: float) -> list[str]:
    """What is wrong with the list."""
    total = sum(each["bytes"] for each in packages) / 1e6
    faults = [f"{total:.0f} MB are above the limit of {limit:g}"] if total > limit else []
    for each in packages:
        if is_gpl(licence_of(each)):
            faults.append(f"{each['name']} is under {licence_of(each)}")
        bundled = [name for name in each["libraries"] if name.startswith(GPL_LIBRARIES)]
        if bundled:
            faults.append(f"{each['name']} bundles {', '.join(bundled)}, which are under the GPL")
    return faults


def tried(python: Path, folder: Path) -> list[str]:
    """Use the install as a new user does, outside of the source tree."""
    program, source = python.with_name("maskattn-edge"), "synthetic://?seed=1&frames=1"
    command = [program, "run", "--source", source, "--save", "overlay.png", "--jsonl", "out.jsonl"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    written = (folder / "overlay.png").is_file() and (folder / "out.jsonl").is_file()
    return [] if done.returncode == 0 and written else [f"run does not work: {done.stderr}"]


def report(packages: list[dict]) -> None:
    """A table for people, in Markdown."""
    print("| package | version | MB | licence |\n|---|---|--:|---|")
    for each in packages:
        megabytes = each["bytes"] / 1e6
        print(f"| {each['name']} | {each['version']} | {megabytes:.1f} | {licence_of(each)} |")
    print(f"| all | | {sum(each['bytes'] for each in packages) / 1e6:.1f} | |")


if __name__ == "__main__":
    sys.exit(main())
