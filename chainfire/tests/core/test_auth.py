"""Users, roles and permissions in the state: what a command's caller may have done when it is applied."""

import pytest
from core.commands import NAMES, PERMISSIONS, TEXT, UINT64
from core.stores import parse, parse_txn
from hypothesis import given
from hypothesis import strategies as st

from chainfire.core import entry
from chainfire.core.auth import AuthState, AuthTable, Role, User
from chainfire.core.auth_commands import (
    AuthCommand,
    AuthDisable,
    AuthEnable,
    Authenticate,
    Permission,
    PermissionKind,
    RoleAdd,
    RoleGrantPermission,
    RoleRevokePermission,
    UserAdd,
    UserChangePassword,
    UserDelete,
    UserGrantRole,
)
from chainfire.core.auth_entry import parse_state, render_state
from chainfire.core.commands import NOBODY_KNOWN, AlarmSet, By, Caller, Command, PlainCommand, Put, Range
from chainfire.core.machine import Machine
from chainfire.core.results import Authenticated, Result
from chainfire.core.snapshot import (
    FRAME_HEAD_BYTES,
    Restore,
    SnapshotEnd,
    head_of,
    parse_body,
    parse_frame_head,
    render,
)
from chainfire.errors import (
    AuthFailedError,
    EtcdError,
    OldAuthRevisionError,
    PermissionRefusedError,
    UserEmptyError,
    UserNotFoundError,
)


def apply(machine: Machine, command: Command) -> Result:
    """Apply a command as the log would bring it."""
    return machine.apply(machine.applied_index + 1, entry.decode(entry.encode(command)))


def asked(machine: Machine, user: str, command: PlainCommand) -> Result:
    """Apply a command of a user who was recognised just now."""
    return apply(machine, By(Caller(user, machine.auth.revision), command))


def guarded() -> Machine:
    """A machine that asks: root, and alice who may read a to c and write b alone."""
    machine = Machine()
    changes: list[AuthCommand] = [
        UserAdd("root", b"#"),
        UserGrantRole("root", "root"),
        UserAdd("alice", b"#"),
        RoleAdd("r"),
        RoleGrantPermission("r", Permission(PermissionKind.READ, b"a", b"d")),
        RoleGrantPermission("r", Permission(PermissionKind.WRITE, b"b")),
        UserGrantRole("alice", "r"),
        AuthEnable(),
    ]
    for change in changes:
        apply(machine, change)
    return machine


def test_a_command_is_judged_by_what_its_caller_may_do_when_it_is_applied() -> None:
    machine = guarded()
    late = By(Caller("alice", machine.auth.revision), Put(b"b", b"1"))
    asked(machine, "alice", Put(b"b", b"1"))
    asked(machine, "root", RoleRevokePermission("r", b"b", b""))
    with pytest.raises(OldAuthRevisionError):
        apply(machine, late)
    with pytest.raises(PermissionRefusedError):
        asked(machine, "alice", Put(b"b", b"1"))


def test_a_command_logged_before_anybody_was_asked_is_refused_afterwards() -> None:
    machine = guarded()
    for command in (Put(b"b", b""), parse(["del", "b"]), parse_txn(["then", "get", "a"]), parse(["grant", "7", "60"])):
        with pytest.raises(UserEmptyError):
            apply(machine, command)


@pytest.mark.parametrize("words", [["revoke", "7"], ["compact", "2"], ["alarm", "activate", "1", "nospace"]])
def test_what_members_do_by_themselves_is_not_refused_but_a_clients_is(words: list[str]) -> None:
    machine = guarded()
    asked(machine, "root", parse(["grant", "7", "60"]))
    asked(machine, "root", Put(b"x", b"", prev_kv=True))
    command = parse(words)
    assert not isinstance(command, By)
    with pytest.raises(UserEmptyError):
        apply(machine, By(NOBODY_KNOWN, command))
    apply(machine, command)


def test_a_caller_is_carried_while_nobody_is_asked_too() -> None:
    machine = Machine()
    apply(machine, By(NOBODY_KNOWN, Put(b"k", b"1")))
    assert machine.range(Range(b"k")).count == 1


@pytest.mark.parametrize(
    "line",
    [
        "if c.version = 0 then get a else get b",
        "then put b 1 ; get b",
        "then [ if a.version = 0 then put b 1 else get c ]",
    ],
)
def test_a_txn_is_done_if_all_of_it_may_be(line: str) -> None:
    asked(guarded(), "alice", parse_txn(line.split()))


@pytest.mark.parametrize(
    "line",
    [
        "if e.version = 0 then get a",
        "then get a else get e",
        "then put b 1 ; put c 1",
        "then [ then put c 1 ]",
        "then [ if a.version = 1 then get a else [ then get e ] ]",
        "then [ if e.version = 0 then get a ]",
        "then del b c",
        "then get a --from",
    ],
)
def test_a_txn_does_nothing_if_any_part_of_it_may_not_be_done(line: str) -> None:
    machine = guarded()
    with pytest.raises(PermissionRefusedError):
        asked(machine, "alice", parse_txn(line.split()))
    assert machine.revision == 1


