"""The Election service: a queue of keys, whose front leads and whose value is what the leader says of itself.

Fence with the `rev` of the leader's key: a later leader has a larger one.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

from chainfire.errors import CampaignSessionError, LeaderKeyMissingError, NobodyElectedError, NotElectedError
from chainfire.shell.queues import Place, Queues, refusing_as_etcd
from chainfire.shell.store_calls import WatchCanceledError, delete, if_created, oldest
from ultracloud.api.etcd import election_pb2, kv_pb2, rpc_pb2
from ultracloud.api.rpc import Call


class ElectionService:
    """Serves v3electionpb.Election."""

    def __init__(self, queues: Queues) -> None:
        self._queues = queues
        self._store = queues.store

    async def campaign(self, request: election_pb2.CampaignRequest, call: Call, /) -> election_pb2.CampaignResponse:
        """Wait until the caller leads; a call that ends before that is no candidate any more."""
        with refusing_as_etcd():
            place = await self._queues.enter(request.name, request.lease, request.value, call)
            if place.value != request.value:
                await self._say_again(place, request.value, call)
            if not place.is_first:
                await self._queues.wait_first(place, call, CampaignSessionError)
            leader = election_pb2.LeaderKey(name=request.name, key=place.key, rev=place.revision, lease=place.lease)
            return election_pb2.CampaignResponse(header=place.header, leader=leader)

    async def proclaim(self, request: election_pb2.ProclaimRequest, call: Call, /) -> election_pb2.ProclaimResponse:
        """Change the leader's value."""
        with refusing_as_etcd():
            if not request.HasField("leader"):
                raise LeaderKeyMissingError
            leader = request.leader
            return election_pb2.ProclaimResponse(
                header=await self._say(leader.key, leader.rev, leader.lease, request.value, call)
            )

    async def leader(self, request: election_pb2.LeaderRequest, call: Call, /) -> election_pb2.LeaderResponse:
        """Who leads."""
        with refusing_as_etcd():
            found = await self._store.range(oldest(request.name + b"/"), call)
            if not found.kvs:
                raise NobodyElectedError
            return election_pb2.LeaderResponse(header=found.header, kv=found.kvs[0])

    async def observe(
        self, request: election_pb2.LeaderRequest, call: Call, /
    ) -> AsyncGenerator[election_pb2.LeaderResponse, None]:
        """Who leads, and again whenever that or its value changes."""
        prefix = request.name + b"/"
        with refusing_as_etcd():
            while True:
                try:
                    found = await self._store.range(oldest(prefix), call)
                    if not found.kvs:
                        found.kvs.append(await self._first_put(prefix, found.header, call))
                    yield election_pb2.LeaderResponse(header=found.header, kv=found.kvs[0])
                    async with aclosing(self._values(found, call)) as values:
                        async for each in values:
                            yield each
                except WatchCanceledError:
                    # What was to be read next is compacted; the newest is what observers are promised.
                    continue

    async def resign(self, request: election_pb2.ResignRequest, call: Call, /) -> election_pb2.ResignResponse:
        """Give leadership up; one that is lost already is no error."""
        with refusing_as_etcd():
            if not request.HasField("leader"):
                raise LeaderKeyMissingError
            key = request.leader.key
            answer = await self._store.txn(if_created(key, request.leader.rev, delete(key)), call)
            return election_pb2.ResignResponse(header=answer.header)

    async def _say_again(self, place: Place, value: bytes, call: Call) -> None:
        """Change the value of a candidate that campaigns again; if that fails it is none."""
        try:
            await self._say(place.key, place.revision, place.lease, value, call)
        except BaseException:
            self._queues.abandon(place, call)
            raise

    async def _say(self, key: bytes, revision: int, lease: int, value: bytes, call: Call) -> rpc_pb2.ResponseHeader:
        put = rpc_pb2.PutRequest(key=key, value=value, lease=lease, ignore_lease=not lease)
        operation = rpc_pb2.RequestOp(request_put=put)
        answer = await self._store.txn(if_created(key, revision, operation), call)
        if not answer.succeeded:
            raise NotElectedError
        return answer.header

    async def _first_put(self, prefix: bytes, header: rpc_pb2.ResponseHeader, call: Call) -> kv_pb2.KeyValue:
        """Wait for a candidate; `header` then says at which revision there was one."""
        wanted = rpc_pb2.WatchCreateRequest(
            key=prefix,
            range_end=oldest(prefix).range_end,
            start_revision=header.revision + 1,
            filters=[rpc_pb2.WatchCreateRequest.NODELETE],
        )
        async with aclosing(self._store.watch([wanted], call)) as puts:
            first = (await anext(puts)).events[0].kv
        header.revision = first.mod_revision
        return first

    async def _values(
        self, found: rpc_pb2.RangeResponse, call: Call
    ) -> AsyncGenerator[election_pb2.LeaderResponse, None]:
        """What a leader says of itself, until it leads no more."""
        wanted = rpc_pb2.WatchCreateRequest(key=found.kvs[0].key, start_revision=found.header.revision + 1)
        async with aclosing(self._store.watch([wanted], call)) as changes:
            async for change in changes:
                for event in change.events:
                    if event.type == kv_pb2.Event.DELETE:
                        return
                    yield election_pb2.LeaderResponse(header=change.header, kv=event.kv)
