"""Immutable values as bytes and back: what region logs and region rows hold.

A value is a tag and then its parts: None, bool, integer, bytes, text, a tuple, a set of integers, or one of the
dataclasses of KINDS with its fields in order. `parse(render(value)) == value`. Fields that are not there have their
defaults: so the last ones that do are not written, and a dataclass that gets another one still reads what was before.
"""

from __future__ import annotations

import itertools
import struct
from dataclasses import MISSING, fields
from typing import get_args

from flaredb.core.commands import AnyWrite, Change, Comparison, Txn
from flaredb.core.records import Mark
from flaredb.core.region import Applied, Epoch, Peer, Region
from flaredb.core.region_entry import (
    Absorb,
    Await,
    Batch,
    Clear,
    Decide,
    Forget,
    Join,
    Merging,
    Prepare,
    RaiseFloor,
    Release,
    Resolve,
    Seal,
    Settle,
    Split,
    Steps,
    Sweep,
    Unseal,
)
from flaredb.core.region_locks import Decision, Intent
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
    12: RaiseFloor,
    13: Sweep,
    14: Prepare,
    16: Settle,
    17: Resolve,
    18: Forget,
    19: Intent,
    20: Decision,
    21: Change,
    22: Await,
    23: Seal,
    24: Absorb,
    25: Release,
    26: Unseal,
    27: Clear,
    28: Merging,
    29: Steps,
    30: Decide,
    **dict(enumerate(get_args(AnyWrite), _WRITES_FROM)),
}
"""The numbers are on disk: none is ever given to another kind. 15 was a decision without a part."""


def _is_given(default: object) -> bool:
    return default is not MISSING


_HEAD = struct.Struct(">BI")
_NUMBER = struct.Struct(">q")
_HEADED_NUMBER = struct.Struct(">BIq")
_HEAD_BYTES, _NUMBER_BYTES = _HEAD.size, _NUMBER.size
_NUMBERS = {kind: number for number, kind in KINDS.items()}
_FIELDS = {kind: tuple(field.name for field in fields(kind)) for kind in KINDS.values()}
_DEFAULTS = {
    kind: tuple(itertools.takewhile(_is_given, (field.default for field in reversed(fields(kind)))))
    for kind in KINDS.values()
}
"""Of the last fields of each kind, the last one first."""


_NONE, _FALSE, _TRUE, _INTEGER, _BYTES, _TEXT, _TUPLE, _SET, _KIND = range(9)
"""Tags, as they are on disk. Plain integers: every replica parses every entry."""


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
    # By how often they come: leaders render what they log, and every replica what it locks.
    if type(value) is bytes:
        out += (_HEAD.pack(_BYTES, len(value)), value)
    elif type(value) is int:
        out.append(_HEADED_NUMBER.pack(_INTEGER, 0, value))
    elif type(value) is tuple:
        out.append(_HEAD.pack(_TUPLE, len(value)))
        for each in value:
            _render(each, out)
    elif type(value) in _FIELDS:
        _render_kind(value, out)
    else:
        _render_other(value, out)


def _render_kind(value: object, out: list[bytes]) -> None:
    """A dataclass without those of its last fields that have their defaults."""
    kind = type(value)
    values = [getattr(value, name) for name in _FIELDS[kind]]
    for default in _DEFAULTS[kind]:
        if values[-1] != default:
            break
        values.pop()
    out.append(_HEAD.pack(_KIND, _NUMBERS[kind] << 8 | len(values)))
    for each in values:
        if type(each) is bytes:  # most are, and a call would cost as much again
            out += (_HEAD.pack(_BYTES, len(each)), each)
        elif type(each) is int:
            out.append(_HEADED_NUMBER.pack(_INTEGER, 0, each))
        else:
            _render(each, out)


def _render_other(value: object, out: list[bytes]) -> None:
    if value is None:
        out.append(_HEAD.pack(_NONE, 0))
    elif isinstance(value, bool):
        out.append(_HEAD.pack(_TRUE if value else _FALSE, 0))
    elif isinstance(value, int):
        out.append(_HEADED_NUMBER.pack(_INTEGER, 0, value))
    elif isinstance(value, str):
        encoded = value.encode()
        out += (_HEAD.pack(_TEXT, len(encoded)), encoded)
    elif isinstance(value, frozenset):
        out.append(_HEAD.pack(_SET, len(value)))
        out.extend(_NUMBER.pack(each) for each in sorted(value))
    else:
        raise TypeError(f"nothing that a log holds: {type(value).__name__}")


def _parse(content: bytes, at: int) -> tuple[object, int]:  # noqa: PLR0911 - one return a tag
    tag, count = _HEAD.unpack_from(content, at)
    at += _HEAD_BYTES
    if tag in (_BYTES, _TEXT):
        end = at + count
        if end > len(content):
            raise MalformedError(f"{count} bytes are announced, {len(content) - at} are left")
        part = content[at:end]
        return (part if tag == _BYTES else part.decode()), end
    if tag == _INTEGER:
        return _NUMBER.unpack_from(content, at)[0], at + _NUMBER_BYTES
    if tag == _KIND:
        values, at = _parse_many(content, at, count & 0xFF)
        return KINDS[count >> 8](*values), at
    if tag == _TUPLE:
        return _parse_many(content, at, count)
    if tag == _NONE:
        return None, at
    if tag in (_FALSE, _TRUE):
        return tag == _TRUE, at
    if tag == _SET:
        end = at + count * _NUMBER_BYTES
        return frozenset(number for (number,) in _NUMBER.iter_unpack(content[at:end])), end
    raise MalformedError(f"tag {tag} is unknown")


def _parse_many(content: bytes, at: int, count: int) -> tuple[tuple[object, ...], int]:
    values = []
    for _ in range(count):
        value, at = _parse(content, at)
        values.append(value)
    return tuple(values), at
