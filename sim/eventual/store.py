"""A store's process: it does what a server does with an `EventualReplica`, and can be stopped at any moment.

A turn takes everything that came since the last one: one batch of rows, what is to be sent, and a sync if none is under
way; the next batch may be written before that one is done. Standing still is what a paused process does.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Protocol, TypeAlias

from flaredb.core.engine import EngineFullError, Row
from flaredb.core.eventual_replica import EventualReplica
from flaredb.core.region import StoreId
from sim.eventual.settings import TICK_MS, Settings
from sim.flaredb.storage import Disk
from ultracloud.testkit.sim import SimClock

FULL_RETRY_MS = 50

Token: TypeAlias = Callable[[], None]
"""Called once the disk has a write."""
Action: TypeAlias = Callable[[EventualReplica[Token]], None]


class Outside(Protocol):
    """What a store has around it."""

    clock: SimClock
    random: Random
    settings: Settings

    def note(self, thing: object) -> None:
        """Write a line of the trace."""
        ...

    def send(self, source: StoreId, target: StoreId, content: bytes) -> None:
        """Send to another store, or lose."""
        ...

    def members(self) -> tuple[StoreId, ...]:
        """Which stores there are."""
        ...


@dataclass(slots=True)
class Store:
    """One store: its disk for good, and its process while it runs.

    Attributes:
        skew_ms: How wrong its clock is.
        life: How often its process was started.
        replica: None while the process does not run.
        is_stalled: The process stands still.
    """

    store: StoreId
    outside: Outside
    disk: Disk
    skew_ms: int = 0
    life: int = 0
    replica: EventualReplica[Token] | None = None
    is_stalled: bool = False
    _late: list[Action] = field(default_factory=list)
    _is_scheduled: bool = False
    _is_syncing: bool = False
    _held: list[Row] | None = None

    @property
    def name(self) -> str:
        """This life of it, for traces."""
        return f"s{self.store}.{self.life}"

    @property
    def now_ms(self) -> int:
        """What its clock says."""
        return self.outside.clock.now_ms() + self.skew_ms

    def start(self) -> None:
        """Start the process on what the disk has."""
        assert self.replica is None, self.name
        self.life += 1
        self.replica = EventualReplica(
            self.store, self.disk, self.outside.random.randrange, self.now_ms, self.outside.settings.tombstone_ms
        )
        self.replica.set_members(self.outside.members())
        self.outside.note(f"{self.name} starts with version {self.replica.contents.published.version}")
        self.take(lambda _: None)
        self._tick_later(self.life)

    def cut(self) -> None:
        """The power is gone."""
        if self.replica is None:
            return
        self.outside.note(f"{self.name} dies")
        self.disk.cut()
        self.replica = self._held = None
        self.is_stalled = self._is_scheduled = self._is_syncing = False
        self._late.clear()

    def stall(self) -> None:
        """Stand still until `go_on`."""
        self.is_stalled = self.replica is not None

    def go_on(self) -> None:
        """Take everything that came meanwhile."""
        self.is_stalled = False
        late, self._late = self._late, []
        for action in late:
            self.take(action)

    def take(self, action: Action) -> None:
        """Let the process take something that came, now or when it goes on; lost if it does not run."""
        if self.replica is None:
            return
        if self.is_stalled:
            self._late.append(action)
            return
        action(self.replica)
        self._turn_later(0)

    def receive(self, sender: StoreId, content: bytes) -> None:
        """Take what another store sent."""
        self.take(lambda replica: replica.receive(sender, content, self.now_ms))

    def _turn_later(self, wait_ms: int) -> None:
        if not self._is_scheduled:
            self._is_scheduled = True
            life = self.life
            self.outside.clock.call_later(wait_ms, lambda: self._turn(life))

    def _tick_later(self, life: int) -> None:
        def tick() -> None:
            if life == self.life and self.replica is not None:
                if not self.is_stalled:
                    self.take(lambda replica: replica.tick(self.now_ms))
                self._tick_later(life)

        self.outside.clock.call_later(TICK_MS, tick)

    def _turn(self, life: int) -> None:
        """Take what came: write, send, and sync what must be."""
        replica = self.replica
        if life != self.life or replica is None:
            return
        self._is_scheduled = False
        if self.is_stalled:
            self._late.insert(0, lambda _: None)
            return
        rows = replica.begin(self.now_ms) if self._held is None else self._held
        try:
            if rows:
                self.disk.write(rows)
        except EngineFullError:
            self._held = rows
            self._turn_later(FULL_RETRY_MS)
            return
        self._held = None
        self._sync(replica)
        for token, _ in replica.finish().answers:
            token()
        for to, content in replica.take_outgoing():
            self.outside.send(self.store, to, content)

    def _sync(self, replica: EventualReplica[Token]) -> None:
        """Begin a sync, if one is needed and none is under way."""
        number = 0 if self._is_syncing else replica.to_sync()
        if not number:
            return
        self._is_syncing = True

        def done() -> None:
            self._is_syncing = False
            self.take(lambda replica: replica.synced(number))

        self.disk.begin_sync(done)
