"""Raft's messages as bodies of frames. `parse(kind, body) == message` for the frame that `render(message)` gives.

An `Append` is nearly all there is, so its entries lie in columns: runs of terms, one word of kind and length an entry,
then all bodies. Packing and cutting columns is a loop in C where a record an entry would be one in Python.

Source: the messages of `ultracloud.raft.messages`; the layout is ours, little-endian.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable
from dataclasses import fields
from itertools import accumulate, chain, groupby, pairwise, repeat
from operator import attrgetter
from typing import NamedTuple

from chainfire.core.peerframes import MalformedError, render_frame
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
from ultracloud.raft.words import Config, Entry, EntryKind, NodeId, SnapshotMark

FIRST_KIND = 32
"""Kinds of frames from here on are Raft's messages."""
(
    APPEND,
    APPENDED,
    HEARTBEAT,
    HEARTBEAT_REPLY,
    VOTE_REQUEST,
    VOTE,
    INSTALL,
    TIMEOUT_NOW,
    FORWARD,
    READ_REQUEST,
    READ_REPLY,
) = range(FIRST_KIND, FIRST_KIND + 11)

_APPEND = struct.Struct("<QQQQQQI")
_RUN = struct.Struct("<QI")
_INSTALL = struct.Struct("<QQQQQ?HHHH")
_FORWARD = struct.Struct("<QQQI")
_ONE = struct.Struct("<IQII")
"""The columns of one entry but for its body: a run of one, and one word."""
_COUNT = struct.Struct("<I")
_ID = struct.Struct("<Q")
_INDEX_MAX = (1 << 64) - 1
_LENGTH_BITS = 28
_LENGTH_MASK = (1 << _LENGTH_BITS) - 1
"""An entry's word is its kind above its length; a length has at most 26 bits, or no frame would hold it."""


class EntryColumns:
    """Entries as bytes, made once for all followers that get the same ones."""

    def __init__(self) -> None:
        self._entries: tuple[Entry, ...] = ()
        self._parts: tuple[bytes, ...] = ()

    def of(self, entries: tuple[Entry, ...]) -> tuple[bytes, ...]:
        """The columns of `entries`, which are not empty."""
        # Comparing costs little: it ends at the first difference, and does not look into entries that are identical.
        if entries != self._entries:
            self._entries, self._parts = entries, _render_entries(entries)
        return self._parts

    def forget(self) -> None:
        """Hold no entries any longer than they are needed."""
        self._entries, self._parts = (), ()


def render(message: Message, columns: EntryColumns) -> list[bytes]:
    """The bytes of a message's frame, in pieces for one join.

    Raises:
        FrameTooLongError: It is longer than a frame may be.
    """
    match message:
        case Append():
            return _render_append(message, columns)
        case Install():
            return render_frame(INSTALL, _render_install(message))
        case Forward(to, sender, term, bodies):
            head = _FORWARD.pack(to, sender, term, len(bodies))
            return render_frame(FORWARD, head, _pack_words(list(map(len, bodies))), *bodies)
        case _:
            fixed = _FIXED[type(message)]
            return render_frame(fixed.kind, fixed.layout.pack(*fixed.values(message)))


def parse(kind: int, body: bytes) -> Message:
    """Read what `render` made.

    Raises:
        MalformedError: It is none of Raft's messages.
    """
    reader = _READERS.get(kind)
    if reader is None:
        raise MalformedError(f"no message has the kind {kind}")
    try:
        return reader(body)
    except (struct.error, ValueError) as error:
        raise MalformedError(f"{len(body)} bytes are no message of kind {kind}: {error}") from error


def _render_append(m: Append, columns: EntryColumns) -> list[bytes]:
    count = len(m.entries)
    # Indexes are not sent: a gap would be closed silently.
    assert not count or (m.entries[0].index, m.entries[-1].index) == (m.prev_index + 1, m.prev_index + count)
    head = _APPEND.pack(m.to, m.sender, m.term, m.prev_index, m.prev_term, m.commit, count)
    return render_frame(APPEND, head, *columns.of(m.entries)) if count else render_frame(APPEND, head)


