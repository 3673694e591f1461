"""`ultracloud.flaredb.v1.Cluster`: what an operator asks of the cluster, answered from this node's copy of the map."""

from __future__ import annotations

from collections import Counter

from flaredb.core.access import Access
from flaredb.core.cluster_view import StoreEntry, troubled
from flaredb.core.placement import Policy, RegionSeen, StoreState
from flaredb.core.placement_plan import plan
from flaredb.core.region import RegionId, StoreId
from flaredb.shell.cluster_map import HEARD_MS_MAX, ClusterMap
from flaredb.shell.placer import observe
from ultracloud.api.flaredb.v1 import cluster_pb2 as pb
from ultracloud.api.rpc import Call
from ultracloud.base.faults import InvalidArgumentError

LIMIT_MAX = 1000
"""Regions of a page: some 200 KiB."""
POLICY = Policy()
STATES = {
    StoreState.UP: pb.STORE_STATE_UP,
    StoreState.DOWN: pb.STORE_STATE_DOWN,
    StoreState.LOST: pb.STORE_STATE_LOST,
}


class ClusterService:
    """Serves Cluster; see `cluster.proto`.

    Args:
        cluster_map: The map.
        access: Who is an operator.
        policy: What placement goes by, so that it can be said what it cannot help.
    """

    def __init__(
        self,
        cluster_map: ClusterMap,
        access: Access,
        policy: Policy = POLICY,
    ) -> None:
        self._map = cluster_map
        self._access = access
        self._policy = policy

    def regions(self, request: pb.RegionsRequest, call: Call, /) -> pb.RegionsResponse:
        """Regions by their first key."""
        known = self._allowed(call)
        if not 0 <= request.limit <= LIMIT_MAX:
            raise InvalidArgumentError(f"'limit' is {request.limit}; accepted: 1 to {LIMIT_MAX}, or 0 for {LIMIT_MAX}")
        found, limit = known.overlapping(request.start, b""), request.limit or LIMIT_MAX
        reads = self._reads(known)
        return pb.RegionsResponse(
            regions=[_region(each, reads[each.region.region]) for each in found[:limit]],
            next_start=found[limit].region.start if len(found) > limit else b"",
            troubles=self._troubles(known),
        )

    def stores(self, _request: pb.StoresRequest, call: Call, /) -> pb.StoresResponse:
        """All stores by their ids."""
        known = self._allowed(call)
        holds = Counter(peer.store for each in known.regions for peer in each.region.peers)
        leads = Counter(each.leader for each in known.regions)
        stores = [
            self._store(known, entry, replicas=holds[store], leads=leads[store])
            for store, entry in sorted(known.stores.items())
        ]
        return pb.StoresResponse(stores=stores, troubles=self._troubles(known))

    async def set_leaving(self, request: pb.SetLeavingRequest, call: Call, /) -> pb.SetLeavingResponse:
        """Have a store emptied, or let it stay."""
        await self._allowed(call).set_leaving(StoreId(request.store), is_leaving=request.is_leaving)
        return pb.SetLeavingResponse()

    async def forget_store(self, request: pb.ForgetStoreRequest, call: Call, /) -> pb.ForgetStoreResponse:
        """Strike a store off the map."""
        await self._allowed(call).forget_store(StoreId(request.store), self._policy.down_ms)
        return pb.ForgetStoreResponse()

    def _allowed(self, call: Call) -> ClusterMap:
        """The map, for who may ask."""
        self._access.check_operator(call.peer.identity, "see or change the cluster")
        return self._map

    def _reads(self, known: ClusterMap) -> Counter[RegionId]:
        """By region, what stores that are up answer of it a second beside its leader."""
        reads: Counter[RegionId] = Counter()
        for entry in known.stores.values():
            if self._policy.state(known.now_ms - entry.seen.seen_ms) is StoreState.UP:
                reads.update(entry.reads)
        return reads

    def _troubles(self, known: ClusterMap) -> list[str]:
        """What placement cannot help, and what is wrong with the map itself."""
        said = list(troubled(known.regions))
        if known.unheard_ms > HEARD_MS_MAX:
            said.insert(0, f"nothing was heard of chainfire for {known.unheard_ms // 1000} s: what follows may be old")
        return said + plan(observe(known), self._policy).troubles

    def _store(self, known: ClusterMap, entry: StoreEntry, *, replicas: int, leads: int) -> pb.StoreView:
        seen = entry.seen
        silent_ms = max(0, known.now_ms - seen.seen_ms)
        return pb.StoreView(
            id=seen.store,
            address=entry.address,
            state=STATES[self._policy.state(silent_ms)],
            is_leaving=seen.is_leaving,
            silent_ms=silent_ms,
            capacity_bytes=seen.capacity_bytes,
            used_bytes=seen.used_bytes,
            labels=dict(seen.labels),
            replicas=replicas,
            leads=leads,
        )


def _region(seen: RegionSeen, reads: int) -> pb.RegionView:
    region = seen.region
    return pb.RegionView(
        id=region.region,
        start=region.start,
        end=region.end,
        version=region.epoch.version,
        conf_version=region.epoch.conf_version,
        replicas=[
            pb.ReplicaView(
                peer=each.peer,
                store=each.store,
                is_learner=each.peer in region.config.learners,
                is_behind=each.peer in seen.behind,
            )
            for each in region.peers
        ],
        leader=seen.leader or 0,
        size_bytes=seen.size_bytes,
        load=seen.load + reads,
    )
