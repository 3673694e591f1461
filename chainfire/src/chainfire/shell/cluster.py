"""The Cluster service: who the members are, and changes of that."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from urllib.parse import urlsplit

from chainfire.core.commands import MemberAdd, MemberCommand, MemberPromote, MemberRemove, MemberUpdate
from chainfire.core.membership import Member, member_id
from chainfire.errors import BadUrlsError
from chainfire.shell.guard import Guard
from chainfire.shell.node import Node
from chainfire.shell.questions import Questions
from ultracloud.api.etcd import rpc_pb2
from ultracloud.api.rpc import Call

Header = Callable[[int], rpc_pb2.ResponseHeader]


class ClusterService:
    """Serves etcdserverpb.Cluster.

    Args:
        node: This member.
        questions: The way to the leader, which decides.
        guard: Who may.
        header: Makes response headers.
        now_s: Seconds since 1970: part of a new member's id.
    """

    def __init__(
        self,
        node: Node,
        questions: Questions,
        guard: Guard,
        header: Header,
        now_s: Callable[[], float] = time.time,
    ) -> None:
        self._node = node
        self._questions = questions
        self._guard = guard
        self._header = header
        self._now_s = now_s

    async def member_add(self, request: rpc_pb2.MemberAddRequest, call: Call, /) -> rpc_pb2.MemberAddResponse:
        """Take in a member, which is then to be started with `cluster.join`."""
        await self._guard.require_root(call)
        urls = tuple(sorted(request.peerURLs))
        _check_urls(urls)
        added = Member(member_id(urls, "", int(self._now_s())), peer_urls=urls, is_learner=request.isLearner)
        await self._questions.change(MemberAdd(added))
        return rpc_pb2.MemberAddResponse(header=self._now(), member=_shown(added), members=self._all())

    async def member_remove(self, request: rpc_pb2.MemberRemoveRequest, call: Call, /) -> rpc_pb2.MemberRemoveResponse:
        """Remove a member for ever."""
        return rpc_pb2.MemberRemoveResponse(
            header=self._now(), members=await self._change(MemberRemove(request.ID), call)
        )

    async def member_update(self, request: rpc_pb2.MemberUpdateRequest, call: Call, /) -> rpc_pb2.MemberUpdateResponse:
        """Change where a member is found by the others."""
        urls = tuple(sorted(request.peerURLs))
        await self._guard.require_root(call)
        self._node.machine.members.check_update(request.ID, urls)
        _check_urls(urls)
        members = await self._change(MemberUpdate(request.ID, urls), call)
        return rpc_pb2.MemberUpdateResponse(header=self._now(), members=members)

    async def member_promote(
        self, request: rpc_pb2.MemberPromoteRequest, call: Call, /
    ) -> rpc_pb2.MemberPromoteResponse:
        """Let a learner vote."""
        members = await self._change(MemberPromote(request.ID), call)
        return rpc_pb2.MemberPromoteResponse(header=self._now(), members=members)

    async def member_list(self, request: rpc_pb2.MemberListRequest, call: Call, /) -> rpc_pb2.MemberListResponse:
        """List the members; `linearizable` asks the cluster first."""
        await self._guard.require_known(call)
        confirmed = self._node.confirm() if request.linearizable else None
        if confirmed is not None:
            await confirmed
        return rpc_pb2.MemberListResponse(header=self._now(), members=self._all())

    async def _change(self, command: MemberCommand, call: Call) -> list[rpc_pb2.Member]:
        await self._guard.require_root(call)
        await self._questions.change(command)
        return self._all()

    def _all(self) -> list[rpc_pb2.Member]:
        return [_shown(each) for each in self._node.machine.members.all()]

    def _now(self) -> rpc_pb2.ResponseHeader:
        return self._header(0)


def _shown(member: Member) -> rpc_pb2.Member:
    return rpc_pb2.Member(
        ID=member.member_id,
        name=member.name,
        peerURLs=member.peer_urls,
        clientURLs=member.client_urls,
        isLearner=member.is_learner,
    )


def _check_urls(urls: Iterable[str]) -> None:
    """Refuse peer URLs that cannot be dialled.

    Raises:
        BadUrlsError: There is none, or one of them is no URL with a scheme, a host and a port.
    """
    if not urls:
        raise BadUrlsError
    for url in urls:
        split = urlsplit(url)
        if split.scheme not in ("http", "https") or ":" not in split.netloc or split.path not in ("", "/"):
            raise BadUrlsError
