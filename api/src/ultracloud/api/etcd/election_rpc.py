"""Typed clients and servers of etcd/election.proto. Made by `./dev gen`; do not edit."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Awaitable
from typing import Protocol

from ultracloud.api.etcd.election_pb2 import CampaignRequest
from ultracloud.api.etcd.election_pb2 import CampaignResponse
from ultracloud.api.etcd.election_pb2 import LeaderRequest
from ultracloud.api.etcd.election_pb2 import LeaderResponse
from ultracloud.api.etcd.election_pb2 import ProclaimRequest
from ultracloud.api.etcd.election_pb2 import ProclaimResponse
from ultracloud.api.etcd.election_pb2 import ResignRequest
from ultracloud.api.etcd.election_pb2 import ResignResponse
from ultracloud.api.rpc import Call, Channel, Method, ServiceDescriptor

ELECTION = ServiceDescriptor(
    name="v3electionpb.Election",
    file="etcd/election.proto",
    methods=(
        Method("Campaign", "/v3electionpb.Election/Campaign", "campaign", CampaignRequest, CampaignResponse, False, False),
        Method("Proclaim", "/v3electionpb.Election/Proclaim", "proclaim", ProclaimRequest, ProclaimResponse, False, False),
        Method("Leader", "/v3electionpb.Election/Leader", "leader", LeaderRequest, LeaderResponse, False, False),
        Method("Observe", "/v3electionpb.Election/Observe", "observe", LeaderRequest, LeaderResponse, False, True),
        Method("Resign", "/v3electionpb.Election/Resign", "resign", ResignRequest, ResignResponse, False, False),
    ),
)


class ElectionClient:
    """Calls v3electionpb.Election."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel

    async def campaign(self, request: CampaignRequest, timeout_s: float | None = None) -> CampaignResponse:
        """Call /v3electionpb.Election/Campaign."""
        return await self._channel.unary("/v3electionpb.Election/Campaign", request, CampaignResponse, timeout_s)

    async def proclaim(self, request: ProclaimRequest, timeout_s: float | None = None) -> ProclaimResponse:
        """Call /v3electionpb.Election/Proclaim."""
        return await self._channel.unary("/v3electionpb.Election/Proclaim", request, ProclaimResponse, timeout_s)

    async def leader(self, request: LeaderRequest, timeout_s: float | None = None) -> LeaderResponse:
        """Call /v3electionpb.Election/Leader."""
        return await self._channel.unary("/v3electionpb.Election/Leader", request, LeaderResponse, timeout_s)

    def observe(self, request: LeaderRequest, timeout_s: float | None = None) -> AsyncIterator[LeaderResponse]:
        """Call /v3electionpb.Election/Observe; closing the iterator cancels it."""
        return self._channel.stream("/v3electionpb.Election/Observe", request, LeaderResponse, timeout_s)

    async def resign(self, request: ResignRequest, timeout_s: float | None = None) -> ResignResponse:
        """Call /v3electionpb.Election/Resign."""
        return await self._channel.unary("/v3electionpb.Election/Resign", request, ResignResponse, timeout_s)


class ElectionServer(Protocol):
    """Serves v3electionpb.Election."""

    def campaign(self, request: CampaignRequest, call: Call, /) -> CampaignResponse | Awaitable[CampaignResponse]: ...

    def proclaim(self, request: ProclaimRequest, call: Call, /) -> ProclaimResponse | Awaitable[ProclaimResponse]: ...

    def leader(self, request: LeaderRequest, call: Call, /) -> LeaderResponse | Awaitable[LeaderResponse]: ...

    def observe(self, request: LeaderRequest, call: Call, /) -> AsyncIterator[LeaderResponse]: ...

    def resign(self, request: ResignRequest, call: Call, /) -> ResignResponse | Awaitable[ResignResponse]: ...

