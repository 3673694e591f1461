"""The state as of one log index, as frames with checksums: head, members, users and roles, leases, records, end.

A snapshot is written in steps while the store goes on: the records up to its revision never change, and the little that
does (leases, alarms) is taken at the start. Records come in revision order, so reading them back rebuilds key index and
history alike.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TypeAlias
from zlib import crc32

from chainfire.core.auth import AuthState
from chainfire.core.auth_entry import parse_state, render_state
from chainfire.core.commands import Alarm
from chainfire.core.entry import parse_member, render_member
from chainfire.core.keyvalue import NO_LEASE, LeaseId, Record
from chainfire.core.machine import Machine
from chainfire.core.membership import Member, Membership
from ultracloud.raft.words import Config, NodeId

SNAPSHOT_MAGIC = b"CHNFSNP2"
"""Names the format and its version."""
FRAME_BYTES_MAX = 1 << 30
"""A longer frame is damage. What is written now is far shorter; earlier versions put 512 records in one."""
RECORDS_BYTES = 8 << 20
"""Bytes of records after which a frame takes no more; with the largest request on top it stays far below the bound."""

_FRAME = struct.Struct("<BII")
_HEAD = struct.Struct("<QQqqQQ")
_ALARM = struct.Struct("<QB")
_LEASE = struct.Struct("<qqq")
_LENGTH = struct.Struct("<I")
_END = struct.Struct("<Q")
_HEAD_FRAME, _LEASES_FRAME, _RECORDS_FRAME, _END_FRAME, _MEMBERS_FRAME, _AUTH_FRAME = range(1, 7)
_LAST_FRAME = _AUTH_FRAME
LEASES_PER_FRAME = 4096
FRAME_HEAD_BYTES = _FRAME.size


@dataclass(frozen=True, slots=True)
class SnapshotHead:
    """What a snapshot is of.

    Attributes:
        index: The last log entry it contains.
        term: That entry's term.
    """

    index: int
    term: int
    revision: int
    compact_revision: int
    cluster_id: int
    member_id: int
    alarms: tuple[tuple[int, Alarm], ...]


@dataclass(frozen=True, slots=True)
class SnapshotLeases:
    """Leases as (id, time to live, remaining), in seconds."""

    leases: tuple[tuple[LeaseId, int, int], ...]


@dataclass(frozen=True, slots=True)
class SnapshotRecords:
    """Records in revision order."""

    records: tuple[Record, ...]


@dataclass(frozen=True, slots=True)
class SnapshotMembers:
    """Who takes part in the log, and who the members are, and were."""

    config: Config
    members: tuple[Member, ...]
    removed: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class SnapshotEnd:
    """The snapshot is whole; `count` is how many records it has."""

    count: int


Frame: TypeAlias = SnapshotHead | SnapshotMembers | AuthState | SnapshotLeases | SnapshotRecords | SnapshotEnd


class MalformedSnapshotError(ValueError):
    """Bytes that are no snapshot, or not all of one."""


def head_of(machine: Machine, term: int, cluster_id: int, member_id: int) -> SnapshotHead:
    """The head of a snapshot of the present state."""
    store = machine.store
    alarms = tuple(sorted(machine.alarms))
    return SnapshotHead(
        machine.applied_index, term, store.revision, store.compact_revision, cluster_id, member_id, alarms
    )


def frames_of(machine: Machine, head: SnapshotHead, config: Config) -> Iterator[bytes]:
    """Give the bytes of a snapshot, piece by piece; `config` is who takes part as of now.

    The state may change between pieces, but no sweep may step in. The first piece holds all that changes in place: take
    it in the same breath as `head`.
    """
    leases = [(lease.lease, lease.ttl_s, lease.remaining_s) for lease in machine.leases.all()]
    members = SnapshotMembers(config, machine.members.all(), tuple(sorted(machine.members.removed)))
    start = [SNAPSHOT_MAGIC, render(head), render(members), render(machine.auth.state())]
    start += [
        render(SnapshotLeases(tuple(leases[at : at + LEASES_PER_FRAME])))
        for at in range(0, len(leases), LEASES_PER_FRAME)
    ]
    yield b"".join(start)
    count = 0
    for records in machine.store.records(head.revision, head.compact_revision):
        count += len(records)
        for portion in _portions(records):
            yield render(SnapshotRecords(portion))
    yield render(SnapshotEnd(count))


def _portions(records: Iterable[Record]) -> Iterator[tuple[Record, ...]]:
    """Cut a chunk of history into what one frame takes: a frame that is too long could never be read again."""
    portion: list[Record] = []
    size = 0
    for record in records:
        portion.append(record)
        size += len(record)
        if size >= RECORDS_BYTES:
            yield tuple(portion)
            portion, size = [], 0
    if portion:
        yield tuple(portion)


def render(frame: Frame) -> bytes:
    """Give the bytes of one frame."""
    kind, body = _render_body(frame)
    return _FRAME.pack(kind, len(body), crc32(body, kind)) + body


@dataclass(frozen=True, slots=True)
class FrameHead:
    """What a frame says of the body that follows it."""

    kind: int
    length: int
    checksum: int


def parse_frame_head(head: bytes) -> FrameHead:
    """Read the first FRAME_HEAD_BYTES of a frame.

    Raises:
        MalformedSnapshotError: No frame begins like this.
    """
    if len(head) != FRAME_HEAD_BYTES:
        raise MalformedSnapshotError("the snapshot ends in the middle")
    kind, length, checksum = _FRAME.unpack(head)
    if not _HEAD_FRAME <= kind <= _LAST_FRAME or length > FRAME_BYTES_MAX:
        raise MalformedSnapshotError(f"no frame has kind {kind} and {length} bytes")
    return FrameHead(kind, length, checksum)


def parse_body(head: FrameHead, body: bytes) -> Frame:
    """Read the rest of a frame.

    Raises:
        MalformedSnapshotError: The body does not match its head.
    """
    kind = head.kind
    if len(body) != head.length:
        raise MalformedSnapshotError("the snapshot ends in the middle")
    if crc32(body, kind) != head.checksum:
        raise MalformedSnapshotError("a frame does not match its checksum")
    if kind == _HEAD_FRAME:
        index, term, revision, compacted, cluster_id, member_id = _HEAD.unpack_from(body)
        alarms = tuple((member, Alarm(alarm)) for member, alarm in _ALARM.iter_unpack(body[_HEAD.size :]))
        return SnapshotHead(index, term, revision, compacted, cluster_id, member_id, alarms)
    if kind == _MEMBERS_FRAME:
        return _parse_members(body)
    if kind == _AUTH_FRAME:
        return _parse_auth(body)
    if kind == _LEASES_FRAME:
        return SnapshotLeases(tuple((LeaseId(i), ttl, left) for i, ttl, left in _LEASE.iter_unpack(body)))
    if kind == _RECORDS_FRAME:
        return SnapshotRecords(tuple(_parse_records(body)))
    return SnapshotEnd(*_END.unpack(body))


class Restore:
    """Builds a machine from the frames of a snapshot, in order."""

    def __init__(self) -> None:
        self.machine = Machine()
        self.head: SnapshotHead | None = None
        self.config = Config()
        self.is_whole = False
        self._count = 0

    def add(self, frame: Frame) -> None:
        """Take over one frame.

        Raises:
            MalformedSnapshotError: It does not belong here.
        """
        if self.is_whole or isinstance(frame, SnapshotHead) != (self.head is None):
            raise MalformedSnapshotError(f"a {type(frame).__name__} is out of place")
        match frame:
            case SnapshotHead():
                self.head = frame
            case SnapshotMembers():
                self.config = frame.config
                self.machine.members = Membership(frame.members, frame.removed)
            case AuthState():
                self.machine.auth.restore(frame)
            case SnapshotLeases():
                for lease, ttl_s, remaining_s in frame.leases:
                    self.machine.leases.restore(lease, ttl_s, remaining_s)
            case SnapshotRecords():
                self._count += len(frame.records)
                for record in frame.records:
                    self.machine.store.restore(record)
            case SnapshotEnd():
                self._finish(frame)

    def _finish(self, end: SnapshotEnd) -> None:
        if end.count != self._count or self.head is None:
            raise MalformedSnapshotError(f"{self._count} records where the end says {end.count}")
        machine, head = self.machine, self.head
        machine.applied_index = head.index
        machine.alarms = set(head.alarms)
        for record in machine.store.adopt(head.revision, head.compact_revision):
            machine.leases.move(record.key, NO_LEASE, record.lease)
        self.is_whole = True


def _render_body(frame: Frame) -> tuple[int, bytes]:
    match frame:
        case SnapshotHead():
            head = _HEAD.pack(
                frame.index, frame.term, frame.revision, frame.compact_revision, frame.cluster_id, frame.member_id
            )
            return _HEAD_FRAME, head + b"".join(_ALARM.pack(member, alarm) for member, alarm in frame.alarms)
        case SnapshotMembers():
            return _MEMBERS_FRAME, _render_members(frame)
        case AuthState():
            return _AUTH_FRAME, render_state(frame)
        case SnapshotLeases():
            return _LEASES_FRAME, b"".join(_LEASE.pack(*lease) for lease in frame.leases)
        case SnapshotRecords():
            return _RECORDS_FRAME, b"".join(_render_records(frame.records))
        case SnapshotEnd():
            return _END_FRAME, _END.pack(frame.count)


def _render_members(frame: SnapshotMembers) -> bytes:
    config = frame.config
    out = bytearray([config.auto_leave])
    for ids in (config.voters, config.outgoing, config.learners, config.learners_next, frame.removed):
        out += _LENGTH.pack(len(ids)) + b"".join(_END.pack(each) for each in sorted(ids))
    out += _LENGTH.pack(len(frame.members)) + b"".join(map(render_member, frame.members))
    return bytes(out)


def _parse_members(body: bytes) -> SnapshotMembers:
    try:
        at = 1
        groups: list[frozenset[NodeId]] = []
        for _ in range(5):
            (count,) = _LENGTH.unpack_from(body, at)
            at += _LENGTH.size
            groups.append(frozenset(NodeId(_END.unpack_from(body, at + _END.size * n)[0]) for n in range(count)))
            at += _END.size * count
        voters, outgoing, learners, learners_next, removed = groups
        (count,) = _LENGTH.unpack_from(body, at)
        at += _LENGTH.size
        members: list[Member] = []
        for _ in range(count):
            member, at = parse_member(body, at)
            members.append(member)
    except (struct.error, ValueError, IndexError) as error:
        raise MalformedSnapshotError(f"the members cannot be read: {error}") from error
    config = Config(voters, outgoing, learners, learners_next, bool(body[0]))
    return SnapshotMembers(config, tuple(members), tuple(sorted(removed)))


def _parse_auth(body: bytes) -> AuthState:
    try:
        return parse_state(body)
    except (struct.error, ValueError, IndexError) as error:
        raise MalformedSnapshotError(f"the users cannot be read: {error}") from error


def _render_records(records: Iterable[Record]) -> Iterator[bytes]:
    for record in records:
        yield _LENGTH.pack(len(record))
        yield record


def _parse_records(body: bytes) -> Iterator[Record]:
    at = 0
    while at < len(body):
        (length,) = _LENGTH.unpack_from(body, at)
        start, at = at + _LENGTH.size, at + _LENGTH.size + length
        yield Record(body[start:at])
