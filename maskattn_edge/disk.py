"""Room on the disk: asked for before work starts, and told in one line when it runs out."""

from __future__ import annotations

import shutil
from pathlib import Path

from maskattn_edge.contract.errors import DataError

_SPARE = 64 * 2**20  # file systems need some room themselves


def check_space(folder: Path, needed: int, what: str) -> None:
    """Check that `needed` bytes can be written into `folder`, which exists.

    Raises:
        DataError: less is free.
    """
    free = shutil.disk_usage(folder).free
    if needed and needed + _SPARE > free:
        raise DataError(
            f"{folder}: {what} need {needed / 2**30:.2f} GiB, {free / 2**30:.2f} GiB are free: "
            "free some space or choose another disk"
        )


def no_room(folder: Path, error: OSError) -> DataError:
    """The error of a file that could not be written."""
    return DataError(
        f"{folder}: cannot write ({error.strerror or error}): free some space or choose another "
        "folder, then run the same command again"
    )
