"""Forgets old history, a little at a time, so that nobody waits for it."""

from __future__ import annotations

import logging

from flaredb.core.engine import EngineStalledError, EngineWriteError
from flaredb.shell.store import Store
from ultracloud.base.faults import DataLossError
from ultracloud.servicekit.clock import Clock

LOOK_S = 5.0
"""Seconds between looks at how old history has become: a fraction of the shortest that can be set."""
PAUSE_S = 0.002
"""Seconds between two slices, about as long as a slice takes: sweeping gets half of one core at most, and still deletes
more keys a second than group commit is likely to change."""

_log = logging.getLogger("flaredb.sweeper")


class Sweeper:
    """Raises the floor when history is out of bounds, and deletes what is left below."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def run(self) -> None:
        """Sweep for ever. A disk that fails is tried again at the next look; the committer tells callers of it."""
        while True:
            try:
                await self._sweep()
            except EngineStalledError:
                pass  # RocksDB is behind with what callers write; there is time
            except (EngineWriteError, DataLossError) as error:
                _log.warning("old history is not swept: %s", error)
            await self._clock.sleep(LOOK_S)

    async def _sweep(self) -> None:
        """One look, and all slices that it makes necessary."""
        if self._store.raise_floor(self._clock.now_ms()):
            _log.debug("history is kept after version %d", self._store.floor)
        while self._store.sweep_slice():
            await self._clock.sleep(PAUSE_S)
