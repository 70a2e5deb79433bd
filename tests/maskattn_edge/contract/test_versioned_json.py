"""Another schema is told apart from damage, and both say what to do."""

import msgspec
import pytest

from maskattn_edge.contract.errors import DataError, UsageError
from maskattn_edge.contract.versioned_json import decode_versioned


class Note(msgspec.Struct, forbid_unknown_fields=True):
    schema: int
    text: str


def decode(text, error=DataError):
    return decode_versioned(
        text, Note, schema=3, error=error, what="n.json: the note", remedy="write it again"
    )


@pytest.mark.parametrize("text", ['{"schema": 3, "text": "a"}', b'{"text": "a", "schema": 3}'])
def test_what_is_whole_is_read(text):
    assert decode(text) == Note(3, "a")


def test_a_newer_schema_may_hold_what_this_one_does_not():
    message = "^n.json: the note has schema 4, this version reads schema 3: write it again$"
    with pytest.raises(UsageError, match=message):
        decode('{"schema": 4, "text": ["a"], "more": 1}', UsageError)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        b"\xff\xfe",
        "[" * 100_000,
        '{"text": "a"}',
        '{"schema": "3", "text": "a"}',
        '{"schema": 3}',
        '{"schema": 3, "text": "a", "more": 1}',
    ],
)
def test_what_is_damaged_says_why_and_what_to_do(text):
    with pytest.raises(DataError, match=r"^n.json: the note is not valid \(.+\): write it again$"):
        decode(text)
