"""A .npy file that grows part by part.

Plain writes, not a mapped file: on a full disk that is an error, where a mapped file would end the
process.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from types import TracebackType

import numpy as np
from numpy.typing import NDArray


class ArrayFile:
    """A .npy file that is written part by part, with the SHA-256 of all its bytes."""

    def __init__(
        self, path: Path, shape: tuple[int, ...], dtype: type[np.generic] | np.dtype[np.generic]
    ) -> None:
        self._file = path.open("w+b")
        kind = np.lib.format.dtype_to_descr(np.dtype(dtype))
        header = {"descr": kind, "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(self._file, header)
        self._file.seek(0)
        self._digest = hashlib.sha256(self._file.read())

    def append(self, part: NDArray[np.generic]) -> None:
        """Write the next part, of the dtype of the array. Raises OSError."""
        data = np.ascontiguousarray(part).tobytes()
        self._file.write(data)
        self._digest.update(data)

    def sha256(self) -> str:
        """SHA-256 of what was written, in hex."""
        return self._digest.hexdigest()

    def __enter__(self) -> ArrayFile:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with self._file:
            if error is None:
                self._file.flush()
                os.fsync(self._file.fileno())  # the manifest must not outlive what it describes
