"""Chores: what iam writes of its own accord. One loop, woken by every change of the store and by the clock."""

from __future__ import annotations

import asyncio
import logging
from typing import assert_never

from iam.core.sweep import orphans
from iam.shell.keys import Keys
from iam.shell.kinds import BINDING, GROUP, ROLE, SELF
from iam.shell.source import ADMINS_KEY, Source
from ultracloud.base.faults import Fault, NotFoundError
from ultracloud.base.policy import Binding, Group, Role
from ultracloud.base.principals import spiffe_principal
from ultracloud.servicekit.clock import Clock
from ultracloud.servicekit.readiness import Gate
from ultracloud.servicekit.resources import ROOT, Context, Resources
from ultracloud.servicekit.store import Store

PAUSE_S = 0.5
"""After a store that did not answer."""
SLEEP_MAX_S = 3600.0
"""At most this long without looking at the keys: a clock that was set is noticed within the hour."""


class Chores:
    """Keeps the ring, the announced operators and the policy tidy."""

    def __init__(
        self, store: Store, source: Source, keys: Keys, resources: Resources, clock: Clock, admins: tuple[str, ...]
    ) -> None:
        self._store = store
        self._source = source
        self._keys = keys
        self._resources = resources
        self._clock = clock
        self._admins = "\n".join(admins).encode()

    async def run(self, gate: Gate) -> None:
        """Do the chores for ever; `gate` opens once a key can sign.

        Raises:
            RootKeyError: The keys cannot be opened: iam must not go on without.
        """
        while True:
            moved = asyncio.create_task(self._source.wait_moved(), name="iam: wait for the store")
            try:
                pause_s = await self._round(gate) if self._source.is_loaded else SLEEP_MAX_S
                await asyncio.wait([moved], timeout=pause_s)
            finally:
                moved.cancel()

    async def _round(self, gate: Gate) -> float:
        """All chores once; gives the seconds until the next are due."""
        try:
            wake_ms = await self._keys.tend()
            if self._source.ring.version:
                gate.open()
            await self._announce_admins()
            await self._sweep()
        except Fault as error:
            logging.getLogger(__name__).info("chores wait for the store: %s", error)
            return PAUSE_S
        return min(SLEEP_MAX_S, max(0.0, (wake_ms - self._clock.now_ms()) / 1000))

    async def _announce_admins(self) -> None:
        """Repeat the configured operators in the store, so that a change of them gets a version of its own."""
        stored = self._source.announced_admins
        if stored.value != self._admins:
            await self._store.txn({ADMINS_KEY: stored.version}, {ADMINS_KEY: self._admins})

    async def _sweep(self) -> None:
        """Remove bindings, roles and groups that mean nothing any more; a look at all follows deletions only."""
        if not self._source.may_have_orphans:
            return
        context = Context(self._resources, spiffe_principal(SELF), ROOT, self._clock)
        found = orphans(self._source.snapshot.policy)
        self._source.may_have_orphans = bool(found)
        for orphan in found:
            try:
                match orphan:
                    case Binding():
                        await self._resources.delete(context, BINDING, orphan.id)
                    case Role():
                        await self._resources.delete(context, ROLE, orphan.id)
                    case Group():
                        await self._resources.delete(context, GROUP, orphan.id)
                    case _:
                        assert_never(orphan)
            except NotFoundError:
                continue  # somebody was faster
            logging.getLogger(__name__).info("removed %s, which named only what is gone", orphan.id)
