"""Deletes keys whose end has come, through the committer as any caller would, a little at a time."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod

from flaredb.core.engine import EngineStalledError, EngineWriteError
from flaredb.core.expiry import Overdue
from flaredb.shell.committer import Committer
from flaredb.shell.store import Store
from ultracloud.base.faults import Fault
from ultracloud.servicekit.clock import Clock

LOOK_S = 0.5
"""Seconds between looks: how late a watcher hears of an end where there is little to do."""
SLICE_KEYS = 100
"""Keys that one look takes: about 3 ms during which nobody else is served, and a batch that no write waits long for."""
PAUSE_S = 0.02
"""Seconds between two slices: 5,000 keys a second, a fraction of what callers may write, when a million end at once."""

_log = logging.getLogger("flaredb.expirer")


class Expiring(ABC):
    """Looks now and then for what has come to its end, on any engine.

    Attributes:
        behind_ms: For how long the key that was overdue longest had been so at the last look.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._from_ms = 0
        self.behind_ms = 0

    @property
    def is_away(self) -> bool:
        """Whether nothing could be deleted, which somebody else has said already."""
        return False

    async def run(self) -> None:
        """Delete for ever. What is refused is tried again at the next look; callers are told of it as well."""
        while True:
            try:
                if not self.is_away:
                    await self.delete_due()
            except EngineStalledError:
                pass  # RocksDB is behind with what callers write; there is time
            except (Fault, EngineWriteError) as error:
                _log.warning("expired keys are not deleted: %s", error)
            await self._clock.sleep(LOOK_S)

    @abstractmethod
    async def delete_due(self) -> None:
        """One look, and as many slices as are due. Raises the fault that refused one."""


class Expirer(Expiring):
    """Sees to it that what has expired is deleted."""

    def __init__(self, store: Store, committer: Committer, clock: Clock) -> None:
        super().__init__(clock)
        self._store = store
        self._committer = committer

    async def delete_due(self) -> None:
        """One look, and as many slices as are due.

        Raises:
            Fault: The committer refused a deletion.
            EngineStalledError, EngineWriteError: The disk did not take the removal of stale rows.
        """
        while True:
            now_ms = self._store.tick(self._clock.now_ms())
            found = self._store.overdue(self._from_ms, now_ms, SLICE_KEYS)
            self.behind_ms = now_ms - found.first_ms if found.count else 0
            await self._delete(found)
            # Rows are only ever added after the clock, so nobody looks again where everything is done: RocksDB would
            # step over all that was deleted there.
            self._from_ms = max(self._from_ms, found.through_ms + 1)
            if found.count < SLICE_KEYS:
                return
            await self._clock.sleep(PAUSE_S)

    async def _delete(self, found: Overdue) -> None:
        self._store.drop_stale(found)
        for txn in found.txns:
            await self._committer.submit(txn, lambda outcome: outcome)
