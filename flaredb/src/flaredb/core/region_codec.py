"""Immutable values as bytes and back: what region logs and region rows hold.

A value is a tag and then its parts: None, bool, integer, bytes, text, a tuple, a set of integers, or one of the
dataclasses of KINDS with its fields in order. `parse(render(value)) == value`. A dataclass that gets a field with a
default still reads what was written before: fields that are not there have their defaults.
"""

from __future__ import annotations

import struct
from dataclasses import fields
from enum import IntEnum
from typing import get_args

from flaredb.core.commands import AnyWrite, Comparison, Txn
from flaredb.core.records import Mark
from flaredb.core.region import Applied, Epoch, Peer, Region
from flaredb.core.region_entry import Batch, Join, Split
from ultracloud.raft.words import Config, HardState

_WRITES_FROM = 100
"""Number of the first kind of write; they are numbered as `commands.AnyWrite` has them."""
KINDS: dict[int, type] = {
    0: Batch,
    1: Split,
    2: Join,
    3: Txn,
    4: Comparison,
    5: Region,
    6: Epoch,
    7: Peer,
    8: Config,
    9: Applied,
    10: Mark,
    11: HardState,
    **dict(enumerate(get_args(AnyWrite), _WRITES_FROM)),
}
"""The numbers are on disk: none is ever given to another kind."""

_HEAD = struct.Struct(">BI")
_NUMBER = struct.Struct(">q")
_NUMBERS = {kind: number for number, kind in KINDS.items()}
_FIELDS = {kind: tuple(field.name for field in fields(kind)) for kind in KINDS.values()}


class _Tag(IntEnum):
    NONE = 0
    FALSE = 1
    TRUE = 2
    INTEGER = 3
    BYTES = 4
    TEXT = 5
    TUPLE = 6
    SET = 7
    KIND = 8


class MalformedError(ValueError):
    """The bytes are not what `render` wrote."""


def render(value: object) -> bytes:
    """Write a value."""
    out: list[bytes] = []
    _render(value, out)
    return b"".join(out)


def parse(content: bytes) -> object:
    """Read what `render` wrote.

    Raises:
        MalformedError: It is cut, too long, or has a tag or kind that is not known.
    """
    try:
        value, end = _parse(content, 0)
    except (struct.error, UnicodeDecodeError, KeyError, TypeError) as error:
        raise MalformedError(f"{len(content)} bytes that are no value: {error}") from error
    if end != len(content):
        raise MalformedError(f"{len(content) - end} bytes after the value")
    return value


def _render(value: object, out: list[bytes]) -> None:
    match value:
        case None:
            out.append(_HEAD.pack(_Tag.NONE, 0))
        case bool():
            out.append(_HEAD.pack(_Tag.TRUE if value else _Tag.FALSE, 0))
        case int():
            out.append(_HEAD.pack(_Tag.INTEGER, 0) + _NUMBER.pack(value))
        case bytes():
            out.append(_HEAD.pack(_Tag.BYTES, len(value)) + value)
        case str():
            encoded = value.encode()
            out.append(_HEAD.pack(_Tag.TEXT, len(encoded)) + encoded)
        case tuple():
            out.append(_HEAD.pack(_Tag.TUPLE, len(value)))
            for each in value:
                _render(each, out)
        case frozenset():
            out.append(_HEAD.pack(_Tag.SET, len(value)))
            out.extend(_NUMBER.pack(each) for each in sorted(value))
        case _:
            names = _FIELDS[type(value)]
            out.append(_HEAD.pack(_Tag.KIND, _NUMBERS[type(value)] << 8 | len(names)))
            for name in names:
                _render(getattr(value, name), out)


def _parse(content: bytes, at: int) -> tuple[object, int]:  # noqa: PLR0911 - one return a tag
    tag, count = _HEAD.unpack_from(content, at)
    at += _HEAD.size
    match tag:
        case _Tag.NONE:
            return None, at
        case _Tag.FALSE | _Tag.TRUE:
            return tag == _Tag.TRUE, at
        case _Tag.INTEGER:
            return _NUMBER.unpack_from(content, at)[0], at + _NUMBER.size
        case _Tag.BYTES | _Tag.TEXT:
            end = at + count
            if end > len(content):
                raise MalformedError(f"{count} bytes are announced, {len(content) - at} are left")
            part = content[at:end]
            return (part if tag == _Tag.BYTES else part.decode()), end
        case _Tag.TUPLE:
            return _parse_many(content, at, count)
        case _Tag.SET:
            end = at + count * _NUMBER.size
            return frozenset(number for (number,) in _NUMBER.iter_unpack(content[at:end])), end
        case _Tag.KIND:
            values, at = _parse_many(content, at, count & 0xFF)
            return KINDS[count >> 8](*values), at
        case _:
            raise MalformedError(f"tag {tag} is unknown")


def _parse_many(content: bytes, at: int, count: int) -> tuple[tuple[object, ...], int]:
    values = []
    for _ in range(count):
        value, at = _parse(content, at)
        values.append(value)
    return tuple(values), at
