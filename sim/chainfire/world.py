"""One run: a cluster, its clients, and what goes wrong, all from one seed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from chainfire.core.membership import Member as Listed
from chainfire.shell.recovery import Founding
from sim.chainfire import settings as drawing
from sim.chainfire.clients import Client, Holder
from sim.chainfire.faults import FaultMaker
from sim.chainfire.member import Member
from sim.chainfire.operator import Operator
from sim.chainfire.settings import Settings
from sim.chainfire.storage import Disk
from sim.chainfire.watchers import SPANS, Watcher
from sim.faults import CALM
from ultracloud.raft.messages import Forward, Message
from ultracloud.raft.words import NodeId
from ultracloud.testkit.checks.history import Call, History, Watch
from ultracloud.testkit.sim import SimClock, SimNetwork

CLUSTER_ID = 0xC1
QUIET_MS = 1500
"""After everything is healed: clients go on for so long before they stop."""


@dataclass(frozen=True, slots=True)
class Run:
    """What came of a run.

    Attributes:
        quiet_from_ms: When everything was healed.
    """

    settings: Settings
    history: History
    quiet_from_ms: float


class World:
    """Everything there is, as members, clients, faults and the operator see it.

    Args:
        seed: Decides everything.
        trace: Takes each line of the trace; None if nobody reads it, which is quicker.
    """

    def __init__(self, seed: int, trace: Callable[[str], None] | None = None) -> None:
        self.random = Random(seed)  # noqa: S311 - a simulation repeats itself
        self.settings = drawing.draw(self.random)
        self.clock = SimClock(seed)
        self.network: SimNetwork[NodeId, Message] = SimNetwork(self.clock, seed, self.settings.network)
        self.calls: list[Call] = []
        self.open_calls: set[int] = set()
        self.watches: list[Watch] = []
        self.is_healed = self.is_closing = False
        self.compacted = 0
        self.members: dict[NodeId, Member] = {}
        self.watchers: list[Watcher] = []
        self._trace = trace
        self._stamps = 0
        self.note(self.settings)

    def note(self, thing: object) -> None:
        """Write a line of the trace."""
        if self._trace is not None:
            self._trace(f"{self.clock.monotonic_ms()} {thing}")

    def stamp(self) -> float:
        """Now, later than every earlier stamp."""
        self._stamps += 1
        return self.clock.monotonic_ms() + self._stamps * 1e-6

    def send(self, message: Message) -> None:
        """Send to another member, or lose; what is forwarded is never doubled."""
        if self._trace is not None:
            self.note(f"m{message.sender} sends {message}")
        self.network.send(message.sender, message.to, message, once=isinstance(message, Forward))

    def find(self, source: NodeId, target: NodeId) -> Member | None:
        """Another member, if it can be reached."""
        found = self.members.get(target)
        if found is None or found.replica is None or self.network.is_blocked(source, target):
            return None
        return found

    def all_members(self) -> list[Member]:
        """Every member that was not retired."""
        return [member for member in self.members.values() if not member.is_retired]

    def members_known(self) -> list[Member]:
        """Members that clients know: all of them, whether they run or not."""
        return self.all_members()

    def add_member(self, node: NodeId, listed: tuple[Listed, ...], *, is_new: bool = False) -> None:
        """Start a member with an empty disk."""
        random, most = self.random, self.settings.drift
        disk = Disk(self.clock, random, self.settings.disk_ms_max, CLUSTER_ID, node)
        founding = Founding(CLUSTER_ID, node, listed, is_new=is_new)
        member = Member(node, self, disk, founding, rate=1 + random.uniform(-most, most))
        self.members[node] = member
        self.network.join(node, lambda _source, message: member.receive(message))
        member.start()

    def run(self) -> None:
        """Begin, let things go wrong for a while, heal everything, and let clients come to an end."""
        self._found()
        self._begin_clients()
        FaultMaker(self).begin()
        self.clock.run_for(self.settings.chaos_ms)
        self.heal()
        self.clock.run_for(QUIET_MS)
        self.is_closing = True

    def heal(self) -> None:
        """End everything that is wrong."""
        self.note("everything is healed")
        self.is_healed = True
        for watcher in self.watchers:
            watcher.stays = True
        self.network.heal()
        self.network.faults = CALM
        for member in self.all_members():
            member.disk.is_full = False
            member.disk.stalled_until_ms = 0
            if member.is_stalled:
                member.go_on()
            if member.replica is None:
                member.start()

    def history(self) -> History:
        """What clients were told."""
        return History(tuple(self.calls), tuple(self.watches))

    def _found(self) -> None:
        nodes = [NodeId(number) for number in range(1, self.settings.voters + 1)]
        listed = tuple(Listed(node, f"m{node}", (f"http://m{node}",)) for node in nodes)
        for node in nodes:
            self.add_member(node, listed, is_new=True)

    def _begin_clients(self) -> None:
        for number in range(self.settings.clients):
            Client(self, f"c{number}", {}).begin()
        for number in range(1, 3):
            Holder(self, f"h{number}", number).begin()
        for number in range(self.settings.watchers):
            key, end = self.random.choice(SPANS)
            watcher = Watcher(self, f"w{number}", key, end, prev_kv=self.random.random() < 0.5)  # noqa: PLR2004 - a coin
            self.watchers.append(watcher)
            watcher.begin()
        Operator(self, self.settings.voters + 1).begin()
