"""Who may do what while authentication is enabled: asked where a request arrives, and again where it is applied.

Everything here is decided by the state alone. While authentication is off nothing here is called.

Source: etcd 3.5 semantics, with what its later releases closed: nested txns, previous values and leases inside of txns,
and the RPCs that asked nobody (compaction, alarms, leases, status) are checked here too.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import assert_never

from chainfire.core.auth import AuthTable
from chainfire.core.auth_commands import (
    AuthDisable,
    AuthEnable,
    Authenticate,
    RoleAdd,
    RoleDelete,
    RoleGrantPermission,
    RoleRevokePermission,
    UserAdd,
    UserChangePassword,
    UserDelete,
    UserGrantRole,
    UserRevokeRole,
)
from chainfire.core.auth_permissions import Granted
from chainfire.core.commands import (
    NOBODY_KNOWN,
    AlarmSet,
    By,
    Caller,
    Command,
    Compact,
    DeleteRange,
    LeaseCheckpoint,
    LeaseGrant,
    LeaseRevoke,
    MemberAdd,
    MemberPromote,
    MemberPublish,
    MemberRemove,
    MemberUpdate,
    Operation,
    PlainCommand,
    Put,
    Range,
    Txn,
)
from chainfire.core.keyvalue import NO_LEASE, LeaseId
from chainfire.core.leases import LeaseTable
from chainfire.errors import OldAuthRevisionError, PermissionRefusedError, UserEmptyError, UserNotFoundError


def check(auth: AuthTable, leases: LeaseTable, command: Command) -> None:
    """Refuse a command that its caller may not have done.

    Raises:
        UserEmptyError: Nobody knows who asks.
        OldAuthRevisionError: What the caller may do has changed since it asked.
        UserNotFoundError: As `require_root`.
        PermissionRefusedError: It may not.
    """
    if isinstance(command, By):
        _check_by(auth, leases, command.caller, command.command)
    elif not isinstance(command, LeaseRevoke | Compact | AlarmSet):
        _check_by(auth, leases, NOBODY_KNOWN, command)


def require_known(caller: Caller) -> None:
    """Refuse somebody whom nobody knows.

    Raises:
        UserEmptyError: So it is.
    """
    if caller.auth_revision == 0:
        raise UserEmptyError


def require_root(auth: AuthTable, caller: Caller) -> None:
    """Refuse everybody who does not have the role root.

    Raises:
        UserEmptyError: Nobody knows who asks.
        UserNotFoundError: A certificate or a signed token names a user that is none.
        PermissionRefusedError: It has not.
    """
    if not caller.user:
        raise UserEmptyError
    granted = auth.granted(caller.user)
    if granted is None:
        raise UserNotFoundError
    if not granted.is_root:
        raise PermissionRefusedError


def check_read(auth: AuthTable, caller: Caller, key: bytes, end: bytes = b"") -> None:
    """Refuse to show a range; raises as `check`."""
    granted = _granted(auth, caller)
    if not granted.is_root and not granted.read.hold(key, end):
        raise PermissionRefusedError


def check_write(auth: AuthTable, caller: Caller, key: bytes, end: bytes = b"") -> None:
    """Refuse to change a range; raises as `check`."""
    granted = _granted(auth, caller)
    if not granted.is_root and not granted.write.hold(key, end):
        raise PermissionRefusedError


def check_txn(auth: AuthTable, leases: LeaseTable, caller: Caller, txn: Txn) -> None:
    """Refuse a txn if any part of it, nested or not taken, may not be done; raises as `check`."""
    for compare in txn.compare:
        check_read(auth, caller, compare.key, compare.end)
    for operation in (*txn.success, *txn.failure):
        _check_operation(auth, leases, caller, operation)


def check_lease_written(auth: AuthTable, leases: LeaseTable, caller: Caller, lease: LeaseId) -> None:
    """Refuse to end, to renew or to attach to a lease whose keys the caller may not write; raises as `check`.

    Whoever attaches a key decides with its lease when the others die.
    """
    found = leases.find(lease)
    if found is None or _is_root(auth, caller):
        return
    for key in sorted(found.keys):
        check_write(auth, caller, key)


def check_leases_read(auth: AuthTable, caller: Caller, keys: Iterable[bytes]) -> None:
    """Refuse to tell of leases whose keys the caller may not read; raises as `check`."""
    require_known(caller)
    if not _is_root(auth, caller):
        for key in keys:
            check_read(auth, caller, key)


def _check_by(auth: AuthTable, leases: LeaseTable, caller: Caller, command: PlainCommand) -> None:
    match command:
        case Put() | DeleteRange() | Txn():
            _check_operation(auth, leases, caller, command)
        case LeaseGrant():
            require_known(caller)
        case LeaseRevoke():
            require_known(caller)
            check_lease_written(auth, leases, caller, command.lease)
        case (
            (Compact() | AlarmSet() | AuthEnable() | AuthDisable())
            | (UserAdd() | UserDelete() | UserChangePassword() | UserGrantRole() | UserRevokeRole())
            | (RoleAdd() | RoleDelete() | RoleGrantPermission() | RoleRevokePermission())
        ):
            require_root(auth, caller)
        case Authenticate() | LeaseCheckpoint():
            pass
        case MemberAdd() | MemberRemove() | MemberPromote() | MemberUpdate() | MemberPublish():
            # Asked where the request arrived: the log obeys what was logged, and so must the list of members.
            pass
        case _:
            assert_never(command)


def _check_operation(auth: AuthTable, leases: LeaseTable, caller: Caller, operation: Operation) -> None:
    match operation:
        case Put():
            check_write(auth, caller, operation.key)
            if operation.lease != NO_LEASE:
                check_lease_written(auth, leases, caller, operation.lease)
            if operation.prev_kv:
                check_read(auth, caller, operation.key)
        case DeleteRange():
            check_write(auth, caller, operation.key, operation.end)
            if operation.prev_kv:
                check_read(auth, caller, operation.key, operation.end)
        case Range():
            check_read(auth, caller, operation.key, operation.end)
        case Txn():
            check_txn(auth, leases, caller, operation)
        case _:
            assert_never(operation)


def _granted(auth: AuthTable, caller: Caller) -> Granted:
    require_known(caller)
    if caller.auth_revision < auth.revision:
        raise OldAuthRevisionError
    granted = auth.granted(caller.user)
    if granted is None:
        raise PermissionRefusedError
    return granted


def _is_root(auth: AuthTable, caller: Caller) -> bool:
    granted = auth.granted(caller.user)
    return granted is not None and granted.is_root
