"""What is old in the regions that this store leads: history is swept, and keys that have ended are deleted."""

from __future__ import annotations

import asyncio
import logging

from flaredb.core.region import Region, RegionId
from flaredb.core.region_expiry import Ends, ExpiryLooker
from flaredb.core.region_history import HistoryKeeper
from flaredb.core.retention import History
from flaredb.shell.cluster_node import ClusterNode, Route
from ultracloud.base.faults import Fault
from ultracloud.servicekit.clock import Clock

SWEEP_LOOK_S, EXPIRY_LOOK_S = 2.0, 0.5
"""Between two looks that found nothing to do."""
BREATH_S = 0.005
"""Between two slices: others are served meanwhile."""

_log = logging.getLogger("flaredb.cluster")


class Aging:
    """Looks for what is old.

    Attributes:
        behind_ms: How late expired keys are deleted.
    """

    def __init__(self, node: ClusterNode, history: History, clock: Clock) -> None:
        self._node = node
        self._keeper = HistoryKeeper(history)
        self._looker = ExpiryLooker()
        self._clock = clock
        self._said = ""
        self.behind_ms = 0

    async def sweep(self) -> None:
        """Give up history that is out of bounds, until cancelled."""
        while True:
            for region in [*self._node.node.replicas]:
                try:
                    await self._sweep(region)
                except Fault as fault:
                    self._say(f"old history is not swept: {fault}")
            await self._clock.sleep(SWEEP_LOOK_S)

    async def expire(self) -> None:
        """Delete what has ended, until cancelled."""
        while True:
            ends = Ends((), (), is_done=True, behind_ms=0)
            try:
                ends = self._looker.look(self._node.engine, self._covering, self._clock.now_ms())
                await self._delete(ends)
            except Fault as fault:
                self._say(f"keys that have ended are not deleted: {fault}")
            self.behind_ms = ends.behind_ms
            await self._clock.sleep(EXPIRY_LOOK_S if ends.is_done else BREATH_S)

    async def _sweep(self, region: RegionId) -> None:
        """Sweep one region as far as it is due."""
        while (replica := self._node.node.replicas.get(region)) is not None:
            if not replica.region.is_known:
                return
            due = self._keeper.due(self._node.engine, replica.region, replica.applied, self._clock.now_ms())
            if due is None or not replica.is_leader:
                return
            await self._node.keep(replica.id, due)
            await asyncio.sleep(BREATH_S)
        self._keeper.drop(region)

    async def _delete(self, ends: Ends) -> None:
        if ends.stale:
            self._node.engine.write(ends.stale)
        for region, txn in ends.due:
            await self._node.execute(Route(region.region, region.epoch), (txn,))

    def _covering(self, encoded: bytes) -> tuple[Region, bool] | None:
        """The region here that an encoded key belongs to, and whether this store leads it."""
        region = self._node.node.covering(encoded)
        return None if region is None else (region, self._node.node.replicas[region.region].is_leader)

    def _say(self, sentence: str) -> None:
        if sentence != self._said:
            self._said = sentence
            _log.warning("%s", sentence)
