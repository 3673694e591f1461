"""etcd's database, as etcd 3.5 lays it out in buckets: what `etcdfile_writer` and `etcdfile_reader` share.

| bucket | key | value |
|---|---|---|
| key | revision (main, `_`, sub; `t` behind it in a deletion) | mvccpb.KeyValue |
| lease | id | leasepb.Lease |
| alarm | etcdserverpb.AlarmMember | nothing |
| auth, authUsers, authRoles | a word; names | enabled, revision; authpb.User, authpb.Role |
| members, members_removed | id in hexadecimal digits | JSON; the word "removed" |
| cluster | clusterVersion | of all members together |
| meta | words below | applied index, its term, who votes (JSON), compactions |

Numbers are big-endian, since bbolt sorts keys as bytes.

Source: etcd 3.5, server/mvcc/buckets, server/mvcc/kvstore.go, server/lease/leasepb, server/etcdserver/api/membership.
"""

from __future__ import annotations

import struct

from chainfire.core.render import varint

KEY, META, LEASE, ALARM = b"key", b"meta", b"lease", b"alarm"
AUTH, AUTH_USERS, AUTH_ROLES = b"auth", b"authUsers", b"authRoles"
MEMBERS, MEMBERS_REMOVED, CLUSTER = b"members", b"members_removed", b"cluster"

CONSISTENT_INDEX, TERM, CONF_STATE = b"consistent_index", b"term", b"confState"
SCHEDULED_COMPACTION, FINISHED_COMPACTION = b"scheduledCompactRev", b"finishedCompactRev"
CLUSTER_VERSION, AUTH_REVISION, AUTH_ENABLED = b"clusterVersion", b"authRevision", b"authEnabled"

NUMBER = struct.Struct(">Q")
LEASE_ID = struct.Struct(">q")
REVISION = struct.Struct(">QcQ")
SEPARATOR = b"_"
DELETION = b"t"
"""Behind the revision of a record that deletes."""


class MalformedEtcdFileError(ValueError):
    """A sound bbolt file that is not what etcd writes."""


def field(number: int, value: int | bytes) -> bytes:
    """One field of a protobuf message; nothing for 0 and for no bytes."""
    if not value:
        return b""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    return varint(number << 3 | 2) + varint(len(value)) + value
