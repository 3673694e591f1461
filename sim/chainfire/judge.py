"""What must be true once everything is healed: members come to one state, and kept every promise on the way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from chainfire.errors import StorageError
from sim.chainfire import images
from sim.chainfire.clients import TTLS_S, ask
from sim.chainfire.member import Member
from sim.chainfire.settings import ELECTION_TICKS, TICK_MS
from sim.chainfire.storage import DamagedError
from sim.chainfire.watchers import Watcher
from sim.chainfire.world import World
from ultracloud.testkit.checks import (
    BrokenPromiseError,
    History,
    LeaseBounds,
    Order,
    UndecidedError,
    check_all,
    check_keys,
    check_watch_complete,
)
from ultracloud.testkit.checks.history import Get, Got, Result, Watch

RECOVERY_MS_MAX = 20_000
"""After everything is healed, members must come together in this time: some elections, and a snapshot to each."""
LATE_MS = 2 * ELECTION_TICKS * TICK_MS + 1000
"""What a lease may outlive its time when all is well: the longest election, and a write."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """A run that broke no promise, in figures.

    Attributes:
        doubts: Calls that nobody knows the fate of.
    """

    calls: int
    doubts: int
    revisions: int
    events: int
    messages: int


def judge(seed: int, trace: Callable[[str], None] | None = None) -> Verdict:
    """Run one seed and judge it.

    Raises:
        BrokenPromiseError: The cluster broke a promise; the sentence says which.
    """
    world = World(seed, trace)
    try:
        world.run()
        _come_together(world)
        quiet_ms = world.clock.monotonic_ms()
        if world.settings.outwaits_leases:
            world.clock.run_for(max(TTLS_S) * 1000 + LATE_MS + 100)
        until = _look_last(world)
    except (DamagedError, StorageError) as broken:
        raise BrokenPromiseError(f"a member does not start after a power cut: {broken}") from broken
    except AssertionError as broken:
        if isinstance(broken, BrokenPromiseError):
            raise
        raise BrokenPromiseError(f"an invariant of a member is broken: {_where(broken)}: {broken}") from broken
    return _judge(world, quiet_ms, until)


def _judge(world: World, quiet_ms: float, until: int) -> Verdict:
    history = world.history()
    early = world.settings.drift
    bounds = LeaseBounds(early=early, late_ms=LATE_MS, quiet_from_ms=quiet_ms)
    events = sum(len(told.events) for watch in history.watches for told in watch.messages)
    doubts = sum(call.returned_ms is None for call in history.calls)
    try:
        order = check_all(history, bounds, world.compacted)
        _check_watches_end(history, order, world, until)
        check_keys(history)
    except UndecidedError as undecided:
        raise BrokenPromiseError(
            f"too much is in doubt to be judged, or nothing explains it: {undecided}"
        ) from undecided
    return Verdict(len(history.calls), doubts, order.last_revision, events, world.network.sent)


def _come_together(world: World) -> None:
    """Wait until one leads and all have applied what it has; whom it does not know any more is stopped."""
    if not world.clock.run_until(lambda: not world.open_calls and _is_together(world), RECOVERY_MS_MAX):
        states = ", ".join(map(_state, world.all_members()))
        raise BrokenPromiseError(f"{RECOVERY_MS_MAX} ms after everything was healed: {states}")
    members = _taking_part(world)
    for member in world.all_members():
        if member not in members:
            member.retire()
    sums = {
        member.name: images.checksum(member.replica.machine, member.replica.config)
        for member in members
        if member.replica is not None
    }
    if len(set(sums.values())) > 1:
        raise BrokenPromiseError(f"members that applied the same entries have different states: {sums}")


def _is_together(world: World) -> bool:
    leader = next((member for member in world.all_members() if member.leads), None)
    if leader is None or leader.replica is None:
        return False
    replica = leader.replica
    config = replica.raft.config
    at = replica.raft.last_index
    everybody = config.voters | config.learners | config.outgoing
    running = {member.node: member for member in world.all_members() if member.replica is not None}
    for node in everybody:
        if node not in running:
            if node not in world.members:
                world.add_member(node, replica.machine.members.all())
            return False
        found = running[node].replica
        if found is None or found.machine.applied_index != at or found.raft.leader != leader.node:
            return False
    return not replica.is_storing and not replica.pending


def _taking_part(world: World) -> list[Member]:
    leader = next(member for member in world.all_members() if member.leads)
    assert leader.replica is not None
    config = leader.replica.raft.config
    return [world.members[node] for node in sorted(config.voters | config.learners)]


def _look_last(world: World) -> int:
    """Read everything at each voter, and watch all that is kept at one of them; give the revision until then."""
    members = _taking_part(world)
    until = max(m.replica.machine.revision for m in members if m.replica is not None)
    compacted = max(m.replica.machine.store.compact_revision for m in members if m.replica is not None)
    answers: list[Result] = []
    voters = [m for m in members if m.replica is not None and m.node in m.replica.raft.config.voters]
    for member in voters:
        ask(world, "judge", member, Get("a", "\0"), answers.append)
    last = Watcher(world, "judge", "a", "\0", prev_kv=True, stays=True, next_revision=max(compacted, 2))
    last.begin(voters[0])
    world.clock.run_for(1500)
    world.watchers.append(last)
    for watcher in world.watchers:
        watcher.close()
    for answer in answers:
        if not isinstance(answer, Got):
            raise BrokenPromiseError(f"with all healed, a read is answered by: {answer}")
    return until


def _check_watches_end(history: History, order: Order, world: World, until: int) -> None:
    """Check that the watches that stayed open have told everything."""
    for watcher in world.watchers:
        last = _last_of(history, watcher.name)
        if last is not None and not last.compacted and last.created_revision is not None:
            check_watch_complete(last, order, min(until, order.last_revision))


def _last_of(history: History, name: str) -> Watch | None:
    return next((watch for watch in reversed(history.watches) if watch.client == name), None)


def _state(member: Member) -> str:
    replica = member.replica
    if replica is None:
        return f"{member.name} is down"
    raft = replica.raft
    return (
        f"{member.name}: {raft.role.name.lower()} of term {raft.term}, leader m{raft.leader}, "
        f"log to {raft.last_index}, committed {raft.commit}, applied {replica.machine.applied_index}"
    )


def _where(error: BaseException) -> str:
    """File and line that an assertion stands in."""
    trace = error.__traceback__
    assert trace is not None
    while trace.tb_next is not None:
        trace = trace.tb_next
    code = trace.tb_frame.f_code
    return f"{code.co_filename.rpartition('/')[2]}:{trace.tb_lineno} {code.co_name}"
