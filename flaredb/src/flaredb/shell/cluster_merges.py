"""Merges of neighbouring regions: driven by who leads the left one, and gone on with by who leads it next."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from flaredb.core.placement import MergeRegions
from flaredb.core.region import Epoch, RegionId, StoreId
from flaredb.core.region_answers import parse_merge_answer
from flaredb.core.region_codec import render
from flaredb.core.region_errors import NotLeaderError, OutcomeUnknownError, RegionMovedError
from flaredb.core.region_merge import Merger, MergeSend
from flaredb.core.region_work import Answer
from flaredb.shell.cluster_lines import Lines
from flaredb.shell.cluster_node import ClusterNode, Route
from flaredb.shell.cluster_peers import raise_astray
from ultracloud.api.flaredb.v1 import peers_pb2 as pb
from ultracloud.base.faults import AbortedError, DeadlineExceededError, Fault, UnavailableError

LOOK_S = 1.0
"""How often it is looked for merges that nobody drives: their regions take no changes meanwhile."""
CALL_S = 5.0
"""A seal is answered when all stores have it on their disks."""

Start = Callable[[Coroutine[Any, Any, None], str], object]


class Merges:
    """Drives the merges of regions that this store leads.

    Args:
        node: This store.
        lines: To other stores.
        leader_of: Which store leads a region, as the map has it.
        start: Runs something beside the caller.
    """

    def __init__(
        self, node: ClusterNode, lines: Lines, leader_of: Callable[[RegionId], StoreId | None], start: Start
    ) -> None:
        self._node = node
        self._lines = lines
        self._leader_of = leader_of
        self._start = start
        self._driven: set[RegionId] = set()

    async def merge(self, step: MergeRegions) -> None:
        """Make two regions one, of which this store leads the left one.

        Raises:
            RegionMovedError: They are not as they were when the step was planned.
            NotLeaderError: Another store leads the left one.
            Fault: It could not be, and all is as before.
        """
        replica = self._node.replica(step.left)
        if not replica.is_leader:
            raise NotLeaderError(step.left, replica.leader_store)
        if replica.region.epoch != step.left_epoch or step.left in self._driven:
            raise RegionMovedError(step.left, (replica.region,))
        merger = Merger(step.left, step.right, step.right_epoch)
        await self._drive(step.left, merger, merger.begin(replica.region))
        if isinstance(merger.outcome, Fault):
            raise merger.outcome

    async def look_after(self) -> None:
        """Go on with what others have begun, until cancelled."""
        while True:
            for replica in [*self._node.node.replicas.values()]:
                if replica.is_leader and replica.merging.right and replica.id not in self._driven:
                    merger = Merger.resume(replica.id, replica.merging)
                    send = merger.begin(replica.region, replica.merging)
                    self._start(self._drive(replica.id, merger, send), f"merge of region {replica.id}")
            await asyncio.sleep(LOOK_S)

    async def _drive(self, left: RegionId, merger: Merger, send: MergeSend | None) -> None:
        """Send one step after the other; one driver of a region at a time."""
        if left in self._driven:
            return
        self._driven.add(left)
        try:
            while send is not None:
                await asyncio.sleep(send.delay_ms / 1000)
                send = merger.answered(send, await self._answer(send))
        finally:
            self._driven.discard(left)

    async def _answer(self, send: MergeSend) -> Answer:
        """What the leader of a region says to a step."""
        try:
            async with asyncio.timeout(CALL_S):
                return await self._ask(send)
        except (AbortedError, UnavailableError) as fault:
            return fault
        except (DeadlineExceededError, TimeoutError):
            return OutcomeUnknownError(send.region)
        except Fault as fault:
            return fault

    async def _ask(self, send: MergeSend) -> Answer:
        replica = self._node.node.replicas.get(send.region)
        store = replica.leader_store if replica is not None else None
        store = self._leader_of(send.region) if store is None else store
        if store is None or store == self._node.store:
            return await self._node.merge(send.region, send.step)
        request = pb.MergeRequest(region=send.region, step=render(send.step))
        answer = await self._lines.client(store).merge(request, CALL_S)
        if answer.HasField("astray"):
            raise_astray(Route(send.region, Epoch(0, 0)), answer.astray)
        return parse_merge_answer(answer.answer)
