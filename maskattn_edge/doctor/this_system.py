"""The machine that we run on."""

from __future__ import annotations

import glob
import grp
import json
import os
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

from maskattn_edge.doctor.probes import PROBES, WRAPPER
from maskattn_edge.doctor.system import Access, Camera, Output, Probe
from maskattn_edge.doctor.v4l2 import describe_camera

_MOST_BYTES = 64 * 2**10
_TIMEOUT_S = 10.0
_PROBE_TIMEOUT_S = 60.0
"""Loading a large library from an SD card takes its time."""


class ThisSystem:
    """Answers from files, commands and child processes; see `System`."""

    def read(self, path: str) -> str | None:
        """The text of a small file, without the zeros that the device tree ends with."""
        try:
            with open(path, "rb") as file:
                return file.read(_MOST_BYTES).decode("utf-8", "replace").rstrip("\0")
        except OSError:
            return None

    def run(self, *command: str) -> Output | None:
        """What a command answers."""
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, errors="replace", timeout=_TIMEOUT_S,
                stdin=subprocess.DEVNULL, check=False,
            )  # fmt: skip
        except (OSError, subprocess.TimeoutExpired):
            return None
        return Output(done.returncode, done.stdout + done.stderr)

    @cache  # noqa: B019 - lives as long as the program; several checks ask the same
    def probe(self, name: str) -> Probe:
        """What a snippet finds in a process of its own."""
        code = WRAPPER.format(snippet=PROBES[name])
        try:
            done = subprocess.run(
                [sys.executable, "-c", code], capture_output=True, text=True, errors="replace",
                timeout=_PROBE_TIMEOUT_S, stdin=subprocess.DEVNULL, check=False,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            return Probe(error=f"it does not answer within {_PROBE_TIMEOUT_S:.0f} s")
        try:
            answer = json.loads(done.stdout.splitlines()[-1])
        except (IndexError, ValueError):
            return Probe(error=f"it crashes when it is loaded (exit code {done.returncode})")
        return Probe(answer.get("facts", {}), answer.get("error", ""))

    def access(self, path: str) -> Access | None:
        """What this user may do with a file."""
        try:
            group = os.stat(path).st_gid
        except OSError:
            return None
        return Access(os.access(path, os.R_OK), os.access(path, os.W_OK), _group_name(group))

    def glob(self, pattern: str) -> tuple[str, ...]:
        """Files that match, sorted by length and name."""
        return tuple(sorted(glob.glob(pattern), key=lambda name: (len(name), name)))

    def free_bytes(self, path: str) -> int | None:
        """Free room of the disk that holds a folder, or would hold it."""
        folder = Path(path)
        for existing in (folder, *folder.parents):
            try:
                return shutil.disk_usage(existing).free
            except FileNotFoundError:
                continue
            except OSError:
                return None
        return None

    def camera(self, path: str) -> Camera:
        """What a Video4Linux device says of itself."""
        return describe_camera(path)


def _group_name(number: int) -> str:
    try:
        return grp.getgrgid(number).gr_name
    except KeyError:  # as in a container that does not know the host's groups
        return str(number)
