"""Options that follow a URI: `width=640&height=480`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl

from maskattn_edge.contract.errors import UsageError


@dataclass(frozen=True)
class Range:
    """Numbers from `low` to `high`; whole ones where both are."""

    low: float
    high: float

    @property
    def whole(self) -> bool:
        """Whether only whole numbers are meant."""
        return isinstance(self.low, int) and isinstance(self.high, int)


def parse_options(
    shown: str, text: str, known: Mapping[str, Range | tuple[str, ...]]
) -> dict[str, int | float | str]:
    """Read `key=value&key=value`.

    Args:
        shown: the URI, for messages.
        known: name -> range of a number, or the words that may follow.

    Raises:
        UsageError: an option is unknown, or its value is not among the known ones.
    """
    values: dict[str, int | float | str] = {}
    for key, value in parse_qsl(text, keep_blank_values=True):
        if key not in known:
            raise UsageError(f"{shown}: unknown setting {key!r}; available: {', '.join(known)}")
        allowed = known[key]
        if isinstance(allowed, tuple):
            if value.lower() not in {word.lower() for word in allowed}:
                raise UsageError(f"{shown}: {key} is one of {', '.join(allowed)}, got {value!r}")
            values[key] = next(word for word in allowed if word.lower() == value.lower())
        else:
            values[key] = _number(shown, key, value, allowed)
    return values


def _number(shown: str, key: str, text: str, bounds: Range) -> int | float:
    kind = "a whole number" if bounds.whole else "a number"
    form = r"\d+" if bounds.whole else r"\d+(\.\d*)?"
    if not re.fullmatch(form, text, re.ASCII) or not bounds.low <= float(text) <= bounds.high:
        raise UsageError(
            f"{shown}: {key} is {kind} from {bounds.low:g} to {bounds.high:.10g}, got {text!r}"
        )
    return int(text) if bounds.whole else float(text)
