"""The care of members: who they are, how each is, joining and leaving."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from google.protobuf.message import Message

from ultracloud.api.etcd import rpc_pb2
from ultracloud.base.faults import Fault
from ultracloud.servicekit.coordination import codec
from ultracloud.servicekit.coordination.endpoints import Endpoints
from ultracloud.servicekit.coordination.errors import translate
from ultracloud.servicekit.coordination.words import Member, Status

ResponseT = TypeVar("ResponseT", bound=Message)


class Admin:
    """Of one store; its changes are never sent twice when nobody knows."""

    def __init__(self, endpoints: Endpoints, deadline_s: float) -> None:
        self._endpoints = endpoints
        self._deadline_s = deadline_s

    async def status(self, endpoint: int = 0) -> Status:
        """What the member says of itself whose address has this place in the list; asked once."""
        answer = await self._ask(
            endpoint, "/etcdserverpb.Maintenance/Status", rpc_pb2.StatusRequest(), rpc_pb2.StatusResponse
        )
        return codec.parse_status(answer, self._endpoints.channels[endpoint].target)

    async def members(self, *, linearizable: bool = True) -> tuple[Member, ...]:
        """Who takes part; without `linearizable` as far as the member that is asked knows."""
        answer = await self._endpoints.unary(
            "/etcdserverpb.Cluster/MemberList",
            rpc_pb2.MemberListRequest(linearizable=linearizable),
            rpc_pb2.MemberListResponse,
            harmless_twice=True,
            timeout_s=self._deadline_s,
            needs_leader=linearizable,
        )
        return tuple(map(codec.parse_member, answer.members))

    async def add_member(self, peer_urls: Sequence[str], *, is_learner: bool = False) -> Member:
        """Let a member in, before it starts; gives it with its id."""
        answer = await self._endpoints.unary(
            "/etcdserverpb.Cluster/MemberAdd",
            rpc_pb2.MemberAddRequest(peerURLs=peer_urls, isLearner=is_learner),
            rpc_pb2.MemberAddResponse,
            harmless_twice=False,
            timeout_s=self._deadline_s,
        )
        return codec.parse_member(answer.member)

    async def promote_member(self, member: int) -> None:
        """Let a learner vote.

        Raises:
            FailedPreconditionError: It has not caught up yet.
        """
        await self._endpoints.unary(
            "/etcdserverpb.Cluster/MemberPromote",
            rpc_pb2.MemberPromoteRequest(ID=member),
            rpc_pb2.MemberPromoteResponse,
            harmless_twice=False,
            timeout_s=self._deadline_s,
        )

    async def remove_member(self, member: int) -> None:
        """Take a member out for good.

        Raises:
            NotFoundError: There is no such member.
        """
        await self._endpoints.unary(
            "/etcdserverpb.Cluster/MemberRemove",
            rpc_pb2.MemberRemoveRequest(ID=member),
            rpc_pb2.MemberRemoveResponse,
            harmless_twice=False,
            timeout_s=self._deadline_s,
        )

    async def move_leader(self, to: int, endpoint: int) -> None:
        """Ask the leader, whose address has this place in the list, to hand over."""
        request = rpc_pb2.MoveLeaderRequest(targetID=to)
        await self._ask(endpoint, "/etcdserverpb.Maintenance/MoveLeader", request, rpc_pb2.MoveLeaderResponse)

    async def disarm_no_space(self) -> None:
        """Say that there is room again."""
        found = await self._alarm(rpc_pb2.AlarmRequest(action=rpc_pb2.AlarmRequest.GET))
        for each in found.alarms:
            if each.alarm == rpc_pb2.NOSPACE:
                action = rpc_pb2.AlarmRequest.DEACTIVATE
                await self._alarm(rpc_pb2.AlarmRequest(action=action, memberID=each.memberID, alarm=each.alarm))

    async def _alarm(self, request: rpc_pb2.AlarmRequest) -> rpc_pb2.AlarmResponse:
        """Look at alarms, or end one; both are harmless twice."""
        return await self._endpoints.unary(
            "/etcdserverpb.Maintenance/Alarm",
            request,
            rpc_pb2.AlarmResponse,
            harmless_twice=True,
            timeout_s=self._deadline_s,
        )

    async def checksum(self, endpoint: int, revision: int) -> int:
        """Of all keys as of a revision, at one member: members that agree give the same."""
        request = rpc_pb2.HashKVRequest(revision=revision)
        answer = await self._ask(endpoint, "/etcdserverpb.Maintenance/HashKV", request, rpc_pb2.HashKVResponse)
        return answer.hash

    async def _ask(self, endpoint: int, path: str, request: Message, response_type: type[ResponseT]) -> ResponseT:
        """Send once to one member."""
        channel = self._endpoints.channels[endpoint]
        try:
            headers = await self._endpoints.token_headers(channel, self._deadline_s)
            return await channel.once(path, request, response_type, self._deadline_s, headers)
        except Fault as fault:
            raise translate(fault) from fault
