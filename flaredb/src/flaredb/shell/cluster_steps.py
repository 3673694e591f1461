"""Steps of placement, carried out: by the leader of the region, wherever that is."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import assert_never

from flaredb.core.mail import render_step
from flaredb.core.placement import ChangeReplicas, MergeRegions, SplitRegion, Step, TransferLead, next_change
from flaredb.core.region import Epoch, RegionId, StoreId
from flaredb.core.region_entry import Split
from flaredb.core.region_errors import NotLeaderError, RegionMovedError
from flaredb.core.region_replica import RegionReplica
from flaredb.shell.cluster_lines import Lines
from flaredb.shell.cluster_merges import Merges
from flaredb.shell.cluster_node import ClusterNode, Route, Token
from flaredb.shell.cluster_peers import raise_astray
from flaredb.shell.placer import CHANGE_S, region_of
from ultracloud.api.flaredb.v1 import peers_pb2 as pb
from ultracloud.base.faults import UnavailableError
from ultracloud.raft import events
from ultracloud.raft.words import NodeId

LOOK_S = 0.05
"""How often it is looked whether a replica has caught up, or another store leads."""
LAG_MAX = 100
"""Entries that a new replica may be behind when it becomes a voter: it has them before anybody waits for it."""
SILENT_TICKS_MAX = 200
"""A new replica that was not heard of for so long, twenty seconds, is not waited for: its store may be gone."""
ASKED_MAX = 3
"""Stores that are asked one after the other for a step: each may say that another one leads."""


class Steps:
    """Carries out steps.

    Args:
        leader_of: Which store leads a region, as the map has it.
        merges: Drives merges.
    """

    def __init__(
        self, node: ClusterNode, lines: Lines, leader_of: Callable[[RegionId], StoreId | None], merges: Merges
    ) -> None:
        self._node = node
        self._merges = merges
        self._lines = lines
        self._leader_of = leader_of

    async def carry_out(self, step: Step) -> None:
        """Do a step, here or at the store that leads the region.

        Raises:
            RegionMovedError: The region has changed since the step was planned.
            Fault: It is refused.
        """
        store = self._leader_of(region_of(step))
        for _ in range(ASKED_MAX):
            if store is None:
                break
            try:
                return await (self.do(step) if store == self._node.store else self._do_there(store, step))
            except NotLeaderError as other:
                store = other.leader
        raise UnavailableError(f"nobody is known to lead region {region_of(step)}", reason="NOT_LEADER")

    async def do(self, step: Step) -> None:
        """Do a step on a region that this store leads. Raises as `carry_out`, and NotLeaderError."""
        match step:
            case SplitRegion():
                await self._node.split(step.region, Split(step.epoch, step.at, step.right, step.peers))
            case ChangeReplicas():
                await self._change(step)
            case TransferLead():
                await self._transfer(step)
            case MergeRegions():
                await self._merges.merge(step)
            case _:
                assert_never(step)

    async def _do_there(self, store: StoreId, step: Step) -> None:
        answer = await self._lines.client(store).carry(pb.CarryRequest(step=render_step(step)), CHANGE_S)
        if answer.HasField("astray"):
            raise_astray(Route(region_of(step), _epoch(step)), answer.astray)

    async def _change(self, step: ChangeReplicas) -> None:
        """Bring in a replica, let it catch up, and let it take the place of another."""
        region = self._led(step).region
        while (change := next_change(step, region)) is not None:
            if change.awaited is not None:
                await self._wait_caught_up(step, change.awaited)
            region = await self._node.change(step.region, region.epoch, change.changes, change.joining)

    async def _wait_caught_up(self, step: ChangeReplicas, peer: NodeId) -> None:
        while True:
            raft = self._leading(step.region).raft
            progress = raft.progress().get(peer)
            if progress is None or progress.heard_ticks > SILENT_TICKS_MAX:
                raise UnavailableError(f"the new replica of region {step.region} is not heard of", reason="STEP_SILENT")
            if progress.is_active and progress.match + LAG_MAX >= raft.last_index:
                return
            await asyncio.sleep(LOOK_S)

    async def _transfer(self, step: TransferLead) -> None:
        replica = self._led(step)
        replica.tell(events.TransferLeader(step.to.peer))
        self._node.soon()
        while True:
            await asyncio.sleep(LOOK_S)
            if not replica.is_leader:
                return

    def _led(self, step: ChangeReplicas | TransferLead) -> RegionReplica[Token]:
        """The replica here of a region that is as it was when the step was planned."""
        replica = self._leading(step.region)
        if replica.region.epoch != step.epoch:
            raise RegionMovedError(step.region, (replica.region,))
        return replica

    def _leading(self, region: RegionId) -> RegionReplica[Token]:
        replica = self._node.replica(region)
        if not replica.is_leader:
            raise NotLeaderError(region, replica.leader_store)
        return replica


def _epoch(step: Step) -> Epoch:
    return step.left_epoch if isinstance(step, MergeRegions) else step.epoch
