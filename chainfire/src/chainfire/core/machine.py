"""The state machine: commands of the log in, results out, the same on every member.

`apply` is the only way the state changes. The log's index goes in with each command, and `applied_index` says how far
the state has come, so that a restart replays only what a snapshot does not hold. Raft will call the same `apply`.
"""

from __future__ import annotations

from typing import assert_never

from chainfire.core import auth_access, txn
from chainfire.core.auth import AuthTable
from chainfire.core.auth_commands import AuthCommand, Authenticate
from chainfire.core.commands import (
    Alarm,
    AlarmAction,
    AlarmSet,
    By,
    Command,
    Compact,
    DeleteRange,
    LeaseCheckpoint,
    LeaseGrant,
    LeaseRevoke,
    MemberAdd,
    MemberCommand,
    MemberPromote,
    MemberPublish,
    MemberRemove,
    MemberUpdate,
    Put,
    Range,
    Txn,
    plain,
)
from chainfire.core.keyvalue import NO_LEASE, Record, lease_of, unpack
from chainfire.core.leases import LeaseTable
from chainfire.core.membership import Membership
from chainfire.core.mvcc import Mvcc
from chainfire.core.query import read_range
from chainfire.core.results import (
    AlarmsResult,
    Authenticated,
    DeleteResult,
    Done,
    LeaseGranted,
    PutResult,
    RangeResult,
    Result,
    TxnResult,
)
from chainfire.errors import CorruptError, NoSpaceError


class Machine:
    """Everything the log decides.

    Attributes:
        applied_index: Index of the last command applied; 0 before the first.
    """

    def __init__(self) -> None:
        self.applied_index = 0
        self.store = Mvcc()
        self.leases = LeaseTable()
        self.alarms: set[tuple[int, Alarm]] = set()
        self.members = Membership()
        self.auth = AuthTable()
        self._change = _Change(self.store, self.leases)

    @property
    def revision(self) -> int:
        """The store's newest revision."""
        return self.store.revision

    def apply(self, index: int, command: Command) -> Result:
        """Apply the command at `index` of the log.

        Raises:
            EtcdError: The command is refused. That is its result on every member; the state is as before, except
                that `applied_index` has moved.
        """
        assert index == self.applied_index + 1, (index, self.applied_index)
        self.applied_index = index
        if self.auth.is_enabled:
            auth_access.check(self.auth, self.leases, command)
        if self.alarms:
            self.refuse_under_alarm(command)
        if isinstance(command, By):
            command = command.command
        match command:
            case Put():
                return self._put_alone(command)
            case Txn():
                return self._txn(command)
            case DeleteRange():
                return self._delete_alone(command)
            case LeaseGrant():
                granted = self.leases.grant(command.lease, command.ttl_s)
                return LeaseGranted(self.revision, granted.lease, granted.ttl_s)
            case _:
                return self._apply_rare(command)

    def skip(self, index: int) -> None:
        """Pass over an entry that holds no command."""
        assert index == self.applied_index + 1, (index, self.applied_index)
        self.applied_index = index

    def take_over(self, other: Machine) -> None:
        """Become what a leader's snapshot holds; whoever holds the store or the leases sees them from now on."""
        self.applied_index = other.applied_index
        self.store.take_over(other.store)
        self.leases.take_over(other.leases)
        self.alarms = other.alarms
        self.members = other.members
        self.auth.restore(other.auth.state())

    def range(self, query: Range) -> RangeResult:
        """Read the present or the past; raises as `read_range` does."""
        return read_range(self.store, query, self.store.revision)

    def read_txn(self, command: Txn) -> TxnResult:
        """Run a txn that only reads, without the log; raises as `txn.check` does."""
        assert txn.is_read_only(command), command
        branch = txn.decide(self.store, command)
        txn.check(self.store, self.leases, branch)
        return txn.run(self.store, self._change.begun(), branch)

    def refuse_under_alarm(self, command: Command) -> None:
        """Under NOSPACE refuse what adds, and let pass what frees; under CORRUPT refuse everything.

        Raises:
            CorruptError: CORRUPT is raised.
            NoSpaceError: NOSPACE is raised, and the command adds.
        """
        raised = {alarm for _, alarm in self.alarms}
        if Alarm.CORRUPT in raised and not isinstance(plain(command), AlarmSet | MemberCommand | AuthCommand):
            raise CorruptError
        if Alarm.NOSPACE in raised and adds(command):
            raise NoSpaceError

    def _apply_rare(
        self, command: LeaseRevoke | LeaseCheckpoint | Compact | AlarmSet | MemberCommand | AuthCommand
    ) -> Result:
        match command:
            case LeaseRevoke():
                return self._revoke(command)
            case AlarmSet():
                return self._set_alarm(command)
            case LeaseCheckpoint():
                self.leases.checkpoint(command.remaining)
            case Compact():
                self.store.compact(command.revision)
            case MemberAdd() | MemberRemove() | MemberPromote() | MemberUpdate() | MemberPublish():
                self._change_members(command)
            case Authenticate():
                token = self.auth.authenticate(self.applied_index, command)
                return Authenticated(self.revision, command.user, self.auth.revision, token)
            case _:
                self.auth.apply(command)
        return Done(self.revision)

    def _put_alone(self, put: Put) -> PutResult:
        if put.lease != NO_LEASE or put.ignore_value or put.ignore_lease:
            txn.check_put(self.store, self.leases, put)
        change = self._change.begun()
        result = change.put(put)
        self.store.advance(change.at)
        return result

    def _delete_alone(self, delete: DeleteRange) -> DeleteResult:
        change = self._change.begun()
        result = change.delete(delete)
        change.end()
        return result

    def _txn(self, command: Txn) -> TxnResult:
        branch = txn.decide(self.store, command)
        txn.check(self.store, self.leases, branch)
        change = self._change.begun()
        result = txn.run(self.store, change, branch)
        change.end()
        return result

    def _revoke(self, command: LeaseRevoke) -> Done:
        change = self._change.begun()
        for key in self.leases.remove(command.lease):
            change.delete(DeleteRange(key))
        change.end()
        return Done(self.revision)

    def _change_members(self, command: MemberCommand) -> None:
        """The leader checked it, and lets no other change come between; so nothing is refused here."""
        match command:
            case MemberAdd():
                self.members.add(command.member)
            case MemberRemove():
                self.members.remove(command.member)
                self.alarms = {pair for pair in self.alarms if pair[0] != command.member}
            case MemberPromote():
                self.members.promote(command.member)
            case MemberUpdate():
                self.members.update(command.member, command.peer_urls)
            case MemberPublish():
                self.members.publish(command.member, command.name, command.client_urls)
            case _:
                assert_never(command)

    def _set_alarm(self, command: AlarmSet) -> AlarmsResult:
        pair = (command.member, command.alarm)
        match command.action:
            case AlarmAction.GET:
                wanted = [a for a in sorted(self.alarms) if command.alarm in (Alarm.NONE, a[1])]
                return AlarmsResult(self.revision, tuple(wanted))
            case _ if command.alarm is Alarm.NONE:
                # As in etcd, there is no such alarm to raise or to disarm.
                return AlarmsResult(self.revision, ())
            case AlarmAction.ACTIVATE:
                self.alarms.add(pair)
                return AlarmsResult(self.revision, (pair,))
            case AlarmAction.DEACTIVATE:
                was_raised = pair in self.alarms
                self.alarms.discard(pair)
                return AlarmsResult(self.revision, (pair,) if was_raised else ())
            case _:
                assert_never(command.action)


