"""Reconcilers: from what is wanted to what is done, level by level, never event by event.

A reconciler keeps the world (all resources of some kinds) in memory, and a set of keys that may need work. For each key
it asks a pure planner what to do and does it. What failed is tried again with growing pauses, each key on its own; what
changed while it was worked on is looked at again. Nothing is lost by a restart: the world is read anew and every key is
looked at once.

Source: the level-triggered work queue of Kubernetes' controllers.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import aclosing
from typing import Any, Generic, Protocol, TypeVar

from ultracloud.base.faults import Fault, UnavailableError
from ultracloud.servicekit.readiness import Gate
from ultracloud.servicekit.resources import layout
from ultracloud.servicekit.resources.engine import Resources
from ultracloud.servicekit.resources.fencing import SHARD_LOST
from ultracloud.servicekit.resources.kinds import Kind
from ultracloud.servicekit.resources.owners import Owners, SoleOwner
from ultracloud.servicekit.resources.pacing import Pace
from ultracloud.servicekit.resources.shards import shard_of
from ultracloud.servicekit.resources.world import Key, World
from ultracloud.servicekit.store import Change, Loaded, follow, prefix_end

WORKERS = 4
"""Keys worked on at once: the work is mostly waiting for other services."""
BACKOFF_FIRST_S, BACKOFF_MAX_S = 0.1, 30.0
"""Pauses of one key that fails: soon after the first failure, twice a minute for ever."""
SEEN_S = 2.0
"""How long an admission waits for what it rests on to be known: the feed takes milliseconds."""
RESYNC_S = 300.0
"""How often every key is looked at although nothing changed: heals what nobody reported."""

ActionT = TypeVar("ActionT")
ActionT_contra = TypeVar("ActionT_contra", contravariant=True)


class Planner(Protocol[ActionT]):
    """What a service brings: a pure decision and the hands that carry it out."""

    def plan(self, world: World, key: Key) -> Sequence[ActionT]:
        """What to do about `key` now; empty when all is well. The resource may be gone from the world."""
        ...

    async def act(self, action: ActionT) -> None:
        """Do one action; doing it twice is harmless. A Fault means: plan this key again after a pause."""
        ...


def _only_itself(_world: World, key: Key) -> Iterable[Key]:
    return (key,)


def _never(_key: Key) -> bool:
    return False


class Reconciler(Generic[ActionT]):
    """Keeps a planner's keys at work.

    Args:
        resources: The kit.
        kinds: Which resources the world holds.
        planner: Decides and acts.
        affected: Which keys a change of a resource concerns: asked before and after the change, so that a port that
            moved concerns both hosts. Without it, only itself.
        owners: Which of them are ours, where several replicas share the work; without, all.
        everywhere: Keys that every replica works on for itself, since their actions write nothing that others see: the
            intents of the hosts whose agents ask it.
        workers: Keys worked on at once.
        resync_s: Seconds between looks at every key.
    """

    def __init__(
        self,
        resources: Resources,
        kinds: Sequence[Kind[Any]],
        planner: Planner[ActionT],
        *,
        affected: Callable[[World, Key], Iterable[Key]] = _only_itself,
        owners: Owners | None = None,
        everywhere: Callable[[Key], bool] = _never,
        workers: int = WORKERS,
        resync_s: float = RESYNC_S,
    ) -> None:
        self.world = World(kinds)
        self._resources = resources
        self._planner = planner
        self._affected = affected
        self._owners = owners or SoleOwner()
        self._everywhere = everywhere
        self._workers = workers
        self._resync_s = resync_s
        self._waiting: deque[Key] = deque()
        self._dirty: set[Key] = set()
        self._running: set[Key] = set()
        self._concerned: set[Key] = set()
        self._pace = Pace(resources.clock)
        self._failures: dict[Key, int] = {}
        self._delayed: dict[Key, asyncio.TimerHandle] = {}
        self._wake = asyncio.Event()
        self._loaded = asyncio.Event()
        self._moved = asyncio.Event()

    async def run(self, gate: Gate | None = None) -> None:
        """Work for ever; `gate` opens once the world has been read."""
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._follow(gate), name="reconciler: follow")
                tasks.create_task(self._resync(), name="reconciler: resync")
                tasks.create_task(self._take_part(), name="reconciler: take part")
                for number in range(self._workers):
                    tasks.create_task(self._work(), name=f"reconciler: worker {number}")
        finally:
            for timer in self._delayed.values():
                timer.cancel()

    def touch(self, key: Key) -> None:
        """Look at `key` soon: something outside the store changed."""
        if key not in self._dirty:
            self._dirty.add(key)
            if key not in self._running:
                self._waiting.append(key)
                self._wake.set()

    def failures(self) -> Mapping[Key, int]:
        """Keys that fail, and how often in a row."""
        return dict(self._failures)

    async def world_at(self, version: int) -> World:
        """The world, once it shows all records as they were at `version`: for an admission that rests on many of them.

        Raises:
            UnavailableError: It does not in time.
        """
        try:
            async with asyncio.timeout(SEEN_S):
                while not self._loaded.is_set() or self.world.version < version:
                    await self._moved.wait()
        except TimeoutError:
            raise UnavailableError("what is stored is not known here yet; try again in a moment") from None
        return self.world

    async def _follow(self, gate: Gate | None) -> None:
        """Keep the world current and touch what changes concern."""
        start, end = layout.RECONCILED_FROM, prefix_end(layout.RECORDS)
        changes = follow(self._resources.store, start, end, self._resources.clock)
        async with aclosing(changes):
            async for news in changes:
                if isinstance(news, Loaded):
                    self._load(news)
                    self._loaded.set()
                    if gate:
                        gate.open()
                else:
                    for change in news.changes:
                        self._take(change)
                    self.world.version = news.version
                self._owners.saw(news.version)
                moved, self._moved = self._moved, asyncio.Event()
                moved.set()

    async def _take_part(self) -> None:
        """Share the work with the other replicas, once we know the world."""
        await self._loaded.wait()
        await self._owners.run(self._gained)

    def _gained(self, shard: int) -> None:
        """A shard is ours now: whatever its owner before left undone is to be looked at."""
        for key in sorted(self._concerned):
            if shard_of(key.id) == shard and not self._everywhere(key):
                self.touch(key)

    def _load(self, news: Loaded) -> None:
        """Begin anew with all there is; what was known and is gone is touched too."""
        before = self.world.every_key()
        concerned = {key for known in before for key in self._affected(self.world, known)}
        self.world.forget()
        for entry in news.entries:
            if self.world.key_of(entry.key):
                self.world.apply(Change(entry.key, entry.value, entry.version))
        self.world.version = news.version
        concerned |= self._everything()
        for key in sorted(concerned):
            self.touch(key)

    def _everything(self) -> set[Key]:
        """All keys that there are; those that are no more are forgotten."""
        self._concerned = {key for known in self.world.every_key() for key in self._affected(self.world, known)}
        return self._concerned

    def _take(self, change: Change) -> None:
        """Take in one change."""
        key = self.world.key_of(change.key)
        if key is None:
            return
        concerned = set(self._affected(self.world, key))
        self.world.apply(change)
        concerned.update(self._affected(self.world, key))
        self._concerned |= concerned
        for one in sorted(concerned):
            self.touch(one)

    async def _resync(self) -> None:
        """Look at everything now and then."""
        while True:
            await self._resources.clock.sleep(self._resync_s)
            self._pace.forget()
            for key in sorted(self._everything()):
                self.touch(key)

    async def _work(self) -> None:
        """Take keys and work on them, one at a time."""
        await self._loaded.wait()
        while True:
            while not self._waiting:
                self._wake.clear()
                await self._wake.wait()
            key = self._waiting.popleft()
            self._dirty.discard(key)
            self._running.add(key)
            try:
                await self._reconcile(key)
            finally:
                self._running.discard(key)
                if key in self._dirty:
                    self._waiting.append(key)
                    self._wake.set()

    async def _reconcile(self, key: Key) -> None:
        """Plan and act once; a fault puts the key aside for a while."""
        delayed = self._delayed.pop(key, None)
        if delayed is not None:
            delayed.cancel()
        is_everywhere = self._everywhere(key)
        if not is_everywhere and not self._owners.holds(key.id):
            self._failures.pop(key, None)
            return
        wait_s = 0.0 if is_everywhere else self._pace.wait_s(key)
        if wait_s:
            self._again_in(key, wait_s)
            return
        try:
            actions = self._planner.plan(self.world, key)
            if actions:
                await self._act(key, actions, is_everywhere=is_everywhere)
        except Fault as error:
            self._failed(key, error)
        else:
            self._failures.pop(key, None)

    async def _act(self, key: Key, actions: Sequence[ActionT], *, is_everywhere: bool) -> None:
        """Carry a plan out."""
        if is_everywhere:
            for action in actions:
                await self._planner.act(action)
            return
        self._pace.acted(key)
        async with self._owners.working(key.id):
            for action in actions:
                await self._planner.act(action)

    def _failed(self, key: Key, error: Fault) -> None:
        """Put a key aside; not one that is another replica's now."""
        log = logging.getLogger(__name__)
        if error.reason == SHARD_LOST:
            log.info("%s %s: %s", key.kind, key.id, error)
            return
        failures = self._failures[key] = self._failures.get(key, 0) + 1
        pause_s = min(BACKOFF_FIRST_S * 2 ** min(failures - 1, 20), BACKOFF_MAX_S)
        log.warning("%s %s: %s", key.kind, key.id, error, extra={"failures": failures, "again_in_s": pause_s})
        self._again_in(key, pause_s)

    def _again_in(self, key: Key, pause_s: float) -> None:
        """Look at a key later."""
        self._delayed[key] = asyncio.get_running_loop().call_later(pause_s, self.touch, key)
