"""What members ask each other besides Raft's messages: numbers of questions, bytes of questions and answers.

Leases are kept by the leader, and changes of members are decided by it; any member serves both by asking. Who wants to
join asks before it is a member.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum

from chainfire.core.entry import parse_member, render_member
from chainfire.core.hashes import Hashed
from chainfire.core.keyvalue import LeaseId
from chainfire.core.membership import Member

_NUMBER = struct.Struct("<q")
_LEFT = struct.Struct("<qq")
_HASH = struct.Struct("<Iqq")
_CLUSTER = struct.Struct("<QI")
NO_SUCH_LEASE = -1


class CallKind(IntEnum):
    """Numbers of the questions; they are on the wire."""

    RENEW = 1
    """Give a lease its whole time again: lease in, seconds out, 0 if it is gone."""
    TIME_LEFT = 2
    """How long a lease has: lease in; milliseconds left and seconds granted out."""
    CHANGE_MEMBERS = 3
    """Decide a change of members: a command in; out, the index by which it is applied."""
    MEMBERS = 4
    """Who the members are: nothing in; `Roster` out."""
    HASH = 5
    """Checksum of all keys: a revision in; `Hashed` out. Any member answers for itself."""


class MalformedCallError(ValueError):
    """Bytes that are no question or answer of this version."""


@dataclass(frozen=True, slots=True)
class Roster:
    """A cluster, and its members."""

    cluster_id: int
    members: tuple[Member, ...]


def render_number(number: int) -> bytes:
    """A question or answer that is one number."""
    return _NUMBER.pack(number)


def parse_number(body: bytes) -> int:
    """Read what `render_number` made; raises MalformedCallError."""
    try:
        return int(_NUMBER.unpack(body)[0])
    except struct.error as error:
        raise MalformedCallError(f"{len(body)} bytes are no number") from error


def render_pair(first: int, second: int) -> bytes:
    """An answer that is two numbers."""
    return _LEFT.pack(first, second)


def parse_pair(body: bytes) -> tuple[int, int]:
    """Read what `render_pair` made; raises MalformedCallError."""
    try:
        first, second = _LEFT.unpack(body)
    except struct.error as error:
        raise MalformedCallError(f"{len(body)} bytes are no two numbers") from error
    return int(first), int(second)


def render_hash(found: Hashed) -> bytes:
    """The answer to HASH."""
    return _HASH.pack(found.checksum, found.revision, found.compacted)


def parse_hash(body: bytes) -> Hashed:
    """Read what `render_hash` made; raises MalformedCallError."""
    try:
        return Hashed(*_HASH.unpack(body))
    except struct.error as error:
        raise MalformedCallError(f"{len(body)} bytes are no checksum") from error


def render_lease(lease: LeaseId) -> bytes:
    """A question about a lease."""
    return _NUMBER.pack(lease)


def parse_lease(body: bytes) -> LeaseId:
    """Read what `render_lease` made; raises MalformedCallError."""
    return LeaseId(parse_number(body))


def render_roster(roster: Roster) -> bytes:
    """The answer to MEMBERS."""
    return _CLUSTER.pack(roster.cluster_id, len(roster.members)) + b"".join(map(render_member, roster.members))


def parse_roster(body: bytes) -> Roster:
    """Read what `render_roster` made; raises MalformedCallError."""
    try:
        cluster_id, count = _CLUSTER.unpack_from(body)
        at, members = _CLUSTER.size, list[Member]()
        for _ in range(count):
            member, at = parse_member(body, at)
            members.append(member)
    except (struct.error, IndexError, ValueError) as error:
        raise MalformedCallError(f"the list of members cannot be read: {error}") from error
    return Roster(cluster_id, tuple(members))
