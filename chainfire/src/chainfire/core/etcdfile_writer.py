"""The state as etcd would have it on disk, so that any etcd tool reads a snapshot and any etcd can be started from one.

Only what cannot be known is made up: the place of a record within its revision is counted anew, since compaction does
not keep it.

Source: as `etcdfile`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator

from chainfire.core import bbolt_writer, etcdfile, etcdfile_auth
from chainfire.core.bbolt_writer import Item, Piece
from chainfire.core.etcdfile import NUMBER, REVISION, SEPARATOR, field
from chainfire.core.keyvalue import Record, unpack
from chainfire.core.leases import Lease
from chainfire.core.machine import Machine
from chainfire.core.membership import Member
from chainfire.core.render import key_value
from chainfire.core.snapshot import SnapshotHead
from ultracloud.raft.words import Config

CLUSTER_VERSION = b"3.5.0"


def pieces_of(machine: Machine, head: SnapshotHead, config: Config) -> Iterator[Piece]:
    """Give the bytes of an etcd database, piece by piece; `config` is who takes part as of now.

    The state may change between pieces, but no sweep may step in. What changes in place is taken now: call this in the
    same breath as `head`.
    """
    leases, members = _leases(machine.leases.all()), _members(machine.members.all())
    removed = sorted((_id_text(each), b"removed") for each in machine.members.removed)
    auth = machine.auth.state()
    buckets: list[tuple[bytes, Iterable[Item]]] = [
        (etcdfile.ALARM, sorted((field(1, member) + field(2, alarm), b"") for member, alarm in head.alarms)),
        (etcdfile.AUTH, etcdfile_auth.auth_items(auth)),
        (etcdfile.AUTH_ROLES, etcdfile_auth.role_items(auth.roles)),
        (etcdfile.AUTH_USERS, etcdfile_auth.user_items(auth.users)),
        (etcdfile.CLUSTER, [(etcdfile.CLUSTER_VERSION, CLUSTER_VERSION)]),
        (etcdfile.KEY, _records(machine.store.records(head.revision, head.compact_revision))),
        (etcdfile.LEASE, leases),
        (etcdfile.MEMBERS, members),
        (etcdfile.MEMBERS_REMOVED, removed),
        (etcdfile.META, sorted(_meta(head, config))),
    ]
    return bbolt_writer.render(buckets)


def _records(chunks: Iterable[Iterable[Record]]) -> Iterator[Item]:
    """Each record by its revision and its place within."""
    last = place = 0
    for chunk in chunks:
        for record in chunk:
            kv = unpack(record)
            place = place + 1 if kv.mod_revision == last else 0
            last = kv.mod_revision
            at = REVISION.pack(last, SEPARATOR, place)
            yield (at, key_value(kv)) if kv.version else (at + etcdfile.DELETION, field(1, kv.key))


def _leases(leases: Iterable[Lease]) -> list[Item]:
    return sorted(
        (
            etcdfile.LEASE_ID.pack(each.lease),
            field(1, each.lease) + field(2, each.ttl_s) + field(3, each.remaining_s),
        )
        for each in leases
    )


def _members(members: Iterable[Member]) -> list[Item]:
    return sorted((_id_text(member.member_id), _member(member)) for member in members)


def _member(member: Member) -> bytes:
    """A member as etcd's JSON has it: what is empty is left out."""
    told = {
        "id": member.member_id,
        "peerURLs": list(member.peer_urls),
        "isLearner": member.is_learner,
        "name": member.name,
        "clientURLs": list(member.client_urls),
    }
    return _json({name: value for name, value in told.items() if value or name in ("id", "peerURLs")})


def _meta(head: SnapshotHead, config: Config) -> Iterator[Item]:
    yield etcdfile.CONSISTENT_INDEX, NUMBER.pack(head.index)
    yield etcdfile.TERM, NUMBER.pack(head.term)
    groups = {
        "voters": config.voters,
        "learners": config.learners,
        "voters_outgoing": config.outgoing,
        "learners_next": config.learners_next,
    }
    told: dict[str, object] = {name: sorted(group) for name, group in groups.items() if group}
    yield etcdfile.CONF_STATE, _json(told | {"auto_leave": config.auto_leave})
    if head.compact_revision > 0:
        at = REVISION.pack(head.compact_revision, SEPARATOR, 0)
        yield etcdfile.SCHEDULED_COMPACTION, at
        yield etcdfile.FINISHED_COMPACTION, at


def _id_text(member: int) -> bytes:
    return b"%x" % member


def _json(told: object) -> bytes:
    return json.dumps(told, separators=(",", ":")).encode()
