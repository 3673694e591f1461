"""Members that are broken on purpose: each breaks one rule that the simulation must find broken."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from chainfire.core import replica
from chainfire.core.expiry import Expiry
from chainfire.core.keyvalue import LeaseId
from chainfire.core.leases import Lease
from chainfire.core.machine import Machine
from chainfire.core.replica import Replica
from chainfire.core.watch import WatchHub
from chainfire.core.work import Store
from sim.chainfire import serving
from sim.chainfire.member import Member
from sim.chainfire.storage import Disk
from sim.chainfire.world import World
from ultracloud.raft import quorum
from ultracloud.raft.log import Log
from ultracloud.raft.messages import Message
from ultracloud.testkit.checks import history

Break = Callable[[pytest.MonkeyPatch], None]


def votes_are_not_stored(patch: pytest.MonkeyPatch) -> None:
    """A hard state without entries counts as durable and is not."""
    whole = Disk.store

    def store(disk: Disk, wanted: Store, done: Callable[[], None]) -> None:
        if wanted.entries or wanted.mark is not None:
            whole(disk, wanted, done)
        else:
            disk.clock.call_later(0, done)

    patch.setattr(Disk, "store", store)


def answers_before_it_is_durable(patch: pytest.MonkeyPatch) -> None:
    """The disk says that it is done at once, and writes later, one thing after the other."""
    whole = Disk.store
    waiting: dict[tuple[int, int], list[Store]] = {}

    def store(disk: Disk, wanted: Store, done: Callable[[], None]) -> None:
        life = disk._life
        queue = waiting.setdefault((disk.member_id, life), [])

        def go_on() -> None:
            queue.pop(0)
            if queue:
                whole(disk, queue[0], go_on)

        queue.append(wanted)
        if len(queue) == 1:
            whole(disk, wanted, go_on)
        disk.clock.call_later(0, lambda: done() if disk._life == life else None)

    patch.setattr(Disk, "store", store)


def reads_without_asking(patch: pytest.MonkeyPatch) -> None:
    """A linearizable read looks at what is here."""
    patch.setattr(Replica, "read", lambda self, token: self._outcome.reads.append((token, None)))


def forwarded_twice(patch: pytest.MonkeyPatch) -> None:
    """The network doubles what must not be doubled."""

    def send(world: World, message: Message) -> None:
        world.network.send(message.sender, message.to, message)

    patch.setattr(World, "send", send)


def proposes_again_what_a_snapshot_holds(patch: pytest.MonkeyPatch) -> None:
    """A command that was handed to an earlier leader is taken for lost."""
    patch.setattr(replica, "IN_DOUBT", 1)


def leases_are_not_given_their_time_by_a_new_leader(patch: pytest.MonkeyPatch) -> None:
    """A new leader does not know of renewals, and lets leases die half a second after it was elected."""

    def lead(expiry: Expiry, leases: list[Lease], now_ms: int) -> None:
        whole(expiry, leases, now_ms)
        expiry._deadlines = dict.fromkeys(expiry._deadlines, now_ms + 500)
        expiry._queue = sorted((deadline, lease) for lease, deadline in expiry._deadlines.items())

    whole = Expiry.lead
    patch.setattr(Expiry, "lead", lead)


def leases_are_renewed_by_whoever_thinks_it_leads(patch: pytest.MonkeyPatch) -> None:
    """A deposed leader renews leases that are dead."""

    def renew_here(
        member: Member, found: Replica[object], op: history.Renew, reply: Callable[[history.Result], None]
    ) -> None:
        del member
        if found.is_leader:
            reply(history.LeaseDone(found.machine.revision, found.renew(LeaseId(op.lease))))
        else:
            reply(history.Lost("no leader"))

    patch.setattr(serving, "_renew_here", renew_here)


def renewals_leave_checkpoints(patch: pytest.MonkeyPatch) -> None:
    """A lease is renewed while the log still says how little it had left."""
    patch.setattr(Replica, "before_renewal", lambda _self, _lease: None)


def leases_live_on(patch: pytest.MonkeyPatch) -> None:
    """Nobody looks for leases whose time is up."""
    patch.setattr(Expiry, "expired", lambda _self, _now_ms: [])


def the_leader_commits_alone(patch: pytest.MonkeyPatch) -> None:
    """What one member has stored counts as stored by a quorum."""
    patch.setattr(quorum, "_agreed", lambda voters, reached: max(map(reached, voters), default=0))


def votes_for_whoever_asks(patch: pytest.MonkeyPatch) -> None:
    """A member votes for one whose log lacks what is committed."""
    patch.setattr(Log, "is_up_to_date", lambda _self, _index, _term: True)


def watches_go_on_after_a_snapshot(patch: pytest.MonkeyPatch) -> None:
    """A watch is not told what a leader's snapshot brought."""
    patch.setattr(WatchHub, "restart", lambda self, _streams: setattr(self, "_published", self.store.revision))


def applies_twice(patch: pytest.MonkeyPatch) -> None:
    """Every entry whose index ends in 50 is applied twice, on every member."""
    whole = Machine.apply

    def apply(machine: Machine, index: int, command: object) -> object:
        result = whole(machine, index, command)  # type: ignore[arg-type]
        if index % 50 == 0:
            machine.applied_index -= 1
            result = whole(machine, index, command)  # type: ignore[arg-type]
        return result

    patch.setattr(Machine, "apply", apply)


def members_apply_differently(patch: pytest.MonkeyPatch) -> None:
    """A lease that ends after a restart keeps its keys: the state depends on more than the log."""
    whole = Member._recover

    def recover(member: Member) -> object:
        found = whole(member)
        if member.life > 1:
            found[0].leases.remove = lambda _lease: []  # type: ignore[method-assign]
        return found

    patch.setattr(Member, "_recover", recover)


MUTANTS: tuple[Break, ...] = (
    answers_before_it_is_durable,
    reads_without_asking,
    forwarded_twice,
    leases_are_not_given_their_time_by_a_new_leader,
    leases_are_renewed_by_whoever_thinks_it_leads,
    leases_live_on,
    the_leader_commits_alone,
    votes_for_whoever_asks,
    watches_go_on_after_a_snapshot,
    applies_twice,
    members_apply_differently,
)
"""Found out within a few seeds."""
RARE_MUTANTS: tuple[Break, ...] = (
    votes_are_not_stored,
    proposes_again_what_a_snapshot_holds,
    renewals_leave_checkpoints,
)
"""It takes something like a hundred seeds until it matters that they are broken."""
