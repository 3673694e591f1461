"""Protobuf messages that lie in files, read without the generated classes, which a core does not have.

Source: the protobuf encoding. `render` has the other direction.
"""

from __future__ import annotations

from collections.abc import Iterator

VARINT_BYTES_MAX = 10
"""Of 64 bits, seven a byte."""
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_SIGN = 1 << 63
_FIXED_BYTES = {_FIXED64: 8, _FIXED32: 4}


class MalformedMessageError(ValueError):
    """Bytes that are no protobuf message."""


def fields(body: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Give number and value of each field; fixed-width ones, which etcd's files do not have, are passed over.

    Raises:
        MalformedMessageError: The bytes are no message; what was given before was read soundly.
    """
    at, end = 0, len(body)
    while at < end:
        tag, at = _varint(body, at)
        number, wire_type = tag >> 3, tag & 7
        if wire_type == _VARINT:
            value, at = _varint(body, at)
            yield number, value
        elif wire_type == _BYTES:
            length, at = _varint(body, at)
            if at + length > end:
                raise MalformedMessageError(f"field {number} goes past the end")
            yield number, body[at : at + length]
            at += length
        elif wire_type in _FIXED_BYTES:
            at += _FIXED_BYTES[wire_type]
        else:
            raise MalformedMessageError(f"field {number} is of the unknown wire type {wire_type}")


def signed(value: int | bytes) -> int:
    """An int64 by its 64-bit complement.

    Raises:
        MalformedMessageError: The field is of another type.
    """
    if isinstance(value, bytes):
        raise MalformedMessageError("bytes where a number belongs")
    return value - 2 * _SIGN if value & _SIGN else value


def text(value: int | bytes) -> bytes:
    """The bytes of a field.

    Raises:
        MalformedMessageError: The field is of another type.
    """
    if isinstance(value, int):
        raise MalformedMessageError("a number where bytes belong")
    return value


def _varint(body: bytes, at: int) -> tuple[int, int]:
    number = shift = 0
    for byte in body[at : at + VARINT_BYTES_MAX]:
        number |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:  # noqa: PLR2004 - the bit that says whether there is more
            return number & 2 * _SIGN - 1, at + shift // 7
    raise MalformedMessageError("a number goes past the end")
