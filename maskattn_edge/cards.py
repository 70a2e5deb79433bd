"""The card of a shipped model: what it learned from, how good it is, and how to make it again."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import msgspec

from maskattn_edge.contract.errors import ModelFileError

_Percent = Annotated[float, msgspec.Meta(ge=0, le=100)]


class Figures(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Scores of one precision, mIoU in percent; `megabytes` is the size of the file."""

    file: str
    miou_grid: _Percent
    miou_full: _Percent
    megabytes: float | None = None


class Card(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything that does not stand in the model file itself.

    Args:
        summary: what it is for, in a sentence or two.
        data: what it was trained and scored on.
        licence: of weights and data, and what was used for it.
        figures: by precision.
        measured: where, when and how the figures were taken.
        limits: what it cannot do.
        reproduce: commands, from a checkout of the repository.
    """

    schema: Literal[1] = 1
    name: str
    summary: str
    data: str
    licence: str
    figures: tuple[Figures, ...]
    measured: str
    limits: str
    reproduce: tuple[str, ...]


def read_card(path: Path) -> Card | None:
    """The card in a file; None if there is no such file.

    Raises:
        ModelFileError: it is no card.
    """
    try:
        return msgspec.json.decode(path.read_bytes(), type=Card)
    except FileNotFoundError:
        return None
    except (msgspec.MsgspecError, OSError) as error:
        raise ModelFileError(f"{path}: cannot be read as a card: {error}") from error
