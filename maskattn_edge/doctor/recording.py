"""A machine's answers in a JSON file: for a report of a fault, and for tests without the machine.

What was not asked when it was recorded counts as not there.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import msgspec

from maskattn_edge.contract.atomic import write_bytes
from maskattn_edge.contract.errors import DataError
from maskattn_edge.doctor.system import Access, Camera, Output, Probe, System

MAX_RECORDING_BYTES = 4 * 2**20
_GONE = Camera(card="", driver="", capture=False, error="No such file or directory")


class Recording(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Answers by question. `origin` says where they come from, for people."""

    schema: Literal[1] = 1
    origin: Annotated[str, msgspec.Meta(max_length=1024)] = ""
    read: dict[str, str | None] = {}
    run: dict[str, Output | None] = {}
    probe: dict[str, Probe] = {}
    access: dict[str, Access | None] = {}
    glob: dict[str, tuple[str, ...]] = {}
    free_bytes: dict[str, int | None] = {}
    camera: dict[str, Camera] = {}


class RecordedSystem:
    """A `System` that answers from a recording."""

    def __init__(self, recording: Recording) -> None:
        self._recording = recording

    def read(self, path: str) -> str | None:
        """The recorded text of a file."""
        return self._recording.read.get(path)

    def run(self, *command: str) -> Output | None:
        """The recorded answer of a command."""
        return self._recording.run.get(" ".join(command))

    def probe(self, name: str) -> Probe:
        """The recorded answer of a probe; one that was not asked found nothing."""
        missing = Probe(error=f"ModuleNotFoundError: No module named '{name}'")
        return self._recording.probe.get(name, missing)

    def access(self, path: str) -> Access | None:
        """The recorded rights."""
        return self._recording.access.get(path)

    def glob(self, pattern: str) -> tuple[str, ...]:
        """The recorded names."""
        return self._recording.glob.get(pattern, ())

    def free_bytes(self, path: str) -> int | None:
        """The recorded room."""
        return self._recording.free_bytes.get(path)

    def camera(self, path: str) -> Camera:
        """The recorded device."""
        return self._recording.camera.get(path, _GONE)


class Recorder:
    """A `System` that keeps every answer of another one in `recording`."""

    def __init__(self, system: System) -> None:
        self._system = system
        self.recording = Recording()

    def read(self, path: str) -> str | None:
        """Ask and keep."""
        return self.recording.read.setdefault(path, self._system.read(path))

    def run(self, *command: str) -> Output | None:
        """Ask and keep."""
        return self.recording.run.setdefault(" ".join(command), self._system.run(*command))

    def probe(self, name: str) -> Probe:
        """Ask and keep."""
        return self.recording.probe.setdefault(name, self._system.probe(name))

    def access(self, path: str) -> Access | None:
        """Ask and keep."""
        return self.recording.access.setdefault(path, self._system.access(path))

    def glob(self, pattern: str) -> tuple[str, ...]:
        """Ask and keep."""
        return self.recording.glob.setdefault(pattern, self._system.glob(pattern))

    def free_bytes(self, path: str) -> int | None:
        """Ask and keep."""
        return self.recording.free_bytes.setdefault(path, self._system.free_bytes(path))

    def camera(self, path: str) -> Camera:
        """Ask and keep."""
        return self.recording.camera.setdefault(path, self._system.camera(path))


def write_recording(path: Path, recording: Recording) -> None:
    """Write it as indented JSON. Raises OSError."""
    write_bytes(path, msgspec.json.format(msgspec.json.encode(recording), indent=1) + b"\n")


def read_recording(path: Path) -> Recording:
    """Read what `write_recording` wrote; it may come from a stranger.

    Raises:
        DataError: it is missing, too long, or no recording.
    """
    try:
        with path.open("rb") as file:
            text = file.read(MAX_RECORDING_BYTES + 1)
        if len(text) > MAX_RECORDING_BYTES:
            raise DataError(f"{path}: a recording has at most {MAX_RECORDING_BYTES:,} bytes")
        return msgspec.json.decode(text, type=Recording)
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise DataError(
            f"{path}: no recording of `maskattn-edge doctor --record`: {error}"
        ) from error
