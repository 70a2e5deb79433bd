"""What the checks ask of a machine. The real one answers, or a recorded one."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol


@dataclass(frozen=True)
class Output:
    """Exit code of a command, and what it wrote (stdout, then stderr)."""

    code: int
    text: str


@dataclass(frozen=True)
class Probe:
    """What a probe found, or the reason in one line why it could not look."""

    facts: dict[str, Any] = field(default_factory=dict)
    error: str = ""


@dataclass(frozen=True)
class Access:
    """Whether this user may read and write a file, and the group that owns it."""

    readable: bool
    writable: bool
    group: str


@dataclass(frozen=True)
class Mode:
    """One way in which a camera gives pictures; `fps` is 0 where the driver does not say."""

    format: str
    width: int
    height: int
    fps: float


@dataclass(frozen=True)
class Camera:
    """A Video4Linux device. `capture` is false for nodes that give no pictures (metadata)."""

    card: str
    driver: str
    capture: bool
    modes: tuple[Mode, ...] = ()
    error: str = ""


class System(Protocol):
    """A machine that can be asked. No answer raises: what is not there is None or empty."""

    def read(self, path: str) -> str | None:
        """The text of a small file; None if it is missing or cannot be read."""

    def run(self, *command: str) -> Output | None:
        """What a command answers; None if there is no such command, or it hangs."""

    def probe(self, name: str) -> Probe:
        """What a snippet of `maskattn_edge.doctor.probes` finds in a process of its own."""

    def access(self, path: str) -> Access | None:
        """What this user may do with a file; None if it is missing."""

    def glob(self, pattern: str) -> tuple[str, ...]:
        """Files that match, sorted by length and name."""

    def free_bytes(self, path: str) -> int | None:
        """Free room of the disk that holds a folder, which need not exist yet."""

    def camera(self, path: str) -> Camera:
        """What a Video4Linux device says of itself."""
