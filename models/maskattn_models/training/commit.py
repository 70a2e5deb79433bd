"""Which commit of this project trains, where the package lies in its repository."""

from __future__ import annotations

import subprocess
from pathlib import Path

_SECONDS = 10.0


def commit_of(file: Path) -> str:
    """Hash of the commit that `file` is checked out from, "" if it lies in no repository.

    A repository around an installed package, such as one that holds the environment, does not
    count: the file must be tracked. With changes that are not committed "-dirty" follows.
    """
    folder = file.resolve().parent
    if _git(folder, "ls-files", "--error-unmatch", file.name) is None:
        return ""
    return _git(folder, "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*") or ""


def _git(folder: Path, *words: str) -> str | None:
    """What git prints; None if it fails, is not installed or takes too long."""
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *words],
            capture_output=True,
            text=True,
            check=True,
            timeout=_SECONDS,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
