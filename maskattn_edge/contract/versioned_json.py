"""JSON that says which schema it is of, read as from a stranger."""

from __future__ import annotations

from typing import TypeVar

import msgspec

from maskattn_edge.contract.errors import MaskAttnError

T = TypeVar("T", bound=msgspec.Struct)


class _SchemaOnly(msgspec.Struct):
    schema: int


def decode_versioned(
    text: str | bytes,
    kind: type[T],
    *,
    schema: int,
    error: type[MaskAttnError],
    what: str,
    remedy: str,
) -> T:
    """Read JSON of one schema, so that a newer file is told apart from a damaged one.

    Args:
        text: JSON, an object with an integer `schema`; its size is bounded by the caller.
        kind: what it must hold.
        schema: the only one that is read.
        error: what is raised.
        what: the text in words, as a message begins: "its description", "r.json: the report".
        remedy: what to do, whichever it is.

    Raises:
        MaskAttnError: the given `error`: not JSON, of another schema, or `kind` refuses it.
    """
    try:
        found = msgspec.json.decode(text, type=_SchemaOnly).schema
        if found == schema:
            return msgspec.json.decode(text, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as cause:
        raise error(f"{what} is not valid ({cause}): {remedy}") from cause
    raise error(f"{what} has schema {found}, this version reads schema {schema}: {remedy}")
