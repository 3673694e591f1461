"""What stores say to each other of eventual namespaces, as bytes and back. All of it may be lost, doubled or late.

`Spread`, `Hello` and `Skewed` are told and not answered. The others are a repair (`flaredb.core.eventual_repair`): one
side asks, the other answers and forgets, and an answer names what it answers.

A message is a tuple of what `region_codec` knows: when it was sent, its kind's place in MESSAGES, its fields in order.
A field added at the end with a default still reads what an older store sends.
"""

from __future__ import annotations

import itertools
import struct
from dataclasses import dataclass, fields
from typing import Any, TypeAlias, get_args

from flaredb.core.commands import EncodedKey
from flaredb.core.eventual_clock import Stamp
from flaredb.core.eventual_records import DIGEST_BYTES, Digest, Told
from flaredb.core.eventual_tree import HASH_BYTES, PAST, Node, Span
from flaredb.core.region import StoreId
from flaredb.core.region_codec import MalformedError, parse, render

_ENTRY = struct.Struct(f">{DIGEST_BYTES}sQQ")
_HASHED = struct.Struct(f">BI{HASH_BYTES}s")


@dataclass(frozen=True, slots=True)
class Ask:
    """Which question of which repair this is, or answers."""

    repair: int
    step: int


@dataclass(frozen=True, slots=True)
class Hello:
    """I am here, and this late it is.

    Attributes:
        version: Of yours: all that had it, or a lower one, is on my disk, or something later. 0 says nothing.
        at_ms: When you had said that it is your newest.
    """

    version: int = 0
    at_ms: int = 0


@dataclass(frozen=True, slots=True)
class Skewed:
    """Nothing of what you sent was taken: your clock is so far ahead of mine."""

    ahead_ms: int


@dataclass(frozen=True, slots=True)
class Spread:
    """Writes that were made here just now."""

    told: tuple[Told, ...]


@dataclass(frozen=True, slots=True)
class Compare:
    """These are my hashes of some nodes: which of yours are others?"""

    ask: Ask
    hashes: tuple[tuple[Node, bytes], ...]


@dataclass(frozen=True, slots=True)
class Differ:
    """Of the nodes that differ, the hashes of their children.

    Attributes:
        version: My newest.
        at_ms: What my clock says.
    """

    ask: Ask
    hashes: tuple[tuple[Node, bytes], ...]
    version: int = 0
    at_ms: int = 0


@dataclass(frozen=True, slots=True)
class Listing:
    """Every key of a span with its stamp, as I have it."""

    span: Span
    entries: tuple[tuple[Digest, Stamp], ...]


@dataclass(frozen=True, slots=True)
class Lists:
    """What I have in some spans, in their order: what is missing?"""

    ask: Ask
    listings: tuple[Listing, ...]


@dataclass(frozen=True, slots=True)
class Found:
    """What you lack, and what I do.

    Attributes:
        told: Later than what you listed, or not in it.
        wanted: Listed with a later stamp than I have.
        unknown: Listed, and nothing of it is here.
        stopped: What is listed from here on was not looked at; PAST if all was.
    """

    ask: Ask
    told: tuple[Told, ...]
    wanted: tuple[Digest, ...]
    unknown: tuple[Digest, ...]
    stopped: Digest = PAST


@dataclass(frozen=True, slots=True)
class Give:
    """What you wanted, or did not know. Say when it is on your disk."""

    ask: Ask
    told: tuple[Told, ...]


@dataclass(frozen=True, slots=True)
class Taken:
    """What you gave is on my disk."""

    ask: Ask


@dataclass(frozen=True, slots=True)
class Declined:
    """I may not be compared with you: we never were, and I have been away for too long to know what was deleted."""

    ask: Ask


Message: TypeAlias = Hello | Skewed | Spread | Compare | Differ | Lists | Found | Give | Taken | Declined
MESSAGES: tuple[type[Message], ...] = get_args(Message)
"""Their places are on the wire: new ones go to the end."""
_PLACES = {kind: place for place, kind in enumerate(MESSAGES)}
_NAMES = {kind: tuple(each.name for each in fields(kind)) for kind in MESSAGES}


