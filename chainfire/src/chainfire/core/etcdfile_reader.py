"""The state that lies in an etcd database, as the frames of a snapshot of ours.

What etcd does when it starts from the file is done here too: a compaction that was only scheduled counts as done, and
the revision is that of the last record or of the compaction, whichever is later.

Source: as `etcdfile`; restoring in etcd 3.5, server/mvcc/kvstore.go.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from dataclasses import dataclass

from chainfire.core import etcdfile
from chainfire.core.bbolt_reader import Bucket, Database
from chainfire.core.commands import Alarm
from chainfire.core.etcdfile import DELETION, NUMBER, REVISION, SEPARATOR, MalformedEtcdFileError
from chainfire.core.etcdfile_auth import parse_auth
from chainfire.core.keyvalue import FIRST_REVISION, NO_LEASE, LeaseId, Record, pack
from chainfire.core.membership import Member
from chainfire.core.mvcc import UNCOMPACTED
from chainfire.core.protobuf import MalformedMessageError, fields, signed, text
from chainfire.core.snapshot import Frame, SnapshotEnd, SnapshotHead, SnapshotLeases, SnapshotMembers, SnapshotRecords
from ultracloud.raft.words import Config

RECORDS_PER_FRAME = 512
_KEY, _CREATE, _MOD, _VERSION, _VALUE, _LEASE = range(1, 7)
"""Fields of mvccpb.KeyValue."""


@dataclass(frozen=True, slots=True)
class _Lease:
    lease: LeaseId
    ttl_s: int
    remaining_s: int


def frames_of(database: Database) -> Iterator[Frame]:
    """Give the state of an etcd database as frames; its ids are not known from it and are 0.

    Raises:
        MalformedEtcdFileError: It is no database of etcd's, or holds what etcd never writes.
        MalformedDatabaseError: A page is damaged.
    """
    buckets = database.buckets()
    if etcdfile.KEY not in buckets or etcdfile.META not in buckets:
        raise MalformedEtcdFileError("a bbolt file, but not etcd's: it has no keys or no meta")
    try:
        yield _head(database, buckets)
        yield SnapshotMembers(Config(), _members(database, buckets), ())
        yield parse_auth(
            *(_items(database, buckets, name) for name in (etcdfile.AUTH, etcdfile.AUTH_USERS, etcdfile.AUTH_ROLES))
        )
        leases = _leases(database, buckets)
        yield SnapshotLeases(tuple((each.lease, each.ttl_s, each.remaining_s) for each in leases))
        yield from _records(database, buckets[etcdfile.KEY], frozenset(each.lease for each in leases))
    except (MalformedMessageError, struct.error) as error:
        raise MalformedEtcdFileError(str(error)) from error


def _head(database: Database, buckets: dict[bytes, Bucket]) -> SnapshotHead:
    meta = dict(database.items(buckets[etcdfile.META]))
    compacted = max(_main(meta.get(name)) for name in (etcdfile.SCHEDULED_COMPACTION, etcdfile.FINISHED_COMPACTION))
    last = database.last_item(buckets[etcdfile.KEY])
    return SnapshotHead(
        index=_number(meta.get(etcdfile.CONSISTENT_INDEX)),
        term=_number(meta.get(etcdfile.TERM)),
        revision=max(FIRST_REVISION, _main(last[0]) if last else 0, compacted),
        compact_revision=compacted if compacted > 0 else UNCOMPACTED,
        cluster_id=0,
        member_id=0,
        alarms=tuple(_alarm(key) for key, _ in _items(database, buckets, etcdfile.ALARM)),
    )


def _items(database: Database, buckets: dict[bytes, Bucket], name: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Items of a bucket that older versions do not have."""
    bucket = buckets.get(name)
    return iter(()) if bucket is None else database.items(bucket)


def _number(value: bytes | None) -> int:
    return NUMBER.unpack(value)[0] if value else 0


def _main(at: bytes | None) -> int:
    """The revision in the key of a record, 0 without one."""
    return _revision(at)[0] if at is not None else 0


def _revision(at: bytes) -> tuple[int, bool]:
    """The revision in the key of a record, and whether it deletes."""
    if len(at) < REVISION.size or at[REVISION.size :] not in (b"", DELETION):
        raise MalformedEtcdFileError(f"{at!r} is no revision")
    main, separator, _ = REVISION.unpack_from(at)
    if separator != SEPARATOR or main >= 1 << 63:
        raise MalformedEtcdFileError(f"{at!r} is no revision")
    return main, len(at) > REVISION.size


def _alarm(key: bytes) -> tuple[int, Alarm]:
    found = dict(fields(key))
    number = found.get(2, 0)
    if number not in tuple(Alarm):
        raise MalformedEtcdFileError(f"no alarm has the number {number!r}")
    member = found.get(1, 0)
    if isinstance(member, bytes):
        raise MalformedEtcdFileError("an alarm of no member")
    return member, Alarm(signed(number))


def _leases(database: Database, buckets: dict[bytes, Bucket]) -> list[_Lease]:
    found: list[_Lease] = []
    for key, value in _items(database, buckets, etcdfile.LEASE):
        said = {number: signed(each) for number, each in fields(value)}
        (lease,) = etcdfile.LEASE_ID.unpack(key)
        if said.get(1, 0) != lease or not lease:
            raise MalformedEtcdFileError(f"the lease below the id {lease:x} says that it is {said.get(1, 0):x}")
        found.append(_Lease(LeaseId(lease), said.get(2, 0), said.get(3, 0)))
    return found


def _members(database: Database, buckets: dict[bytes, Bucket]) -> tuple[Member, ...]:
    return tuple(_member(value) for _, value in _items(database, buckets, etcdfile.MEMBERS))


def _member(value: bytes) -> Member:
    try:
        said = json.loads(value)
        return Member(
            int(said["id"]),
            str(said.get("name") or ""),
            tuple(map(str, said.get("peerURLs") or ())),
            tuple(map(str, said.get("clientURLs") or ())),
            bool(said.get("isLearner")),
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise MalformedEtcdFileError(f"a member cannot be read: {error}") from error


def _records(database: Database, bucket: Bucket, leases: frozenset[LeaseId]) -> Iterator[Frame]:
    waiting: list[Record] = []
    count = 0
    for at, value in database.items(bucket):
        record = _record(at, value, leases)
        if record is None:
            continue
        count += 1
        waiting.append(record)
        if len(waiting) == RECORDS_PER_FRAME:
            yield SnapshotRecords(tuple(waiting))
            waiting = []
    yield SnapshotRecords(tuple(waiting))
    yield SnapshotEnd(count)


def _record(at: bytes, value: bytes, leases: frozenset[LeaseId]) -> Record | None:
    """One record; None for the placeholder that `etcdutl snapshot restore --bump-revision` leaves at its revision."""
    main, deletes = _revision(at)
    said = dict(fields(value))
    key = text(said.get(_KEY, b""))
    if not key:
        if said:
            raise MalformedEtcdFileError(f"the record of revision {main} has no key")
        return None
    if deletes:
        return pack(key, 0, main, 0, b"", NO_LEASE)
    create, mod, version, lease = (signed(said.get(number, 0)) for number in (_CREATE, _MOD, _VERSION, _LEASE))
    if mod != main or version < 1 or not 0 < create <= main:
        raise MalformedEtcdFileError(
            f"the record of revision {main} says that it is of revision {mod}, version {version}, created at {create}"
        )
    # A lease that is gone cannot be attached to; old versions of a key may still name one.
    kept = LeaseId(lease) if lease in leases else NO_LEASE
    return pack(key, create, main, version, text(said.get(_VALUE, b"")), kept)