def adds(command: Command) -> bool:
    """Whether a command can make the state larger; such commands are refused when there is no room."""
    match command:
        case Put() | LeaseGrant():
            return True
        case Txn():
            return any(isinstance(op, Put) or (isinstance(op, Txn) and adds(op)) for op in command.success) or any(
                isinstance(op, Put) or (isinstance(op, Txn) and adds(op)) for op in command.failure
            )
        case By():
            return adds(command.command)
        case _:
            return False


class _Change:
    """The writes of one command, all at one revision. The machine has one, begun anew for each command."""

    __slots__ = ("_leases", "_store", "_written", "at")

    def __init__(self, store: Mvcc, leases: LeaseTable) -> None:
        self._store = store
        self._leases = leases
        self._written = False
        self.at = 0

    def begun(self) -> _Change:
        """This, for the next command."""
        self._written = False
        self.at = self._store.revision + 1
        return self

    @property
    def now(self) -> int:
        """The revision of the newest state: the command's own once it has written."""
        return self.at if self._written else self.at - 1

    def put(self, put: Put) -> PutResult:
        """Write one key; it was checked before."""
        value, lease = put.value, put.lease
        if put.ignore_value or put.ignore_lease:
            kept = self._store.get(put.key)
            # `check_put` saw the key, and `check_changes` lets no txn both delete and put it.
            assert kept is not None, put.key
            value = kept.value if put.ignore_value else value
            lease = kept.lease if put.ignore_lease else lease
        previous = self._store.put(put.key, value, lease, self.at)
        self._written = True
        old = NO_LEASE if previous is None else lease_of(previous)
        if old != lease:
            self._leases.move(put.key, old, lease)
        return PutResult(self.at, unpack(previous) if put.prev_kv and previous is not None else None)

    def delete(self, delete: DeleteRange) -> DeleteResult:
        """Delete what the range holds now."""
        previous: list[Record] = []
        for key in self._store.keys_live(delete.key, delete.end):
            record = self._store.delete(key, self.at)
            self._leases.move(key, lease_of(record), NO_LEASE)
            previous.append(record)
        self._written = self._written or bool(previous)
        kept = tuple(map(unpack, previous)) if delete.prev_kv else ()
        return DeleteResult(self.now, len(previous), kept)

    def end(self) -> None:
        """Make the writes the present, if there were any."""
        if self._written:
            self._store.advance(self.at)
