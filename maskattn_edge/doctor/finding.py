"""What one check found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from maskattn_edge.contract.errors import ContractError

Status = Literal["ok", "warning", "broken"]


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One line of the doctor's report.

    Args:
        name: of the check, e.g. "cameras".
        status: "ok"; "warning": `run` works, but slower or without something; "broken": `run`
            cannot work.
        text: what is the case, in one line.
        mend: the command that mends it on this machine; empty where nothing is wrong.
        details: further lines, e.g. the modes of a camera.
    """

    name: str
    status: Status
    text: str
    mend: str = ""
    details: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if (self.status == "ok") != (not self.mend):
            raise ContractError(f"{self.name}: what is wrong has a mend, what is right has none")


def ok(name: str, text: str, *details: str) -> Finding:
    """Nothing to mend."""
    return Finding(name=name, status="ok", text=text, details=details)


def warning(name: str, text: str, *, mend: str) -> Finding:
    """`run` works, but slower or without something."""
    return Finding(name=name, status="warning", text=text, mend=mend)


def broken(name: str, text: str, *, mend: str) -> Finding:
    """`run` cannot work."""
    return Finding(name=name, status="broken", text=text, mend=mend)
