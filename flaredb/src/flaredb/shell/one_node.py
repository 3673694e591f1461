"""`ultracloud.flaredb.v1.Cluster` of a flaredb that is none: it says so."""

from __future__ import annotations

from flaredb.core.access import Access
from ultracloud.api.flaredb.v1 import cluster_pb2 as pb
from ultracloud.api.rpc import Call
from ultracloud.base.faults import FailedPreconditionError


class OneNode:
    """Serves Cluster where there is one node; see `cluster_rpc.ClusterService` for the other case."""

    def __init__(self, access: Access) -> None:
        self._access = access

    def regions(self, _request: pb.RegionsRequest, call: Call, /) -> pb.RegionsResponse:
        """There are none."""
        raise self._refusal(call)

    def stores(self, _request: pb.StoresRequest, call: Call, /) -> pb.StoresResponse:
        """There are none."""
        raise self._refusal(call)

    def set_leaving(self, _request: pb.SetLeavingRequest, call: Call, /) -> pb.SetLeavingResponse:
        """There is nowhere to go."""
        raise self._refusal(call)

    def forget_store(self, _request: pb.ForgetStoreRequest, call: Call, /) -> pb.ForgetStoreResponse:
        """There is nobody to forget."""
        raise self._refusal(call)

    def _refusal(self, call: Call) -> FailedPreconditionError:
        self._access.check_operator(call.peer.identity, "see or change the cluster")
        return FailedPreconditionError(
            "this flaredb runs on one node and has neither regions nor other stores",
            hint="A section [cluster] in its configuration makes it a store of several.",
            reason="NOT_CLUSTERED",
        )
