"""A cluster in one thread from one seed: a network that loses, delays, doubles and overtakes, disks that lose what was
not synced, nodes that crash, stall and start again, and clients that propose, read and change who takes part.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from heapq import heappop, heappush
from random import Random

from disk import Disk
from laws import BrokenLawError, Laws
from weather import Theme, forecast

from ultracloud.raft import membership
from ultracloud.raft.events import (
    Campaign,
    ChangeKind,
    Compact,
    Event,
    Gone,
    NodeChange,
    Persisted,
    Propose,
    ProposeConfig,
    Read,
    Ready,
    SnapshotSent,
    Tick,
    TransferLeader,
    Unreachable,
)
from ultracloud.raft.messages import Forward, Install, Message
from ultracloud.raft.raft import Raft
from ultracloud.raft.turns import Role
from ultracloud.raft.words import Config, NodeId, SnapshotMark

CHAOS_TICKS = 120
HEALING_TICKS = 400
"""Within this a healed cluster must be whole again: several elections and a snapshot to every node."""


@dataclass(slots=True)
class Host:
    """One node with its disk."""

    disk: Disk
    raft: Raft | None = None
    life: int = 0
    stalled_until: float = 0.0
    is_writing: bool = False
    open_reads: dict[int, int] = field(default_factory=dict)
    """Context of each read that is not answered: what was committed when it was asked for."""


class World:
    """Everything of one run."""

    def __init__(self, seed: int, theme: Theme | None = None) -> None:
        self.random = random = Random(seed)  # noqa: S311 - a simulation repeats itself
        self.laws = Laws()
        self.now = 0.0
        self._queue: list[tuple[float, int, Callable[[], None]]] = []
        self._sequence = 0
        self.options, self.weather = forecast(random, theme)
        self._cut: set[tuple[NodeId, NodeId]] = set()
        voters = random.choice(self.weather.voters)
        first = Config(frozenset(map(NodeId, range(1, voters + 1))))
        begin = SnapshotMark(1, 1, first)
        self.hosts = {
            node: Host(Disk(begin if node in first.voters else SnapshotMark()))
            for node in map(NodeId, range(1, voters + 1 + random.choice((0, 1, 3) if self.weather.change else (0,))))
        }
        self._bodies = 0
        self._contexts = 0
        self._is_healed = False
        for node in self.hosts:
            self.start(node)

    # Running

    def run(self) -> None:
        """A time of trouble, then healing; the laws hold throughout, and healing succeeds."""
        for tick in range(CHAOS_TICKS):
            self._at(tick, self._trouble)
        self._until(CHAOS_TICKS)
        self._heal()
        for _ in range(HEALING_TICKS):
            self._until(self.now + 1)
            self._end_strangers()
            if self._is_whole():
                break
        else:
            raise BrokenLawError(f"not whole again: {self.describe()}")
        self._still_works()
        self.laws.each_body_once()

    def describe(self) -> str:
        """Where all nodes stand."""
        parts = [
            f"{node}: {raft.role.value} of {raft.leader} term {raft.term} commit {raft.commit}/{raft.last_index}"
            f" emitted {raft.emitted} {sorted(raft.config.voters)}{sorted(raft.config.outgoing)}"
            for node, host in self.hosts.items()
            if (raft := host.raft) is not None
        ]
        return "; ".join(parts)

    def _at(self, time: float, action: Callable[[], None]) -> None:
        self._sequence += 1
        heappush(self._queue, (time, self._sequence, action))

    def _until(self, end: float) -> None:
        """Let time pass."""
        while self._queue and self._queue[0][0] <= end:
            self.now, _, action = heappop(self._queue)
            action()
        self.now = end

    # Nodes

    def start(self, node: NodeId) -> None:
        """Begin a life."""
        host = self.hosts[node]
        host.life += 1
        host.raft = Raft(node, self.options, host.disk.restored(), self.random.randrange)
        life = host.life
        self.step(node)
        self._at(self.now + self.random.random(), lambda: self._tick(node, life))

    def crash(self, node: NodeId) -> None:
        """End a life: some of what was being written may have been stored in time."""
        host = self.hosts[node]
        host.raft = None
        host.open_reads.clear()
        for _ in range(self.random.randrange(len(host.disk.queue) + 1)):
            host.disk.write(host.disk.queue.popleft(), keeps_unsynced_commit=self.weather.keeps_unsynced_commit)
        host.disk.queue.clear()
        host.is_writing = False

    def step(self, node: NodeId, *events: Event) -> Ready:
        """Tell a node, and do what it wants."""
        host = self.hosts[node]
        raft = host.raft
        assert raft is not None
        did_lead, config = raft.role is Role.LEADER, raft.config
        ready = raft.step(*events)
        is_turn = raft.config is not config or (raft.role is Role.LEADER and not did_lead)
        if is_turn and self.random.random() < self.weather.partition_at_turn:
            self._at(self.now + self.random.uniform(0, 2), self._part)
        self.laws.watch(raft, host.life, ready, did_lead=did_lead)
        for read in ready.reads:
            self.laws.read(host.open_reads.pop(read.context), read.index)
        for context in ready.lost_reads:
            del host.open_reads[context]
        self._applicable(host, ready)
        if ready.must_sync or ready.promises or ready.hard_state is not None:
            host.disk.queue.append(ready)
            self._write(node)
        for message in ready.messages:
            self._carry(message)
        return ready

    def _applicable(self, host: Host, ready: Ready) -> None:
        """What is given out to be applied is on this node's disk."""
        if ready.committed:
            first, last = ready.committed[0].index, ready.committed[-1].index
            stored = {entry.index: entry for entry in host.disk.entries[first - last - 1 :] if entry.index >= first}
            stored |= {entry.index: entry for entry in host.disk.entries if first <= entry.index <= last}
            for entry in ready.committed:
                if stored.get(entry.index) != entry:
                    raise BrokenLawError(f"{entry} is applied before it is durable")

    def _tick(self, node: NodeId, life: int) -> None:
        """A tick of one node's own clock, which runs a little fast or slow."""
        host = self.hosts[node]
        if host.raft is None or host.life != life:
            return
        if self.now >= host.stalled_until:
            self.step(node, Tick())
        self._at(self.now + self.random.uniform(0.95, 1.05), lambda: self._tick(node, life))

    def _write(self, node: NodeId) -> None:
        """Begin to write what waits, all of it at once."""
        host = self.hosts[node]
        if host.is_writing or not host.disk.queue:
            return
        host.is_writing = True
        slow = self.random.random() < self.weather.slow_disk
        count, life = len(host.disk.queue), host.life
        delay = self.random.uniform(1, 12) if slow else self.random.uniform(0, 0.2)
        self._at(self.now + delay, lambda: self._written(node, life, count))

    def _written(self, node: NodeId, life: int, count: int) -> None:
        """A sync has ended: what was promised may be said."""
        host = self.hosts[node]
        if host.raft is None or host.life != life:
            return
        if self.now < host.stalled_until:
            self._at(host.stalled_until, lambda: self._written(node, life, count))
            return
        host.is_writing = False
        done = [host.disk.queue.popleft() for _ in range(count)]
        for ready in done:
            host.disk.write(ready, keeps_unsynced_commit=self.weather.keeps_unsynced_commit)
            for message in ready.promises:
                self._carry(message)
        # A step that had nothing to store need not be answered, or the two would never end.
        if any(ready.must_sync or ready.promises for ready in done):
            if self.random.random() < self.weather.crash_after_sync:
                self.crash(node)
                self.start(node)
                return
            self.step(node, Persisted(done[-1].number))
        self._write(node)

    # The network

    def _carry(self, message: Message) -> None:
        """Deliver once, later, twice or never."""
        if isinstance(message, Install):
            self._stream(message)
            return
        if self.random.random() < self.weather.drop or (message.sender, message.to) in self._cut:
            return
        self._at(self._arrival(), lambda: self._deliver(message))
        if self.random.random() < self.weather.double and not isinstance(message, Forward):
            self._at(self._arrival(), lambda: self._deliver(message))

    def _arrival(self) -> float:
        """When a message sent now arrives."""
        slow = self.random.random() < self.weather.slow_message
        return self.now + (self.random.uniform(0, 40) if slow else self.random.uniform(0.01, self.weather.delay_ticks))

    def _deliver(self, message: Message) -> None:
        """It arrives, if somebody is there; a stalled node reads it when it goes on."""
        host = self.hosts[message.to]
        if self.now < host.stalled_until:
            self._at(host.stalled_until, lambda: self._deliver(message))
        elif host.raft is not None and (message.sender, message.to) not in self._cut:
            self.step(message.to, message)

    def _stream(self, install: Install) -> None:
        """Send the sender's own state, which may be newer than what was asked for."""
        sender = self.hosts[install.sender]
        life = sender.life
        mark = sender.disk.mark
        message = replace(install, mark=mark)
        ok = self.random.random() >= self.weather.drop and (install.sender, install.to) not in self._cut

        def end() -> None:
            if ok and self.hosts[install.to].raft is not None:
                self._deliver(message)
            if sender.raft is not None and sender.life == life:
                self.step(install.sender, SnapshotSent(install.to, ok, mark))

        self._at(self.now + self.random.uniform(0.5, 6), end)

    # Trouble

    def _trouble(self) -> None:
        """What may happen within a tick, each at any time of it."""
        for chance, action in (
            (self.weather.crash, self._crash),
            (self.weather.partition, self._part),
            (self.weather.stall, self._stall),
            (self.weather.snapshot, self._snapshot),
            (self.weather.change, self._change),
            (self.weather.transfer, self._transfer),
            (self.weather.campaign, self._campaign),
            (self.weather.gone, self._gone),
            *[(self.weather.propose, self._propose)] * 3,
            *[(self.weather.read, self._read)] * 3,
        ):
            if self.random.random() < chance:
                self._at(self.now + self.random.random(), action)

    def _some(self) -> NodeId | None:
        """A node that runs and is not stalled."""
        up = [node for node, host in self.hosts.items() if host.raft is not None and self.now >= host.stalled_until]
        return self.random.choice(up) if up else None

    def _leader(self) -> NodeId | None:
        """A node that believes it leads; there may be several."""
        leaders = [
            node
            for node, host in self.hosts.items()
            if host.raft is not None and host.raft.role is Role.LEADER and self.now >= host.stalled_until
        ]
        return self.random.choice(leaders) if leaders else None

    def _crash(self) -> None:
        """A node goes down, and comes back soon or later."""
        node = self._victim()
        host = self.hosts[node]
        if host.raft is None:
            return
        leader_tells = self.random.random() < self.weather.gone * 10
        self.crash(node)
        for other in self.hosts if leader_tells else ():
            if self.hosts[other].raft is not None:
                self.step(other, Gone(node))
        life, down_ticks = host.life, self.random.choice((0, self.random.uniform(0, 5 * self.options.election_ticks)))
        self._at(self.now + down_ticks, lambda: self._start_again(node, life))

    def _start_again(self, node: NodeId, life: int) -> None:
        if self.hosts[node].raft is None and self.hosts[node].life == life:
            self.start(node)

    def _victim(self) -> NodeId:
        """Any node, but leaders most of all."""
        leader = self._leader() if self.random.random() < 0.5 else None
        return leader if leader is not None else self.random.choice(list(self.hosts))

    def _part(self) -> None:
        """Cut some ways between nodes, in one direction or both, for a while."""
        if self._is_healed:
            return
        nodes = list(self.hosts)
        kind, one_way = self.random.randrange(4), self.random.random() < 0.5
        self._cut = cut = set()
        self._at(self.now + self.random.uniform(1, self.weather.partition_ticks), cut.clear)
        some = {self._victim()} | set(self.random.sample(nodes, self.random.randrange(len(nodes) // 2 + 1)))
        for sender in nodes:
            for to in nodes:
                between = (sender in some) != (to in some)
                if (
                    (kind in (0, 1) and between)
                    or (kind == 2 and between and (sender in some) == one_way)
                    or (kind == 3 and self.random.random() < 0.3)
                ):
                    cut.add((sender, to))
        for sender, to in sorted(cut):
            if self.hosts[sender].raft is not None and self.random.random() < 0.1:
                # That a process has ended may be wrong: then it only costs a vote that is refused.
                self.step(sender, self.random.choice((Unreachable, Gone))(to))

    def _stall(self) -> None:
        node = self.random.choice(list(self.hosts))
        self.hosts[node].stalled_until = self.now + self.random.uniform(1, 4 * self.options.election_ticks)

    def _snapshot(self) -> None:
        node = self._some()
        if node is None:
            return
        host = self.hosts[node]
        assert host.raft is not None
        is_installing = any(ready.snapshot is not None for ready in host.disk.queue)
        if host.raft.emitted > host.disk.mark.index and not is_installing:
            index = self.random.randint(host.disk.mark.index + 1, host.raft.emitted)
            mark = host.raft.mark_at(index)
            self.laws.snapshot(mark)
            host.disk.compact(mark, self.options.compact_keep)
            self.step(node, Compact(index))

    def _change(self) -> None:
        node = self._leader()
        if node is None:
            return
        nodes = self.random.sample(list(self.hosts), min(len(self.hosts), self.random.choice((1, 1, 1, 2, 3))))
        changes = tuple(NodeChange(ChangeKind(self.random.randrange(3)), changed) for changed in nodes)
        self.step(node, ProposeConfig(changes, b"why"))

    def _transfer(self) -> None:
        node = self._leader()
        if node is not None:
            self.step(node, TransferLeader(self.random.choice(list(self.hosts))))

    def _campaign(self) -> None:
        node = self._some()
        if node is not None:
            self.step(node, Campaign())

    def _gone(self) -> None:
        """Somebody is said to have ended, rightly or not."""
        node = self._some()
        if node is not None:
            self.step(node, Gone(self._victim()))

    def _propose(self) -> None:
        node = self._some() if self.random.random() < 0.5 else self._leader() or self._some()
        if node is None:
            return
        bodies = []
        for _ in range(self.random.choice((1, 1, 2, 5))):
            self._bodies += 1
            bodies.append(b"p%d" % self._bodies + b"." * self.random.choice((0, 0, 0, 700)))
        self.step(node, Propose(tuple(bodies)))

    def _read(self) -> None:
        node = self._some() if self.random.random() < 0.5 else self._leader() or self._some()
        if node is None:
            return
        self._contexts += 1
        self.hosts[node].open_reads[self._contexts] = self.laws.commit_max
        self.step(node, Read(self._contexts))

    # Healing

    def _heal(self) -> None:
        """The network and the disks are good again, and everybody is there."""
        self.weather = replace(self.weather, drop=0, double=0, slow_message=0, slow_disk=0)
        self.weather = replace(self.weather, crash_after_sync=0, partition_at_turn=0)
        self._is_healed = True
        self._cut.clear()
        for node, host in self.hosts.items():
            host.stalled_until = 0.0
            if host.raft is None:
                self.start(node)

    def _end_strangers(self) -> None:
        """Without loyal voters a node that was removed and has not heard of it disturbs for ever (4.2.3)."""
        if self.options.check_quorum and self.options.pre_vote:
            return
        newest = max(
            (host.raft for host in self.hosts.values() if host.raft is not None), key=lambda raft: raft.emitted
        )
        members = membership.members(newest.config)
        for node, host in self.hosts.items():
            if node in members and host.raft is None:
                self.start(node)
            if node not in members and host.raft is not None and newest.role is Role.LEADER:
                self.crash(node)

    def _is_whole(self) -> bool:
        """Whether one leads, and all that take part follow it with the same log."""
        leaders = [raft for host in self.hosts.values() if (raft := host.raft) and raft.role is Role.LEADER]
        if len(leaders) != 1 or leaders[0].config.outgoing:
            return False
        leader = leaders[0]
        if not leader.accepts_proposals:
            return False
        members = [self.hosts[node].raft for node in membership.members(leader.config)]
        return all(
            raft is not None and raft.leader == leader.node and raft.emitted == leader.last_index for raft in members
        )

    def _still_works(self) -> None:
        """A proposal reaches all, and no read hangs. What was sent in the bad times may still make an election."""
        for attempt in range(3):
            body = b"last %d" % attempt
            self.step(self._member(), Propose((body,)))
            for _ in range(3 * self.options.election_ticks):
                self._until(self.now + 1)
                self._end_strangers()
            if self._is_whole() and any(old.entry.body == body for old in self.laws.committed.values()):
                break
        else:
            raise BrokenLawError(f"nothing new is applied: {self.describe()}")
        for node, host in self.hosts.items():
            if host.open_reads:
                raise BrokenLawError(f"reads of {node} were never answered: {host.open_reads}")

    def _member(self) -> NodeId:
        """A node that takes part, as far as the leader knows."""
        leader = self._leader()
        raft = self.hosts[leader].raft if leader is not None else None
        return self.random.choice(sorted(membership.members(raft.config) if raft is not None else self.hosts))
