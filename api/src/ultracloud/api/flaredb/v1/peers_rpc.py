"""Typed clients and servers of ultracloud/flaredb/v1/peers.proto. Made by `./dev gen`; do not edit."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Awaitable
from typing import Protocol

from ultracloud.api.flaredb.v1.peers_pb2 import CarryRequest
from ultracloud.api.flaredb.v1.peers_pb2 import CarryResponse
from ultracloud.api.flaredb.v1.peers_pb2 import ExecuteRequest
from ultracloud.api.flaredb.v1.peers_pb2 import ExecuteResponse
from ultracloud.api.flaredb.v1.peers_pb2 import FollowRequest
from ultracloud.api.flaredb.v1.peers_pb2 import FollowResponse
from ultracloud.api.flaredb.v1.peers_pb2 import Mail
from ultracloud.api.flaredb.v1.peers_pb2 import MailTaken
from ultracloud.api.flaredb.v1.peers_pb2 import MergeRequest
from ultracloud.api.flaredb.v1.peers_pb2 import MergeResponse
from ultracloud.api.flaredb.v1.peers_pb2 import ReadKeysRequest
from ultracloud.api.flaredb.v1.peers_pb2 import ReadNamesRequest
from ultracloud.api.flaredb.v1.peers_pb2 import ReadNamesResponse
from ultracloud.api.flaredb.v1.peers_pb2 import ReadRangeRequest
from ultracloud.api.flaredb.v1.peers_pb2 import ReadResponse
from ultracloud.api.flaredb.v1.peers_pb2 import StatePart
from ultracloud.api.flaredb.v1.peers_pb2 import StateTaken
from ultracloud.api.flaredb.v1.peers_pb2 import StepRequest
from ultracloud.api.flaredb.v1.peers_pb2 import StepResponse
from ultracloud.api.rpc import Call, Channel, Method, ServiceDescriptor

PEERS = ServiceDescriptor(
    name="ultracloud.flaredb.v1.Peers",
    file="ultracloud/flaredb/v1/peers.proto",
    methods=(
        Method("Deliver", "/ultracloud.flaredb.v1.Peers/Deliver", "deliver", Mail, MailTaken, True, True),
        Method("Install", "/ultracloud.flaredb.v1.Peers/Install", "install", StatePart, StateTaken, True, True),
        Method("Execute", "/ultracloud.flaredb.v1.Peers/Execute", "execute", ExecuteRequest, ExecuteResponse, False, False),
        Method("Step", "/ultracloud.flaredb.v1.Peers/Step", "step", StepRequest, StepResponse, False, False),
        Method("ReadKeys", "/ultracloud.flaredb.v1.Peers/ReadKeys", "read_keys", ReadKeysRequest, ReadResponse, False, False),
        Method("ReadRange", "/ultracloud.flaredb.v1.Peers/ReadRange", "read_range", ReadRangeRequest, ReadResponse, False, False),
        Method("ReadNames", "/ultracloud.flaredb.v1.Peers/ReadNames", "read_names", ReadNamesRequest, ReadNamesResponse, False, False),
        Method("Follow", "/ultracloud.flaredb.v1.Peers/Follow", "follow", FollowRequest, FollowResponse, False, True),
        Method("Carry", "/ultracloud.flaredb.v1.Peers/Carry", "carry", CarryRequest, CarryResponse, False, False),
        Method("Merge", "/ultracloud.flaredb.v1.Peers/Merge", "merge", MergeRequest, MergeResponse, False, False),
    ),
)


class PeersClient:
    """Calls ultracloud.flaredb.v1.Peers."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel

    def deliver(self, request: AsyncIterable[Mail], timeout_s: float | None = None) -> AsyncIterator[MailTaken]:
        """Call /ultracloud.flaredb.v1.Peers/Deliver; closing the iterator cancels it."""
        return self._channel.stream("/ultracloud.flaredb.v1.Peers/Deliver", request, MailTaken, timeout_s)

    def install(self, request: AsyncIterable[StatePart], timeout_s: float | None = None) -> AsyncIterator[StateTaken]:
        """Call /ultracloud.flaredb.v1.Peers/Install; closing the iterator cancels it."""
        return self._channel.stream("/ultracloud.flaredb.v1.Peers/Install", request, StateTaken, timeout_s)

    async def execute(self, request: ExecuteRequest, timeout_s: float | None = None) -> ExecuteResponse:
        """Call /ultracloud.flaredb.v1.Peers/Execute."""
        return await self._channel.unary("/ultracloud.flaredb.v1.Peers/Execute", request, ExecuteResponse, timeout_s)

    async def step(self, request: StepRequest, timeout_s: float | None = None) -> StepResponse:
        """Call /ultracloud.flaredb.v1.Peers/Step."""
        return await self._channel.unary("/ultracloud.flaredb.v1.Peers/Step", request, StepResponse, timeout_s)

    async def read_keys(self, request: ReadKeysRequest, timeout_s: float | None = None) -> ReadResponse:
        """Call /ultracloud.flaredb.v1.Peers/ReadKeys."""
        return await self._channel.unary("/ultracloud.flaredb.v1.Peers/ReadKeys", request, ReadResponse, timeout_s)

    async def read_range(self, request: ReadRangeRequest, timeout_s: float | None = None) -> ReadResponse:
        """Call /ultracloud.flaredb.v1.Peers/ReadRange."""
        return await self._channel.unary("/ultracloud.flaredb.v1.Peers/ReadRange", request, ReadResponse, timeout_s)

    async def read_names(self, request: ReadNamesRequest, timeout_s: float | None = None) -> ReadNamesResponse:
        """Call /ultracloud.flaredb.v1.Peers/ReadNames."""
        return await self._channel.unary("/ultracloud.flaredb.v1.Peers/ReadNames", request, ReadNamesResponse, timeout_s)

    def follow(self, request: FollowRequest, timeout_s: float | None = None) -> AsyncIterator[FollowResponse]:
        """Call /ultracloud.flaredb.v1.Peers/Follow; closing the iterator cancels it."""
        return self._channel.stream("/ultracloud.flaredb.v1.Peers/Follow", request, FollowResponse, timeout_s)

    async def carry(self, request: CarryRequest, timeout_s: float | None = None) -> CarryResponse:
        """Call /ultracloud.flaredb.v1.Peers/Carry."""
        return await self._channel.unary("/ultracloud.flaredb.v1.Peers/Carry", request, CarryResponse, timeout_s)

    async def merge(self, request: MergeRequest, timeout_s: float | None = None) -> MergeResponse:
        """Call /ultracloud.flaredb.v1.Peers/Merge."""
        return await self._channel.unary("/ultracloud.flaredb.v1.Peers/Merge", request, MergeResponse, timeout_s)


