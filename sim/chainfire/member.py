"""A member's process: it does what the shell does with a `Replica`, and can be stopped at any moment.

A turn takes everything that came since the last one, stores and sends, applies and answers, as `shell/node.py` does.
Standing still is what a paused process does: nothing is lost, everything comes late.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random
from typing import Protocol, TypeAlias

from chainfire.core import wal
from chainfire.core.machine import Machine
from chainfire.core.membership import Membership
from chainfire.core.replica import Replica
from chainfire.core.results import Result
from chainfire.core.snapshot import frames_of, head_of
from chainfire.core.watch import WatchHub, WatchStream
from chainfire.core.work import LINGER_ELECTIONS, Outcome
from chainfire.shell.recovery import FIRST_INDEX, FIRST_TERM, NOTHING, Founding, joined, tail_of
from sim.chainfire import images
from sim.chainfire.settings import ELECTION_TICKS, REQUEST_TIMEOUT_MS, TICK_MS, Settings
from sim.chainfire.storage import Disk
from ultracloud.base.faults import Fault
from ultracloud.raft import events
from ultracloud.raft.messages import Install, Message
from ultracloud.raft.options import Options
from ultracloud.raft.raft import Raft
from ultracloud.raft.words import Config, NodeId, Restored, SnapshotMark
from ultracloud.testkit.sim import SimClock

STREAM_MS = (5, 400)
"""What a snapshot takes to another member, least and most."""
STREAM_LOSS = 0.1
"""Chance that the connection of a stream breaks."""
LEAVE_MS_MAX = 500
"""How much longer than it must a member that was removed goes on, at most."""
HISTORY_STEP = 5
BACKLOG = 8
"""Of watches: small, so that they fall behind and read history."""

Token: TypeAlias = Callable[[Result | Fault | None], None]
"""What is called with a command's result or refusal; of a read, with its refusal or None."""


class Outside(Protocol):
    """What a member has around it."""

    clock: SimClock
    random: Random
    settings: Settings

    def note(self, thing: object) -> None:
        """Write a line of the trace."""
        ...

    def send(self, message: Message) -> None:
        """Send to another member, or lose."""
        ...

    def find(self, source: NodeId, target: NodeId) -> Member | None:
        """Another member, if it can be reached."""
        ...


