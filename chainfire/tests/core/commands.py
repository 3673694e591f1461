"""Hypothesis strategies for commands."""

from __future__ import annotations

from hypothesis import strategies as st

from chainfire.core.auth_commands import (
    AuthDisable,
    AuthEnable,
    Authenticate,
    Permission,
    PermissionKind,
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
from chainfire.core.commands import (
    Alarm,
    AlarmAction,
    AlarmSet,
    By,
    Caller,
    Compact,
    Compare,
    CompareResult,
    CompareTarget,
    DeleteRange,
    LeaseCheckpoint,
    LeaseGrant,
    LeaseRevoke,
    Put,
    Range,
    SortOrder,
    SortTarget,
    Txn,
)

INT64 = st.integers(-(1 << 63), (1 << 63) - 1)
UINT64 = st.integers(0, (1 << 64) - 1)
TEXT = st.binary(max_size=6)
PUTS = st.builds(Put, TEXT, TEXT, INT64, st.booleans(), st.booleans(), st.booleans())
DELETES = st.builds(DeleteRange, TEXT, TEXT, st.booleans())
RANGES = st.builds(
    Range,
    TEXT,
    TEXT,
    limit=INT64,
    revision=INT64,
    order=st.sampled_from(SortOrder),
    target=st.sampled_from(SortTarget),
    keys_only=st.booleans(),
    count_only=st.booleans(),
    min_mod_revision=INT64,
    max_mod_revision=INT64,
    min_create_revision=INT64,
    max_create_revision=INT64,
)
NUMBERS = [target for target in CompareTarget if target is not CompareTarget.VALUE]
COMPARES = st.one_of(
    st.builds(Compare, TEXT, st.sampled_from(NUMBERS), st.sampled_from(CompareResult), INT64, TEXT),
    st.builds(Compare, TEXT, st.just(CompareTarget.VALUE), st.sampled_from(CompareResult), TEXT, TEXT),
)


def txns(operations: st.SearchStrategy[Put | DeleteRange | Range | Txn]) -> st.SearchStrategy[Txn]:
    """Txns of these operations."""
    branch = st.lists(operations, max_size=3).map(tuple)
    return st.builds(Txn, st.lists(COMPARES, max_size=3).map(tuple), branch, branch)


OPERATIONS = st.recursive(st.one_of(PUTS, DELETES, RANGES), txns, max_leaves=6)
NAMES = st.text(max_size=4)
PERMISSIONS = st.builds(Permission, st.sampled_from(PermissionKind), TEXT, TEXT)
AUTH_COMMANDS = st.one_of(
    st.builds(AuthEnable),
    st.builds(AuthDisable),
    st.builds(Authenticate, NAMES, NAMES),
    st.builds(UserAdd, NAMES, TEXT, st.booleans()),
    st.builds(UserDelete, NAMES),
    st.builds(UserChangePassword, NAMES, TEXT),
    st.builds(UserGrantRole, NAMES, NAMES),
    st.builds(UserRevokeRole, NAMES, NAMES),
    st.builds(RoleAdd, NAMES),
    st.builds(RoleDelete, NAMES),
    st.builds(RoleGrantPermission, NAMES, PERMISSIONS),
    st.builds(RoleRevokePermission, NAMES, TEXT, TEXT),
)
PLAIN_COMMANDS = st.one_of(
    PUTS,
    DELETES,
    txns(OPERATIONS),
    st.builds(Compact, INT64),
    st.builds(LeaseGrant, INT64, INT64),
    st.builds(LeaseRevoke, INT64),
    st.builds(LeaseCheckpoint, st.lists(st.tuples(INT64, INT64), max_size=4).map(tuple)),
    st.builds(AlarmSet, st.sampled_from(AlarmAction), UINT64, st.sampled_from(Alarm)),
    AUTH_COMMANDS,
)
COMMANDS = st.one_of(PLAIN_COMMANDS, st.builds(By, st.builds(Caller, NAMES, UINT64), PLAIN_COMMANDS))