class PeersServer(Protocol):
    """Serves ultracloud.flaredb.v1.Peers."""

    def deliver(self, requests: AsyncIterator[Mail], call: Call, /) -> AsyncIterator[MailTaken]: ...

    def install(self, requests: AsyncIterator[StatePart], call: Call, /) -> AsyncIterator[StateTaken]: ...

    def execute(self, request: ExecuteRequest, call: Call, /) -> ExecuteResponse | Awaitable[ExecuteResponse]: ...

    def step(self, request: StepRequest, call: Call, /) -> StepResponse | Awaitable[StepResponse]: ...

    def read_keys(self, request: ReadKeysRequest, call: Call, /) -> ReadResponse | Awaitable[ReadResponse]: ...

    def read_range(self, request: ReadRangeRequest, call: Call, /) -> ReadResponse | Awaitable[ReadResponse]: ...

    def read_names(self, request: ReadNamesRequest, call: Call, /) -> ReadNamesResponse | Awaitable[ReadNamesResponse]: ...

    def follow(self, request: FollowRequest, call: Call, /) -> AsyncIterator[FollowResponse]: ...

    def carry(self, request: CarryRequest, call: Call, /) -> CarryResponse | Awaitable[CarryResponse]: ...

    def merge(self, request: MergeRequest, call: Call, /) -> MergeResponse | Awaitable[MergeResponse]: ...