@dataclass(slots=True)
class Member:
    """One member: its disk for good, and its process while it runs.

    Attributes:
        life: How often its process was started.
        rate: How fast its clock goes.
        replica: None while the process does not run.
        lost: Called when the process dies, with its life: connections break.
        is_stalled: The process stands still.
    """

    node: NodeId
    outside: Outside
    disk: Disk
    founding: Founding
    rate: float = 1.0
    life: int = 0
    replica: Replica[Token] | None = None
    hub: WatchHub | None = None
    is_stalled: bool = False
    is_retired: bool = False
    streams: dict[WatchStream, None] = field(default_factory=dict)
    published: list[Callable[[], None]] = field(default_factory=list)
    on_death: list[Callable[[], None]] = field(default_factory=list)
    _late: list[Callable[[Replica[Token]], None]] = field(default_factory=list)
    _is_scheduled: bool = False
    _ticked_ms: int = 0
    _is_snapshotting: bool = False
    _is_leaving: bool = False
    _logged: int = 0

    @property
    def name(self) -> str:
        """This life of it, for traces and histories."""
        return f"m{self.node}.{self.life}"

    @property
    def leads(self) -> bool:
        """Whether it runs and believes that it leads."""
        return self.replica is not None and self.replica.is_leader

    def start(self) -> None:
        """Start the process on what the disk has."""
        assert self.replica is None, self.name
        self.life += 1
        machine, mark, restored = self._recover()
        random = self.outside.random
        raft = Raft(self.node, Options(election_ticks=ELECTION_TICKS), restored, random.randrange)
        self.replica = Replica(self.node, machine, raft, mark.term, random.getrandbits(31) << 32)
        self.replica.timeout_ms = REQUEST_TIMEOUT_MS
        self.replica.kept_entries = self.replica.compact_step = self.outside.settings.keeps_entries
        self.replica.expiry.checkpoint_interval_ms = self.outside.settings.checkpoint_ms
        self.hub = WatchHub(machine.store, BACKLOG, HISTORY_STEP)
        self._logged = self.disk.appended
        self._ticked_ms = self.outside.clock.now_ms()
        self.outside.note(f"{self.name} starts at {mark.index}, log to {raft.last_index}, term {raft.term}")
        self._tick_later(self.life)

    def cut(self) -> None:
        """The power is gone."""
        if self.replica is None:
            return
        self.outside.note(f"{self.name} dies")
        self.disk.cut()
        self.replica = self.hub = None
        self.is_stalled = self._is_scheduled = self._is_snapshotting = False
        self._late.clear()
        self.published.clear()
        self.streams.clear()
        dying, self.on_death = self.on_death, []
        for tell in dying:
            tell()

    def retire(self) -> None:
        """Stop for good: it is no member any more."""
        self.outside.note(f"{self.name} is retired")
        self.is_retired = True
        self.cut()

    def stall(self) -> None:
        """Stand still until `go_on`."""
        self.is_stalled = self.replica is not None

    def go_on(self) -> None:
        """Take everything that came meanwhile."""
        self.is_stalled = False
        late, self._late = self._late, []
        for action in late:
            self.take(action)

    def take(self, action: Callable[[Replica[Token]], None]) -> None:
        """Let the process take something that came, now or when it goes on; lost if it does not run."""
        if self.replica is None:
            return
        if self.is_stalled:
            self._late.append(action)
            return
        action(self.replica)
        if not self._is_scheduled:
            self._is_scheduled = True
            life = self.life
            self.outside.clock.call_later(0, lambda: self._turn(life))

    def receive(self, message: Message) -> None:
        """Take a message of another member."""
        self.take(lambda replica: replica.receive((message,)))

    def receive_snapshot(self, install: Install, content: bytes) -> None:
        """Take a leader's state: make it durable, then hand it over."""
        if self.replica is None or self.is_stalled:
            return
        restore = images.read(content)

        def whole() -> None:
            self.take(lambda replica: replica.receive_snapshot(install, restore.machine))

        self.disk.write_snapshot(install.mark.index, content, whole)

    def image(self) -> tuple[SnapshotMark, bytes]:
        """The state as a snapshot, and what it stands for."""
        assert self.replica is not None
        machine, mark = self.replica.machine, self.replica.mark
        head = head_of(machine, mark.term, self.founding.cluster_id, self.node)
        return mark, b"".join(frames_of(machine, head, mark.config))

    def snapshot(self) -> None:
        """Write the state, then drop the log that it makes needless."""
        if self.replica is None or self._is_snapshotting or self.replica.machine.applied_index == 0:
            return
        self._is_snapshotting = True
        self._logged = self.disk.appended
        mark, content = self.image()

        def written() -> None:
            self._is_snapshotting = False
            self.disk.drop_before(mark.index + 1)

        self.disk.write_snapshot(mark.index, content, written)

    def sweep(self) -> None:
        """Free what was compacted."""
        if self.replica is not None:
            for _ in self.replica.machine.store.sweep():
                pass

    def _recover(self) -> tuple[Machine, SnapshotMark, Restored]:
        """What `shell/recovery.py` does."""
        disk = self.disk
        if disk.is_new:
            self._found()
        payloads = disk.replay()
        restore = images.read(disk.snapshots[max(disk.snapshots)])
        assert restore.head is not None
        mark = SnapshotMark(restore.head.index, restore.head.term, restore.config)
        tail = tail_of(payloads)
        state, entries = joined(Path("log"), mark, tail)
        if not entries and (tail.last_index, tail.last_term) != (mark.index, mark.term):
            disk.note_mark(wal.Mark(state, mark.index, mark.term))
        return restore.machine, mark, Restored(mark, entries, state, mark.index)

    def _found(self) -> None:
        """A new member begins with a snapshot of the beginning."""
        mark = NOTHING
        if self.founding.is_new:
            voters = frozenset(NodeId(each.member_id) for each in self.founding.members)
            mark = SnapshotMark(FIRST_INDEX, FIRST_TERM, Config(voters))
        machine = Machine()
        machine.members = Membership(self.founding.members)
        machine.applied_index = mark.index
        head = head_of(machine, mark.term, self.founding.cluster_id, self.node)
        self.disk.begin(mark.index + 1)
        self.disk.snapshots[mark.index] = b"".join(frames_of(machine, head, mark.config))

    def _tick_later(self, life: int) -> None:
        def tick() -> None:
            if life != self.life or self.replica is None:
                return
            if not self.is_stalled:
                now_ms = self.outside.clock.now_ms()
                elapsed_ms = round((now_ms - self._ticked_ms) * self.rate)
                self._ticked_ms = now_ms
                self.take(lambda replica: replica.tick(elapsed_ms))
            self._tick_later(life)

        self.outside.clock.call_later(round(TICK_MS / self.rate), tick)

    def _turn(self, life: int) -> None:
        """Take what came, store and send, apply and answer."""
        replica = self.replica
        if life != self.life or replica is None:
            return
        if self.is_stalled:
            self._is_scheduled = False
            self._late.insert(0, lambda _: None)
            return
        self._is_scheduled = False
        work = replica.begin()
        store = work.store
        if store is not None:
            self.disk.store(store, lambda: self.take(lambda replica: replica.persisted(store.number)))
        for message in work.messages:
            if isinstance(message, Install):
                self._stream(message)
            else:
                self.outside.send(message)
        outcome = replica.finish()
        self._answer(replica, outcome)
        if outcome.has_more:
            self.take(lambda _: None)
        if self.disk.appended - self._logged > self.outside.settings.snapshot_bytes:
            self.snapshot()

    def _answer(self, replica: Replica[Token], outcome: Outcome[Token]) -> None:
        assert self.hub is not None
        for token, result in outcome.answers:
            token(result)
        for token, refusal in outcome.reads:
            token(refusal)
        if self.hub is None:
            return
        if outcome.is_installed:
            self.hub.restart(self.streams)
        if outcome.applied or outcome.is_installed:
            self.hub.publish(replica.machine.store.take_changes())
            for tell in list(self.published):
                tell()
        if replica.is_removed and not replica.is_leader and not self._is_leaving:
            self._is_leaving = True
            linger_ms = LINGER_ELECTIONS * ELECTION_TICKS * TICK_MS + self.outside.random.randint(0, LEAVE_MS_MAX)
            self.outside.clock.call_later(linger_ms, self.retire)

    def _stream(self, install: Install) -> None:
        """Send the state to a member that needs it."""
        mark, content = self.image()
        sent = replace(install, mark=mark)
        outside, life = self.outside, self.life

        def arrive() -> None:
            target = outside.find(self.node, install.to)
            ok = target is not None and outside.random.random() >= STREAM_LOSS and life == self.life
            outside.note(f"snapshot {mark.index} of m{self.node} {'reaches' if ok else 'does not reach'} m{install.to}")
            if ok and target is not None:
                target.receive_snapshot(sent, content)
            if life == self.life:
                self.take(lambda replica: replica.tell(events.SnapshotSent(install.to, ok, mark)))

        outside.clock.call_later(outside.random.randint(*STREAM_MS), arrive)
