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
from typing import Any, Generic, NamedTuple, Protocol, TypeVar, cast

from ultracloud.api.resource.v1 import resource_pb2 as pb
from ultracloud.base.faults import Fault
from ultracloud.servicekit.readiness import Gate
from ultracloud.servicekit.resources import layout, records
from ultracloud.servicekit.resources.engine import Resources
from ultracloud.servicekit.resources.kinds import Kind, MessageT
from ultracloud.servicekit.resources.records import Stored
from ultracloud.servicekit.store import Change, Loaded, follow, prefix_end

WORKERS = 4
"""Keys worked on at once: the work is mostly waiting for other services."""
BACKOFF_FIRST_S, BACKOFF_MAX_S = 0.1, 30.0
"""Pauses of one key that fails: soon after the first failure, twice a minute for ever."""
RESYNC_S = 300.0
"""How often every key is looked at although nothing changed: heals what nobody reported."""

ActionT = TypeVar("ActionT")
ActionT_contra = TypeVar("ActionT_contra", contravariant=True)
_RECORDS = b"r/"


class Key(NamedTuple):
    """What may need work: a resource (`kind` is `Kind.key`), or anything else a planner knows, e.g. a host."""

    kind: str
    id: str


class World:
    """All resources of some kinds at one version of the store. Only the reconciler changes it, between plans."""

    def __init__(self, kinds: Iterable[Kind[Any]]) -> None:
        self.version = 0
        self._kinds = {kind.key: kind for kind in kinds}
        self._known: dict[str, dict[str, Stored[Any]]] = {key: {} for key in self._kinds}

    def get(self, kind: Kind[MessageT], identifier: str) -> MessageT | None:
        """One resource; None if there is none. Not to be changed."""
        stored = self._known[kind.key].get(identifier)
        return cast("MessageT", stored.message) if stored else None

    def metadata(self, key: Key) -> pb.Metadata | None:
        """The metadata of a resource, whatever its kind; None if there is none. Not to be changed."""
        stored = self._known.get(key.kind, {}).get(key.id)
        return stored.metadata if stored else None

    def all(self, kind: Kind[MessageT]) -> Sequence[MessageT]:
        """All resources of a kind. Not to be changed."""
        return [cast("MessageT", stored.message) for stored in self._known[kind.key].values()]

    def every_key(self) -> list[Key]:
        """A key for every resource."""
        return [Key(kind, identifier) for kind, known in self._known.items() for identifier in known]

    def key_of(self, storage_key: bytes) -> Key | None:
        """The key of a stored record; None for kinds this world does not hold."""
        kind, _, identifier = storage_key[len(_RECORDS) :].decode().partition("/")
        return Key(kind, identifier) if kind in self._kinds else None

    def forget(self) -> None:
        """Know nothing."""
        for known in self._known.values():
            known.clear()

    def apply(self, change: Change) -> None:
        """Take in one change of a record this world holds."""
        kind, identifier = change.key[len(_RECORDS) :].decode().split("/")
        if change.value is None:
            self._known[kind].pop(identifier, None)
        else:
            self._known[kind][identifier] = records.parse(self._kinds[kind], change.value, change.version)


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


class Reconciler(Generic[ActionT]):
    """Keeps a planner's keys at work.

    Args:
        resources: The kit.
        kinds: Which resources the world holds.
        planner: Decides and acts.
        affected: Which keys a change of a resource concerns: asked before and after the change, so that a port that
            moved concerns both hosts. Without it, only itself.
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
        workers: int = WORKERS,
        resync_s: float = RESYNC_S,
    ) -> None:
        self.world = World(kinds)
        self._resources = resources
        self._planner = planner
        self._affected = affected
        self._workers = workers
        self._resync_s = resync_s
        self._waiting: deque[Key] = deque()
        self._dirty: set[Key] = set()
        self._running: set[Key] = set()
        self._failures: dict[Key, int] = {}
        self._delayed: dict[Key, asyncio.TimerHandle] = {}
        self._wake = asyncio.Event()
        self._loaded = asyncio.Event()

    async def run(self, gate: Gate | None = None) -> None:
        """Work for ever; `gate` opens once the world has been read."""
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._follow(gate), name="reconciler: follow")
                tasks.create_task(self._resync(), name="reconciler: resync")
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

    async def _follow(self, gate: Gate | None) -> None:
        """Keep the world current and touch what changes concern."""
        changes = follow(self._resources.store, _RECORDS, prefix_end(_RECORDS), self._resources.clock)
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

    def _load(self, news: Loaded) -> None:
        """Begin anew with all there is; what was known and is gone is touched too."""
        before = self.world.every_key()
        concerned = {key for known in before for key in self._affected(self.world, known)}
        self.world.forget()
        for entry in news.entries:
            if self.world.key_of(entry.key):
                self.world.apply(Change(entry.key, entry.value, entry.version))
        self.world.version = news.version
        for known in self.world.every_key():
            concerned.update(self._affected(self.world, known))
        for key in sorted(concerned):
            self.touch(key)

    def _take(self, change: Change) -> None:
        """Take in one change."""
        key = self.world.key_of(change.key)
        if key is None:
            return
        concerned = set(self._affected(self.world, key))
        self.world.apply(change)
        concerned.update(self._affected(self.world, key))
        for one in sorted(concerned):
            self.touch(one)

    async def _resync(self) -> None:
        """Look at everything now and then."""
        while True:
            await self._resources.clock.sleep(self._resync_s)
            for known in self.world.every_key():
                for key in self._affected(self.world, known):
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
        try:
            for action in self._planner.plan(self.world, key):
                await self._planner.act(action)
        except Fault as error:
            failures = self._failures[key] = self._failures.get(key, 0) + 1
            pause_s = min(BACKOFF_FIRST_S * 2 ** min(failures - 1, 20), BACKOFF_MAX_S)
            logging.getLogger(__name__).warning(
                "%s %s: %s", key.kind, key.id, error, extra={"failures": failures, "again_in_s": pause_s}
            )
            self._delayed[key] = asyncio.get_running_loop().call_later(pause_s, self.touch, key)
        else:
            self._failures.pop(key, None)


assert layout.record_prefix("x").startswith(_RECORDS)
