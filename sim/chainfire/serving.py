"""What a member's RPC layer does with a request: what the services of `chainfire.shell` do, without the wire."""

from __future__ import annotations

from collections.abc import Callable

from chainfire.core import txn
from chainfire.core.commands import Alarm, AlarmAction, AlarmSet, Command, LeaseGrant, LeaseRevoke, Range, Txn
from chainfire.core.keyvalue import LeaseId
from chainfire.core.machine import adds
from chainfire.core.replica import Replica
from chainfire.core.results import Result
from chainfire.errors import NoSpaceError
from sim.chainfire import speech
from sim.chainfire.member import Member, Outside, Token
from ultracloud.base.faults import Fault
from ultracloud.testkit.checks import history
from ultracloud.testkit.checks.history import Get, Grant, Op, Renew, Revoke

PEER_MS = (1, 10)
"""What a question of one member to another takes each way, least and most."""

Reply = Callable[[history.Result], None]


def serve(outside: Outside, member: Member, replica: Replica[Token], op: Op, reply: Reply) -> None:
    """Answer a request, some time."""
    found = replica.machine.members.find(member.node)
    if replica.is_removed or found is None or found.is_learner:
        reply(history.Refused("no voter"))
        return
    try:
        match op:
            case Get():
                _read(replica, op, reply)
            case Grant():
                _propose(outside, replica, LeaseGrant(LeaseId(op.lease), op.ttl_s), reply)
            case Revoke():
                _propose(outside, replica, LeaseRevoke(LeaseId(op.lease)), reply)
            case Renew():
                _renew(outside, member, replica, op, reply)
            case _:
                command = speech.operation(op)
                assert not isinstance(command, Range)
                if isinstance(command, Txn) and txn.is_read_only(command):
                    _confirm(replica, reply, lambda: replica.machine.read_txn(command))
                else:
                    _propose(outside, replica, command, reply)
    except Fault as refusal:
        reply(speech.refusal(refusal))


def _read(replica: Replica[Token], op: Get, reply: Reply) -> None:
    query = speech.operation(op)
    assert isinstance(query, Range)
    if op.serializable:
        reply(speech.answer(replica.machine.range(query)))
    else:
        _confirm(replica, reply, lambda: replica.machine.range(query))


def _confirm(replica: Replica[Token], reply: Reply, read: Callable[[], Result]) -> None:
    """Read once it is sure that the state here is the newest."""

    def confirmed(refusal: Result | Fault | None) -> None:
        try:
            reply(speech.refusal(refusal) if isinstance(refusal, Fault) else speech.answer(read()))
        except Fault as fault:
            reply(speech.refusal(fault))

    if replica.is_alone:
        confirmed(None)
    else:
        replica.read(confirmed)


def _propose(outside: Outside, replica: Replica[Token], command: Command, reply: Reply) -> None:
    """Have a command logged, unless there is no room for what it adds."""
    machine, quota = replica.machine, outside.settings.quota_bytes
    if machine.alarms:
        machine.refuse_under_alarm(command)
    if quota and machine.store.stored_bytes > quota and adds(command):
        if (replica.me, Alarm.NOSPACE) not in machine.alarms:
            replica.propose(AlarmSet(AlarmAction.ACTIVATE, replica.me, Alarm.NOSPACE), lambda _: None)
        raise NoSpaceError

    def done(result: Result | Fault | None) -> None:
        assert result is not None, command
        reply(speech.refusal(result) if isinstance(result, Fault) else speech.answer(result))

    replica.propose(command, done)


def _renew(outside: Outside, member: Member, replica: Replica[Token], op: Renew, reply: Reply) -> None:
    """The leader keeps leases; any other member asks it."""
    if replica.is_leader:
        _renew_here(member, replica, op, reply)
        return
    leader = outside.find(member.node, replica.raft.leader)
    if leader is None:
        reply(history.Lost("no leader"))
        return
    name = leader.name

    def back(result: history.Result) -> None:
        # The answer's way is as uncertain as the question's.
        if outside.find(leader.node, member.node) is not None:
            outside.clock.call_later(outside.random.randint(*PEER_MS), lambda: reply(result))

    def arrive() -> None:
        if leader.replica is not None and leader.name == name:
            leader.take(lambda found: _renew_here(leader, found, op, back))

    outside.clock.call_later(outside.random.randint(*PEER_MS), arrive)


def _renew_here(member: Member, replica: Replica[Token], op: Renew, reply: Reply) -> None:
    lease = LeaseId(op.lease)

    def confirmed(answer: Result | Fault | None) -> None:
        if isinstance(answer, Fault) or not replica.is_leader:
            reply(history.Lost("no leader"))
            return
        clearing = replica.before_renewal(lease)
        if clearing is not None:
            member.take(lambda found: found.propose(clearing, confirmed))
        else:
            reply(history.LeaseDone(replica.machine.revision, replica.renew(lease)))

    if not replica.is_leader:
        reply(history.Lost("no leader"))
    elif replica.is_alone:
        confirmed(None)
    else:
        replica.read(confirmed)
