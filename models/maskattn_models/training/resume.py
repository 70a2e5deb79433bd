"""Going on with a run: with the same data, network and settings, and for longer if asked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from maskattn_edge.contract.errors import UsageError

FREE = ("settings.device", "settings.graph", "settings.resident_share")
"""What may differ: a run may move to another machine."""

_EPOCHS = "settings.epochs"


def check_same(
    former: Mapping[str, Any],
    present: Mapping[str, Any],
    *,
    longer: bool = True,
    what: str = "the run to resume",
) -> None:
    """Compare what decides a run, nested plain data; `what` names the former one in the message.

    More epochs are allowed if `longer` is: the learning rate then follows the schedule of the
    longer run from the step that was reached, so that it rises once. Fewer would end the cosine
    in the middle.

    Raises:
        UsageError: something differs; the message names the first difference.
    """
    before, now = _flat(former), _flat(present)
    if longer and now[_EPOCHS] > before.get(_EPOCHS, now[_EPOCHS]):
        before[_EPOCHS] = now[_EPOCHS]
    for name in [*now, *(name for name in before if name not in now)]:
        if name not in FREE and before.get(name) != now.get(name):
            label = name.rpartition(".")[2].replace("_", " ")
            raise UsageError(
                f"{what} has {label} {before.get(name)!r}, this command "
                f"{now.get(name)!r}: repeat the first command's data and options, or choose "
                "another --out"
            )


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, Mapping):
            flat.update(_flat(value, f"{prefix}{name}."))
        else:
            flat[prefix + name] = list(value) if isinstance(value, tuple) else value
    return flat
