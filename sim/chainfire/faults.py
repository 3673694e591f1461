"""What goes wrong: power cuts, members that stand still, networks that break, disks that are slow or full."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from sim.chainfire.clients import Place
from sim.chainfire.member import Member
from sim.chainfire.settings import CALM
from ultracloud.raft import events
from ultracloud.raft.messages import Message
from ultracloud.raft.words import NodeId
from ultracloud.testkit.sim import SimNetwork

QUICK = 0.4
"""Part of the members that start again at once after they died."""
STALL_MS = 5500
"""Standing still for so long, a leader misses the end of leases that it renewed: another one has let them die."""
REST_MS = (50, 4000)
"""How long a member stays dead, stands still, or is cut off, least and most."""


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


@dataclass(slots=True)
class FaultMaker:
    """Lets things go wrong until all is healed."""

    place: FaultyPlace

    def begin(self) -> None:
        """Let the next thing go wrong after a while."""
        wait_ms = int(self.place.random.expovariate(1 / self.place.settings.fault_every_ms))
        self.place.clock.call_later(wait_ms, self._act)

    def _act(self) -> None:
        if self.place.is_healed:
            return
        faults = (
            (self._cut_one, 4),
            (self._cut_all, 1),
            (self._storm, 1),
            (self._stall, 4),
            (self._part, 3),
            (self._isolate_leader, 2),
            (self._block_one_way, 3),
            (self._heal, 3),
            (self._change_network, 3),
            (self._stall_disk, 2),
            (self._fill_disk, 1),
            (self._transfer, 2),
            (self._snapshot, 2),
        )
        chosen = self.place.random.choices([fault for fault, _ in faults], [weight for _, weight in faults])
        chosen[0]()
        self.begin()

    def _cut_one(self) -> None:
        self._cut(self._anybody())

    def _cut_all(self) -> None:
        for member in self.place.all_members():
            self._cut(member)

    def _cut(self, member: Member) -> None:
        if member.replica is None:
            return
        member.cut()
        if self.place.random.random() < QUICK:
            # It forgets what it did not store before those have that it told.
            self.place.clock.call_later(self.place.random.randint(0, 30), lambda: _start(member))
        else:
            self._later(lambda: _start(member))

    def _storm(self) -> None:
        """The leader dies, and members die while they elect the next one."""
        leader = self._leader()
        if leader is None:
            return
        self._cut(leader)
        for _ in range(6):
            wait_ms = self.place.random.randint(900, 2600)
            self.place.clock.call_later(wait_ms, lambda: None if self.place.is_healed else self._cut_one())

    def _stall(self) -> None:
        member = self._leader() if self.place.random.random() < 0.5 else self._anybody()  # noqa: PLR2004 - a coin
        if member is None or member.replica is None or member.is_stalled:
            return
        self.place.note(f"{member.name} stands still")
        member.stall()
        life = member.life
        rest_ms = self.place.random.choice((self.place.random.randint(*REST_MS), STALL_MS))
        self.place.clock.call_later(
            rest_ms, lambda: member.go_on() if member.life == life and member.is_stalled else None
        )

    def _part(self) -> None:
        nodes = [member.node for member in self.place.all_members()]
        self.place.random.shuffle(nodes)
        at = self.place.random.randint(0, len(nodes))
        self.place.note(f"parted: {nodes[:at]} {nodes[at:]}")
        self.place.network.partition(nodes[:at], nodes[at:])

    def _isolate_leader(self) -> None:
        leader = self._leader()
        if leader is not None:
            others = [member.node for member in self.place.all_members() if member is not leader]
            self.place.note(f"parted: {leader.name}, the leader, from the others")
            self.place.network.partition([leader.node], others)
            self._later(self._heal)

    def _block_one_way(self) -> None:
        members = self.place.all_members()
        if len(members) > 1:
            source, target = self.place.random.sample(members, 2)
            self.place.note(f"m{target.node} hears nothing of m{source.node}")
            self.place.network.block(source.node, target.node)

    def _heal(self) -> None:
        self.place.note("healed")
        self.place.network.heal()

    def _change_network(self) -> None:
        self.place.network.faults = self.place.random.choice((CALM, self.place.settings.network))

    def _stall_disk(self) -> None:
        member = self._anybody()
        member.disk.stalled_until_ms = self.place.clock.now_ms() + self.place.random.randint(*REST_MS)
        self.place.note(f"the disk of {member.name} stands still")

    def _fill_disk(self) -> None:
        member = self._anybody()
        member.disk.is_full = True
        self.place.note(f"the disk of {member.name} is full")

        def free() -> None:
            member.disk.is_full = False

        self._later(free)

    def _transfer(self) -> None:
        leader = self._leader()
        if leader is not None and leader.replica is not None:
            target = self.place.random.choice(sorted(leader.replica.raft.config.voters))
            self.place.note(f"{leader.name} is to hand over to m{target}")
            leader.take(lambda replica: replica.tell(events.TransferLeader(target)))

    def _snapshot(self) -> None:
        member = self._anybody()
        if not member.is_stalled:
            member.snapshot()
            member.sweep()

    def _anybody(self) -> Member:
        return self.place.random.choice(self.place.all_members())

    def _leader(self) -> Member | None:
        return next((member for member in self.place.all_members() if member.leads), None)

    def _later(self, action: Callable[[], None]) -> None:
        self.place.clock.call_later(self.place.random.randint(*REST_MS), action)


def _start(member: Member) -> None:
    """Start a member that nobody has started or retired meanwhile."""
    if member.replica is None and not member.is_retired:
        member.start()
