"""Deletes keys whose end has come, as `flaredb.shell.expirer` does, where PostgreSQL is the engine.

An index over the ends stands in for the rows that the embedded engine keeps, so there is nothing stale to remove.
"""

from __future__ import annotations

import logging

from flaredb.core.expiry import deletions
from flaredb.shell.expirer import LOOK_S, PAUSE_S, SLICE_KEYS
from flaredb.shell.postgres_committer import PostgresCommitter
from flaredb.shell.postgres_store import PostgresStore
from ultracloud.base.faults import Fault
from ultracloud.servicekit.clock import Clock

_log = logging.getLogger("flaredb.expirer")


class PostgresExpirer:
    """Sees to it that what has expired is deleted.

    Attributes:
        behind_ms: For how long the key that was overdue longest had been so at the last look.
    """

    def __init__(self, store: PostgresStore, committer: PostgresCommitter, clock: Clock) -> None:
        self._store = store
        self._committer = committer
        self._clock = clock
        self._from_ms = 0
        self.behind_ms = 0

    async def run(self) -> None:
        """Delete for ever. What is refused is tried again at the next look; callers are told of it as well."""
        while True:
            try:
                if self._committer.is_connected:  # or the log would be full of what it knows already
                    await self.delete_due()
            except Fault as fault:
                _log.warning("expired keys are not deleted: %s", fault)
            await self._clock.sleep(LOOK_S)

    async def delete_due(self) -> None:
        """One look, and as many slices as are due. Raises the fault that refused one."""
        while True:
            now_ms = self._store.tick(self._clock.now_ms())
            settled_ms = min(now_ms, self._store.staged_ms)
            due = await self._store.overdue(self._from_ms, now_ms, SLICE_KEYS)
            self.behind_ms = now_ms - due[0][1] if due else 0
            for txn in deletions([encoded for encoded, _ in due]):
                await self._committer.submit(txn, lambda outcome: outcome)
            if len(due) < SLICE_KEYS:
                # Ends are only ever added after the clock of their batch, so nobody looks again where all is done; but
                # a batch may have been under way since before this look.
                self._from_ms = settled_ms + 1
                return
            await self._clock.sleep(PAUSE_S)
