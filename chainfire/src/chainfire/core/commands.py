"""What can be asked of the store: reads, and the commands that the log carries to every member.

A command is applied in log order on every member and gives the same result everywhere, so it holds everything that
decides: no time, no randomness. Enumerations have etcd's numbers, because they go through the log and over the wire.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import TypeAlias

from chainfire.core.auth_commands import AuthCommand
from chainfire.core.keyvalue import NO_LEASE, LeaseId
from chainfire.core.membership import Member


class SortOrder(IntEnum):
    """Direction of a sorted range."""

    NONE = 0
    ASCEND = 1
    DESCEND = 2


class SortTarget(IntEnum):
    """What a range is sorted by."""

    KEY = 0
    VERSION = 1
    CREATE = 2
    MOD = 3
    VALUE = 4


class CompareResult(IntEnum):
    """What a comparison must yield to hold."""

    EQUAL = 0
    GREATER = 1
    LESS = 2
    NOT_EQUAL = 3


class CompareTarget(IntEnum):
    """What of a key is compared."""

    VERSION = 0
    CREATE = 1
    MOD = 2
    VALUE = 3
    LEASE = 4


class Alarm(IntEnum):
    """A state in which members refuse writes until a person has seen to it."""

    NONE = 0
    NOSPACE = 1
    CORRUPT = 2


class AlarmAction(IntEnum):
    """What to do about an alarm."""

    GET = 0
    ACTIVATE = 1
    DEACTIVATE = 2


@dataclass(frozen=True, slots=True)
class Range:
    """Read keys; a read is never logged unless it is part of a txn that writes.

    Attributes:
        revision: Read as of this revision; 0 or less reads the newest.
        limit: Keys returned at most; 0 returns all.
        min_mod_revision: Bounds of revisions are inclusive, 0 is none; they filter the keys, not the count.
    """

    key: bytes
    end: bytes = b""
    limit: int = 0
    revision: int = 0
    order: SortOrder = SortOrder.NONE
    target: SortTarget = SortTarget.KEY
    keys_only: bool = False
    count_only: bool = False
    min_mod_revision: int = 0
    max_mod_revision: int = 0
    min_create_revision: int = 0
    max_create_revision: int = 0


@dataclass(frozen=True, slots=True)
class Put:
    """Write one key."""

    key: bytes
    value: bytes
    lease: LeaseId = NO_LEASE
    prev_kv: bool = False
    ignore_value: bool = False
    ignore_lease: bool = False


@dataclass(frozen=True, slots=True)
class DeleteRange:
    """Delete every key of a range."""

    key: bytes
    end: bytes = b""
    prev_kv: bool = False


@dataclass(frozen=True, slots=True)
class Compare:
    """A condition on every key of a range.

    Attributes:
        operand: Bytes for the target VALUE, a number for all others.
    """

    key: bytes
    target: CompareTarget
    result: CompareResult
    operand: bytes | int
    end: bytes = b""


@dataclass(frozen=True, slots=True)
class Txn:
    """If all comparisons hold do `success`, else `failure`; all at one revision."""

    compare: tuple[Compare, ...] = ()
    success: tuple[Operation, ...] = ()
    failure: tuple[Operation, ...] = ()


Operation: TypeAlias = Range | Put | DeleteRange | Txn


@dataclass(frozen=True, slots=True)
class Compact:
    """Forget what was superseded at or before `revision`."""

    revision: int


@dataclass(frozen=True, slots=True)
class LeaseGrant:
    """Make a lease. The id is chosen before the log, so that all members agree on it.

    Attributes:
        ttl_s: Time to live in seconds, at least LEASE_TTL_S_MIN by then.
    """

    lease: LeaseId
    ttl_s: int


@dataclass(frozen=True, slots=True)
class LeaseRevoke:
    """End a lease and delete its keys, at one revision."""

    lease: LeaseId


@dataclass(frozen=True, slots=True)
class LeaseCheckpoint:
    """Note how long leases still had, so that a restart or a new leader does not give them their whole time again.

    Attributes:
        remaining: Pairs of lease and seconds; 0 seconds means the whole time.
    """

    remaining: tuple[tuple[LeaseId, int], ...]


@dataclass(frozen=True, slots=True)
class AlarmSet:
    """Raise or disarm an alarm of a member."""

    action: AlarmAction
    member: int
    alarm: Alarm


@dataclass(frozen=True, slots=True)
class MemberAdd:
    """Take in a member."""

    member: Member


@dataclass(frozen=True, slots=True)
class MemberRemove:
    """Remove a member for ever."""

    member: int


@dataclass(frozen=True, slots=True)
class MemberPromote:
    """Let a learner vote."""

    member: int


@dataclass(frozen=True, slots=True)
class MemberUpdate:
    """Note where a member is found by the others."""

    member: int
    peer_urls: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class MemberPublish:
    """A started member says what it is called, and where clients find it."""

    member: int
    name: str
    client_urls: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks for something.

    Attributes:
        user: Empty if nobody knows.
        auth_revision: Of users and roles when the caller was recognised; 0 if nobody knows who it is.
    """

    user: str = ""
    auth_revision: int = 0


NOBODY_KNOWN = Caller()


@dataclass(frozen=True, slots=True)
class By:
    """A command and who asks for it; the log carries both, since who may do what can change before it is applied.

    A command without a caller is of a client that was not asked who it is; or members do it by themselves, who revoke
    leases, compact and raise alarms. So a client's command of these kinds always carries its caller.
    """

    caller: Caller
    command: PlainCommand


MemberCommand: TypeAlias = MemberAdd | MemberRemove | MemberPromote | MemberUpdate | MemberPublish
PlainCommand: TypeAlias = (
    Put
    | DeleteRange
    | Txn
    | Compact
    | LeaseGrant
    | LeaseRevoke
    | LeaseCheckpoint
    | AlarmSet
    | MemberAdd
    | MemberRemove
    | MemberPromote
    | MemberUpdate
    | MemberPublish
    | AuthCommand
)
Command: TypeAlias = PlainCommand | By


def plain(command: Command) -> PlainCommand:
    """What is asked, whoever asks."""
    return command.command if isinstance(command, By) else command
