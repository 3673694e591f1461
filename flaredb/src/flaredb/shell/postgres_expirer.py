"""Deletes keys whose end has come, as `flaredb.shell.expirer` does, where PostgreSQL is the engine.

An index over the ends stands in for the rows that the embedded engine keeps, so there is nothing stale to remove.
"""

from __future__ import annotations

from flaredb.core.expiry import deletions
from flaredb.shell.expirer import PAUSE_S, SLICE_KEYS, Expiring
from flaredb.shell.postgres_committer import PostgresCommitter
from flaredb.shell.postgres_store import PostgresStore
from ultracloud.servicekit.clock import Clock


class PostgresExpirer(Expiring):
    """Sees to it that what has expired is deleted."""

    def __init__(self, store: PostgresStore, committer: PostgresCommitter, clock: Clock) -> None:
        super().__init__(clock)
        self._store = store
        self._committer = committer

    @property
    def is_away(self) -> bool:
        """Without a session; the log would be full of what it knows already."""
        return not self._committer.is_connected

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
