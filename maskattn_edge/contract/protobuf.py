"""Just enough of the protobuf wire format to look into an ONNX file without the onnx package.

Reads fields lazily from a buffer, never recurses, and checks every length against the buffer,
because the file may be hostile. Specification: protobuf.dev/programming-guides/encoding.
"""

from __future__ import annotations

from collections.abc import Iterator

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5


class WireError(ValueError):
    """The bytes are not a protobuf message."""


def fields(buffer: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """Yield (field number, value): an int for numbers, a view for strings and messages.

    Raises:
        WireError: the buffer ends within a field, or a wire type is unknown.
    """
    for number, value, _, _ in spans(buffer):
        yield number, value


def spans(buffer: memoryview) -> Iterator[tuple[int, int | memoryview, int, int]]:
    """Yield (field number, value, start, end) of each field, its key included."""
    position, size = 0, len(buffer)
    while position < size:
        start = position
        key, position = _varint(buffer, position)
        number, kind = key >> 3, key & 7
        if number == 0:
            raise WireError("field number 0")
        value: int | memoryview
        if kind == VARINT:
            value, position = _varint(buffer, position)
        elif kind in (FIXED64, FIXED32):
            width = 8 if kind == FIXED64 else 4
            value, position = buffer[position : position + width], position + width
        elif kind == BYTES:
            length, position = _varint(buffer, position)
            value, position = buffer[position : position + length], position + length
        else:
            raise WireError(f"wire type {kind}")
        if position > size:
            raise WireError("it ends within a field")
        yield number, value, start, position


def _varint(buffer: memoryview, position: int) -> tuple[int, int]:
    result = 0
    for shift in range(0, 70, 7):
        if position >= len(buffer):
            raise WireError("it ends within a number")
        byte = buffer[position]
        position += 1
        result |= (byte & 0x7F) << shift
        if not byte & 0x80:
            return result, position
    raise WireError("a number is too long")


def encode_varint(value: int) -> bytes:
    """The varint of a non-negative integer.

    >>> encode_varint(300).hex()
    'ac02'
    """
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def encode_bytes(number: int, value: bytes) -> bytes:
    """A length-delimited field: string, bytes or message."""
    return encode_varint(number << 3 | BYTES) + encode_varint(len(value)) + value
