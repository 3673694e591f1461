"""What goes wrong with chainfire's members, besides what goes wrong everywhere."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from sim.chainfire.clients import Place
from sim.chainfire.member import Member
from sim.faults import CommonFaults, Weighed
from ultracloud.raft import events
from ultracloud.raft.messages import Message
from ultracloud.raft.words import NodeId
from ultracloud.testkit.sim import SimNetwork

STALL_MS = 5500
"""Standing still for so long, a leader misses the end of leases that it renewed: another one has let them die."""


class FaultyPlace(Place, Protocol):
    """What faults happen to.

    Attributes:
        is_healed: Nothing is to go wrong any more.
    """

    network: SimNetwork[NodeId, Message]
    is_healed: bool

    def all_members(self) -> list[Member]:
        """Every member that was not retired."""
        ...


class FaultMaker(CommonFaults[FaultyPlace, Member]):
    """Lets things go wrong until all is healed."""

    letter = "m"

    def faults(self) -> Sequence[Weighed]:
        """What may happen."""
        return (
            (self.cut_one, 4),
            (self.cut_all, 1),
            (self._storm, 1),
            (self.stall, 4),
            (self.part, 3),
            (self._isolate_leader, 2),
            (self.block_one_way, 3),
            (self.heal, 3),
            (self.change_network, 3),
            (self.stall_disk, 2),
            (self.fill_disk, 1),
            (self._transfer, 2),
            (self._snapshot, 2),
        )

    def machines(self) -> dict[int, Member]:
        """Members that were not retired."""
        return {member.node: member for member in self.place.all_members()}

    def is_up(self, machine: Member) -> bool:
        """Whether it runs."""
        return machine.replica is not None

    def start(self, machine: Member) -> None:
        """Start a member that nobody has started or retired meanwhile."""
        if not machine.is_retired:
            super().start(machine)

    def stall(self) -> None:
        """Let somebody stand still: the leader as often as anybody, and long enough to miss the end of leases."""
        member = self._leader() if self.place.random.random() < 0.5 else self.anybody()  # noqa: PLR2004 - a coin
        if member is None or member.replica is None or member.is_stalled:
            return
        self.place.note(f"{member.name} stands still")
        member.stall()
        life = member.life
        rest_ms = self.place.random.choice((self.place.random.randint(*self.rest_ms), STALL_MS))
        self.place.clock.call_later(
            rest_ms, lambda: member.go_on() if member.life == life and member.is_stalled else None
        )

    def _storm(self) -> None:
        """The leader dies, and members die while they elect the next one."""
        leader = self._leader()
        if leader is None:
            return
        self.cut(leader)
        for _ in range(6):
            wait_ms = self.place.random.randint(900, 2600)
            self.place.clock.call_later(wait_ms, lambda: None if self.place.is_healed else self.cut_one())

    def _isolate_leader(self) -> None:
        leader = self._leader()
        if leader is not None:
            self.isolate(leader, "the leader")

    def _transfer(self) -> None:
        leader = self._leader()
        if leader is not None and leader.replica is not None:
            target = self.place.random.choice(sorted(leader.replica.raft.config.voters))
            self.place.note(f"{leader.name} is to hand over to m{target}")
            leader.take(lambda replica: replica.tell(events.TransferLeader(target)))

    def _snapshot(self) -> None:
        member = self.anybody()
        if not member.is_stalled:
            member.snapshot()
            member.sweep()

    def _leader(self) -> Member | None:
        return next((member for member in self.place.all_members() if member.leads), None)