@dataclass(frozen=True, slots=True)
class Sent:
    """A message, and what the sender's wall clock said when it was sent."""

    at_ms: int
    message: Message


def render_message(sent: Sent) -> bytes:
    """Write a message."""
    kind = type(sent.message)
    parts = (_plain(name, getattr(sent.message, name)) for name in _NAMES[kind])
    return render((sent.at_ms, _PLACES[kind], *parts))


def parse_message(content: bytes) -> Sent:
    """Read what `render_message` wrote.

    Raises:
        MalformedError: It is none.
    """
    try:
        return _message(parse(content))
    except (TypeError, ValueError, IndexError, struct.error) as error:
        raise MalformedError(f"{len(content)} bytes that are no message: {error}") from error


def _message(found: Any) -> Sent:
    at_ms, place, *parts = found
    kind: Any = MESSAGES[place]
    values = (_value(name, part) for name, part in zip(_NAMES[kind], parts, strict=False))
    if not isinstance(at_ms, int):
        raise MalformedError("a message without a time")
    return Sent(at_ms, kind(*values))


def _plain(name: str, value: Any) -> object:
    """A field as `region_codec` knows it."""
    match name:
        case "ask":
            return value.repair, value.step
        case "told":
            return tuple(
                (each.encoded, each.stamp.time, each.stamp.store, each.value, each.expires_at_ms) for each in value
            )
        case "hashes":
            return b"".join(_HASHED.pack(node.level, node.index, said) for node, said in value)
        case "listings":
            return tuple((each.span.start, each.span.end, _entries(each)) for each in value)
        case "wanted" | "unknown":
            return b"".join(value)
        case _:
            return value


def _value(name: str, part: Any) -> object:  # noqa: PLR0911 - one return a kind of field
    """The field that `_plain` wrote."""
    match name:
        case "ask":
            return Ask(_int(part[0]), _int(part[1]))
        case "told":
            return tuple(_told(*each) for each in part)
        case "hashes":
            return tuple((_node(level, index), said) for level, index, said in _HASHED.iter_unpack(part))
        case "listings":
            return tuple(Listing(Span(_digest(start), _digest(end)), _listed(rows)) for start, end, rows in part)
        case "wanted" | "unknown":
            if len(part) % DIGEST_BYTES:
                raise MalformedError("a digest is cut")
            return tuple(Digest(part[at : at + DIGEST_BYTES]) for at in range(0, len(part), DIGEST_BYTES))
        case "stopped":
            return _digest(part)
        case _:
            return _int(part)


def _entries(listing: Listing) -> bytes:
    return b"".join(_ENTRY.pack(place, stamp.time, stamp.store) for place, stamp in listing.entries)


def _listed(rows: bytes) -> tuple[tuple[Digest, Stamp], ...]:
    found = tuple((Digest(place), Stamp(time, StoreId(store))) for place, time, store in _ENTRY.iter_unpack(rows))
    if any(one[0] >= other[0] for one, other in itertools.pairwise(found)):
        raise MalformedError("a list is not in order")
    return found


def _told(encoded: object, time: object, store: object, value: object, expires_at_ms: object) -> Told:
    if not isinstance(encoded, bytes) or not (value is None or isinstance(value, bytes)):
        raise MalformedError("a record has no key")
    name, _, key = encoded.partition(b"\x00")
    if not name.isascii() or not key.endswith(b"\x00\x01"):
        raise MalformedError("a record's key has no namespace, or no end")
    return Told(EncodedKey(encoded), Stamp(_int(time), StoreId(_int(store))), value, _int(expires_at_ms))


def _node(level: int, index: int) -> Node:
    node = Node(level, index)
    if not node.is_valid:
        raise MalformedError(f"{node} is not in the tree")
    return node


def _digest(part: object) -> Digest:
    if not isinstance(part, bytes):
        raise MalformedError("a bound is no digest")
    return Digest(part)


def _int(part: object) -> int:
    if not isinstance(part, int) or part < 0:
        raise MalformedError(f"{part!r} where a number is expected")
    return part