def test_a_lease_is_attached_and_ended_by_those_who_may_write_all_its_keys() -> None:
    machine = guarded()
    asked(machine, "alice", parse(["grant", "7", "60"]))
    asked(machine, "alice", parse(["put", "b", "1", "--lease=7"]))
    asked(machine, "root", parse(["put", "c", "1", "--lease=7"]))
    for line in ("put b 2 --lease=7", "revoke 7"):
        with pytest.raises(PermissionRefusedError):
            asked(machine, "alice", parse(line.split()))
    with pytest.raises(PermissionRefusedError):
        asked(machine, "alice", parse_txn(["then", "put", "b", "2", "--lease=7"]))
    asked(machine, "root", parse(["revoke", "7"]))
    assert machine.revision == 4


def test_to_see_what_a_write_replaced_takes_the_right_to_read_it() -> None:
    machine = guarded()
    asked(machine, "root", RoleGrantPermission("r", Permission(PermissionKind.WRITE, b"w", b"x")))
    asked(machine, "alice", parse(["put", "w", "1"]))
    for line in ("put w 2 --prev", "del w --prev"):
        with pytest.raises(PermissionRefusedError):
            asked(machine, "alice", parse(line.split()))
        with pytest.raises(PermissionRefusedError):
            asked(machine, "alice", parse_txn(["then", *line.split()]))


def test_only_root_changes_users_and_roles() -> None:
    machine = guarded()
    for command in (UserAdd("eve", b"#"), UserGrantRole("alice", "root"), AuthDisable(), UserDelete("root")):
        with pytest.raises(PermissionRefusedError):
            asked(machine, "alice", command)
        with pytest.raises(UserNotFoundError):
            asked(machine, "nobody", command)
        with pytest.raises(UserEmptyError):
            apply(machine, command)


def test_permissions_are_asked_before_alarms_are() -> None:
    machine = guarded()
    alarm = parse(["alarm", "activate", "1", "corrupt"])
    assert isinstance(alarm, AlarmSet)
    asked(machine, "root", alarm)
    with pytest.raises(PermissionRefusedError):
        asked(machine, "alice", Put(b"e", b""))
    # Or nobody could ever disarm it.
    assert isinstance(apply(machine, Authenticate("root", "p")), Authenticated)
    asked(machine, "root", parse(["alarm", "deactivate", "1", "corrupt"]))


def test_tokens_end_with_the_password_the_user_and_the_asking() -> None:
    machine = guarded()

    def token() -> str:
        granted = apply(machine, Authenticate("alice", "prefix"))
        assert isinstance(granted, Authenticated)
        assert granted.token == f"prefix.{machine.applied_index}"
        return granted.token

    ends: list[AuthCommand] = [UserChangePassword("alice", b"#2"), AuthDisable(), UserDelete("alice")]
    for end in ends:
        given = token()
        assert machine.auth.tokens.use(given) == "alice"
        asked(machine, "root", end)
        assert machine.auth.tokens.use(given) is None
        asked(machine, "root", AuthEnable())
    with pytest.raises(AuthFailedError):
        token()


def test_a_log_that_is_read_again_brings_no_token_back() -> None:
    machine = guarded()
    machine.auth.forget_tokens(machine.applied_index + 1)
    for lives in (False, True):
        granted = apply(machine, Authenticate("alice", "prefix"))
        assert isinstance(granted, Authenticated)
        assert (machine.auth.tokens.use(granted.token) is not None) == lives


def test_users_and_roles_survive_as_bytes() -> None:
    table = guarded().auth
    copy = AuthTable()
    copy.restore(parse_state(render_state(table.state())))
    assert copy.state() == table.state()
    assert (copy.is_enabled, copy.revision) == (True, table.revision)
    granted = copy.granted("alice")
    assert granted is not None
    assert granted.read.hold(b"a", b"d")


@given(
    st.builds(
        AuthState,
        st.booleans(),
        UINT64,
        st.lists(st.builds(User, NAMES, TEXT, st.lists(NAMES, max_size=3).map(tuple), st.booleans())).map(tuple),
        st.lists(st.builds(Role, NAMES, st.lists(PERMISSIONS, max_size=3).map(tuple))).map(tuple),
    )
)
def test_every_state_of_users_and_roles_survives_as_bytes(state: AuthState) -> None:
    assert parse_state(render_state(state)) == state


def test_a_refused_change_leaves_users_and_roles_as_they_were() -> None:
    machine = guarded()
    before = machine.auth.state()
    refused: list[AuthCommand] = [
        UserAdd("alice", b"#"),
        UserAdd("", b"#"),
        UserDelete("root"),
        UserGrantRole("alice", "nothing"),
        RoleAdd("r"),
        RoleGrantPermission("r", Permission(PermissionKind.READ, b"b", b"a")),
        RoleGrantPermission("nothing", Permission(PermissionKind.READ, b"b")),
        RoleRevokePermission("r", b"a", b"b"),
    ]
    for command in refused:
        with pytest.raises(EtcdError):
            asked(machine, "root", command)
    assert machine.auth.state() == before


def test_users_and_roles_survive_a_snapshot() -> None:
    machine = guarded()
    restore = Restore()
    for frame in (head_of(machine, 1, 2, 3), machine.auth.state(), SnapshotEnd(0)):
        rendered = render(frame)
        head = parse_frame_head(rendered[:FRAME_HEAD_BYTES])
        restore.add(parse_body(head, rendered[FRAME_HEAD_BYTES:]))
    assert restore.machine.auth.state() == machine.auth.state()
    other = Machine()
    watcher = other.auth
    other.take_over(restore.machine)
    assert watcher.state() == machine.auth.state()
    asked(other, "alice", Put(b"b", b"1"))
