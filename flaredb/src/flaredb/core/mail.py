"""What stores say to each other, as bytes and back: letters of Raft groups, transactions, steps of placement.

Letters are tuples of what `region_codec` knows, so that no kind of message has a number on disk. A message is its place
in MESSAGES and its fields in order; a field added at the end with a default still reads what an older store sends.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import fields
from typing import Any, TypeAlias

from flaredb.core.commands import Txn
from flaredb.core.placement import ChangeReplicas, MergeRegions, SplitRegion, Step, TransferLead
from flaredb.core.region import Region, StoreId
from flaredb.core.region_codec import MalformedError, parse, render
from flaredb.core.region_node import Farewell, Inquiry, Letter, Mail
from ultracloud.raft.messages import (
    Append,
    Appended,
    Forward,
    Heartbeat,
    HeartbeatReply,
    Install,
    Message,
    ReadReply,
    ReadRequest,
    TimeoutNow,
    Vote,
    VoteRequest,
)
from ultracloud.raft.words import Config, Entry, EntryKind, SnapshotMark

MESSAGES: tuple[type[Message], ...] = (
    Append,
    Appended,
    Heartbeat,
    HeartbeatReply,
    VoteRequest,
    Vote,
    Install,
    TimeoutNow,
    Forward,
    ReadRequest,
    ReadReply,
)
"""Their places are on the wire: new ones go to the end."""
_PLACES = {kind: place for place, kind in enumerate(MESSAGES)}
_NAMES = {kind: tuple(field.name for field in fields(kind)) for kind in MESSAGES}
_STEPS: tuple[type[Step], ...] = (SplitRegion, ChangeReplicas, TransferLead, MergeRegions)
"""The same of their places."""
_LETTER, _INQUIRY, _FAREWELL = range(3)
_Parts: TypeAlias = tuple[Any, ...]


def render_mail(mail: Iterable[Mail]) -> bytes:
    """Letters to one store, in order."""
    return render(tuple(map(_mail_parts, mail)))


def parse_mail(content: bytes, sender: StoreId, to: StoreId) -> tuple[Mail, ...]:
    """The letters that `sender` wrote to `to`.

    Raises:
        MalformedError: They are none.
    """
    try:
        return tuple(_mail(parts, sender, to) for parts in _tuple(parse(content)))
    except (TypeError, ValueError, IndexError) as error:
        raise MalformedError(f"{len(content)} bytes that are no letters: {error}") from error


def render_install(install: Install) -> bytes:
    """What a state that is sent is of."""
    return render(_message_parts(install))


def parse_install(content: bytes) -> Install:
    """What `render_install` wrote.

    Raises:
        MalformedError: It is none.
    """
    try:
        found = _message(_tuple(parse(content)))
    except (TypeError, ValueError, IndexError) as error:
        raise MalformedError(f"{len(content)} bytes that announce no state: {error}") from error
    if not isinstance(found, Install):
        raise MalformedError(f"a state is announced by {type(found).__name__}")
    return found


def render_txns(txns: Sequence[Txn]) -> bytes:
    """Transactions for one region."""
    return render(tuple(txns))


def parse_txns(content: bytes) -> tuple[Txn, ...]:
    """What `render_txns` wrote.

    Raises:
        MalformedError: They are none.
    """
    return _all(content, Txn)


def render_regions(regions: Sequence[Region]) -> bytes:
    """Regions as a store has them."""
    return render(tuple(regions))


def parse_regions(content: bytes) -> tuple[Region, ...]:
    """What `render_regions` wrote.

    Raises:
        MalformedError: They are none.
    """
    return _all(content, Region)


def render_step(step: Step) -> bytes:
    """A step of placement, for the store that leads the region."""
    kind = type(step)
    return render((_STEPS.index(kind), *(getattr(step, field.name) for field in fields(kind))))


def parse_step(content: bytes) -> Step:
    """What `render_step` wrote.

    Raises:
        MalformedError: It is none.
    """
    place, *values = _tuple(parse(content))
    try:
        return _STEPS[place](*values)
    except (TypeError, IndexError) as error:
        raise MalformedError(f"{len(content)} bytes that are no step of placement: {error}") from error


def _mail_parts(mail: Mail) -> _Parts:
    match mail:
        case Letter():
            return _LETTER, mail.region, _message_parts(mail.message)
        case Inquiry():
            return _INQUIRY, mail.region, mail.peer
        case Farewell():
            return _FAREWELL, mail.region, mail.peer


def _mail(parts: _Parts, sender: StoreId, to: StoreId) -> Mail:
    kind, region, rest = parts
    if kind == _INQUIRY:
        return Inquiry(sender, to, region, rest)
    if not isinstance(region, Region):
        raise MalformedError("a letter names no region")
    if kind == _FAREWELL:
        return Farewell(sender, to, region, rest)
    return Letter(sender, to, region, _message(rest))


def _message_parts(message: Message) -> _Parts:
    kind = type(message)
    return (_PLACES[kind], *(_plain(getattr(message, name)) for name in _NAMES[kind]))


def _message(parts: _Parts) -> Message:
    kind = MESSAGES[parts[0]]
    values = parts[1:]
    if kind is Append:
        values = (*values[:-1], tuple(Entry(index, term, EntryKind(of), body) for index, term, of, body in values[-1]))
    elif kind is Install:
        values = (*values[:-1], _mark(*values[-1]))
    return kind(*values)


def _plain(value: object) -> object:
    """A field as `region_codec` knows it."""
    if isinstance(value, SnapshotMark):
        return value.index, value.term, value.config
    if isinstance(value, tuple) and value and isinstance(value[0], Entry):
        return tuple((entry.index, entry.term, int(entry.kind), entry.body) for entry in value)
    return value


def _mark(index: int, term: int, config: Config) -> SnapshotMark:
    return SnapshotMark(index, term, config)


def _all(content: bytes, kind: type[Any]) -> tuple[Any, ...]:
    found = _tuple(parse(content))
    if not all(isinstance(each, kind) for each in found):
        raise MalformedError(f"{len(content)} bytes that are not {kind.__name__} only")
    return found


def _tuple(found: object) -> _Parts:
    if not isinstance(found, tuple):
        raise MalformedError(f"a {type(found).__name__} where many are expected")
    return found