def _render_entries(entries: tuple[Entry, ...]) -> tuple[bytes, ...]:
    """The columns of entries: number of runs, runs of terms, words, bodies."""
    if len(entries) == 1:
        (only,) = entries
        return _ONE.pack(1, only.term, 1, only.kind << _LENGTH_BITS | len(only.body)), only.body
    terms = [entry.term for entry in entries]
    bodies = [entry.body for entry in entries]
    words = list(map(len, bodies))
    if any(entry.kind for entry in entries):
        words = [entry.kind << _LENGTH_BITS | length for entry, length in zip(entries, words, strict=True)]
    if terms.count(terms[0]) == len(terms):
        runs = _RUN.pack(terms[0], len(terms))
    else:
        runs = b"".join(_RUN.pack(term, len(list(run))) for term, run in groupby(terms))
    return _COUNT.pack(len(runs) // _RUN.size), runs, _pack_words(words), b"".join(bodies)


def _read_append(body: bytes) -> Append:
    to, sender, term, prev_index, prev_term, commit, count = _APPEND.unpack_from(body)
    entries = _read_entries(body, prev_index, count) if count else ()
    if not count and len(body) != _APPEND.size:
        raise ValueError("bytes follow an append without entries")
    return Append(NodeId(to), NodeId(sender), term, prev_index, prev_term, commit, entries)


def _read_entries(body: bytes, prev_index: int, count: int) -> tuple[Entry, ...]:
    if count == 1:
        return (_read_one(body, prev_index + 1),)
    (run_count,) = _COUNT.unpack_from(body, _APPEND.size)
    runs_at = _APPEND.size + _COUNT.size
    words_at = runs_at + run_count * _RUN.size
    runs = list(_RUN.iter_unpack(body[runs_at:words_at]))
    # Before anything is made of the count: hostile ones would cost memory that their bytes did not.
    if len(runs) != run_count or sum(length for _, length in runs) != count:
        raise ValueError(f"the terms are of another number of entries than {count}")
    if prev_index + count > _INDEX_MAX:
        raise ValueError(f"{count} entries after index {prev_index} go past the last index there is")
    words = _unpack_words(body, words_at, count)
    kinds: Iterable[EntryKind] = repeat(EntryKind.NORMAL)
    if max(words) > _LENGTH_MASK:
        kinds = [EntryKind(word >> _LENGTH_BITS) for word in words]
        words = tuple(word & _LENGTH_MASK for word in words)
    terms = repeat(*runs[0]) if run_count == 1 else chain.from_iterable(repeat(*run) for run in runs)
    bodies = _cut(body, words_at + count * _COUNT.size, words)
    return tuple(map(Entry, range(prev_index + 1, prev_index + count + 1), terms, kinds, bodies))


def _read_one(body: bytes, index: int) -> Entry:
    """A single entry, as an idle cluster's puts come; its columns are the same, in a third of the time."""
    run_count, term, length, word = _ONE.unpack_from(body, _APPEND.size)
    only = body[_APPEND.size + _ONE.size :]
    if (run_count, length, word & _LENGTH_MASK) != (1, 1, len(only)) or index > _INDEX_MAX:
        raise ValueError("it is not one entry")
    return Entry(index, term, EntryKind(word >> _LENGTH_BITS), only)


def _read_forward(body: bytes) -> Forward:
    to, sender, term, count = _FORWARD.unpack_from(body)
    lengths = _unpack_words(body, _FORWARD.size, count)
    bodies = _cut(body, _FORWARD.size + count * _COUNT.size, lengths)
    return Forward(NodeId(to), NodeId(sender), term, tuple(bodies))


def _render_install(m: Install) -> bytes:
    mark, config = m.mark, m.mark.config
    groups = (config.voters, config.outgoing, config.learners, config.learners_next)
    ids = b"".join(_ID.pack(node) for group in groups for node in sorted(group))
    sizes = map(len, groups)
    return _INSTALL.pack(m.to, m.sender, m.term, mark.index, mark.term, config.auto_leave, *sizes) + ids


def _read_install(body: bytes) -> Install:
    to, sender, term, index, mark_term, auto_leave, *sizes = _INSTALL.unpack_from(body)
    ids = [NodeId(node) for (node,) in _ID.iter_unpack(body[_INSTALL.size :])]
    if len(ids) != sum(sizes):
        raise ValueError(f"{len(ids)} nodes where {sum(sizes)} are said to be")
    ends = list(accumulate(sizes, initial=0))
    voters, outgoing, learners, learners_next = (frozenset(ids[start:end]) for start, end in pairwise(ends))
    config = Config(voters, outgoing, learners, learners_next, auto_leave)
    return Install(NodeId(to), NodeId(sender), term, SnapshotMark(index, mark_term, config))


def _pack_words(words: list[int]) -> bytes:
    return struct.pack(f"<{len(words)}I", *words)


def _unpack_words(body: bytes, at: int, count: int) -> tuple[int, ...]:
    if at + count * _COUNT.size > len(body):
        raise ValueError(f"no room for {count} lengths")
    return struct.unpack_from(f"<{count}I", body, at)


def _cut(body: bytes, at: int, lengths: tuple[int, ...]) -> list[bytes]:
    """The pieces of `body` from `at` on; together they are all that is left of it."""
    ends = list(accumulate(lengths, initial=at))
    if ends[-1] != len(body):
        raise ValueError(f"pieces of {ends[-1] - at} bytes where {len(body) - at} are left")
    return [body[start:end] for start, end in pairwise(ends)]


class _Fixed(NamedTuple):
    """A message whose fields lie one after another, in the order in which its class has them."""

    kind: int
    layout: struct.Struct
    values: Callable[[Message], tuple[int, ...]]
    read: Callable[[bytes], Message]


def _fixed(kind: int, layout: str, of: type[Message]) -> _Fixed:
    packed = struct.Struct(layout)
    values = attrgetter(*(field.name for field in fields(of)))
    return _Fixed(kind, packed, values, lambda body: of(*packed.unpack(body)))


_FIXED: dict[type[Message], _Fixed] = {
    Appended: _fixed(APPENDED, "<QQQQ?QQ", Appended),
    Heartbeat: _fixed(HEARTBEAT, "<QQQQQ", Heartbeat),
    HeartbeatReply: _fixed(HEARTBEAT_REPLY, "<QQQQ", HeartbeatReply),
    VoteRequest: _fixed(VOTE_REQUEST, "<QQQQQ??QQ", VoteRequest),
    Vote: _fixed(VOTE, "<QQQ??QQ", Vote),
    TimeoutNow: _fixed(TIMEOUT_NOW, "<QQQ", TimeoutNow),
    ReadRequest: _fixed(READ_REQUEST, "<QQQQ", ReadRequest),
    ReadReply: _fixed(READ_REPLY, "<QQQQQ", ReadReply),
}
_READERS: dict[int, Callable[[bytes], Message]] = {
    APPEND: _read_append,
    INSTALL: _read_install,
    FORWARD: _read_forward,
    **{fixed.kind: fixed.read for fixed in _FIXED.values()},
}
