"""A small client of chainfire, and of any etcd: keys, transactions, leases, watches; and a service's registration.

Only what our services use, typed, with no protobuf outside this module. Revisions are etcd's: one number for the whole
store that grows with every write.

Source: etcd's v3 API (rpc.proto, kv.proto).
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass

from ultracloud.api.etcd import kv_pb2, rpc_pb2
from ultracloud.api.etcd.rpc_rpc import KVClient, LeaseClient, WatchClient
from ultracloud.api.rpc import Channel
from ultracloud.base import ids
from ultracloud.base.faults import Fault, NotFoundError, OutOfRangeError, UnavailableError
from ultracloud.servicekit.clock import Clock
from ultracloud.servicekit.store.interface import prefix_end
from ultracloud.servicekit.streams import closing

SERVICES_PREFIX = "/ultracloud/services/"
REGISTRATION_TTL_S = 10
"""A dead instance is off the list within this; a live one renews three times as often."""
PAUSE_FIRST_S, PAUSE_MAX_S = 0.1, 2.0
"""Between attempts to register."""
REVOKE_S = 0.5
"""A service that stops takes itself off the list, if that is quick."""


@dataclass(frozen=True, slots=True)
class Pair:
    """A key and its value. `lease` is 0 for one that stays until deleted."""

    key: bytes
    value: bytes
    create_revision: int
    mod_revision: int
    lease: int = 0


@dataclass(frozen=True, slots=True)
class Range:
    """Pairs in the order of their keys, as of `revision`."""

    pairs: tuple[Pair, ...]
    revision: int


@dataclass(frozen=True, slots=True)
class Event:
    """A key got a value (`pair`), or lost it (None)."""

    key: bytes
    pair: Pair | None
    revision: int


class Coordination:
    """See the module. Every method raises what the channel raises."""

    def __init__(self, channel: Channel) -> None:
        self._kv = KVClient(channel)
        self._lease = LeaseClient(channel)
        self._watch = WatchClient(channel)

    async def put(self, key: bytes, value: bytes, lease: int = 0) -> int:
        """Write; gives the revision.

        Raises:
            NotFoundError: There is no such lease (any more).
        """
        answer = await self._kv.put(rpc_pb2.PutRequest(key=key, value=value, lease=lease))
        return answer.header.revision

    async def get(self, key: bytes) -> Pair | None:
        """The pair, None if there is none."""
        answer = await self._kv.range(rpc_pb2.RangeRequest(key=key))
        return _pair(answer.kvs[0]) if answer.kvs else None

    async def range(self, prefix: bytes, limit: int = 0) -> Range:
        """All pairs (the first `limit`) whose keys begin with `prefix`."""
        end = prefix_end(prefix) or b"\x00"
        answer = await self._kv.range(rpc_pb2.RangeRequest(key=prefix or b"\x00", range_end=end, limit=limit))
        return Range(tuple(map(_pair, answer.kvs)), answer.header.revision)

    async def delete(self, key: bytes) -> bool:
        """Remove; tells whether it was there."""
        answer = await self._kv.delete_range(rpc_pb2.DeleteRangeRequest(key=key))
        return answer.deleted > 0

    async def txn(
        self,
        comparisons: Mapping[bytes, int],
        puts: Mapping[bytes, bytes],
        deletes: Sequence[bytes] = (),
        lease: int = 0,
    ) -> bool:
        """Write if every key of `comparisons` has that mod revision (0: does not exist); tells whether it did."""
        compares = [
            rpc_pb2.Compare(
                key=key,
                target=rpc_pb2.Compare.MOD,
                result=rpc_pb2.Compare.EQUAL,
                mod_revision=wanted,
            )
            for key, wanted in comparisons.items()
        ]
        writes = [
            rpc_pb2.RequestOp(request_put=rpc_pb2.PutRequest(key=key, value=value, lease=lease))
            for key, value in puts.items()
        ]
        removals = [rpc_pb2.RequestOp(request_delete_range=rpc_pb2.DeleteRangeRequest(key=key)) for key in deletes]
        answer = await self._kv.txn(rpc_pb2.TxnRequest(compare=compares, success=[*writes, *removals]))
        return answer.succeeded

    async def grant(self, ttl_s: int) -> int:
        """A new lease; gives its id."""
        answer = await self._lease.lease_grant(rpc_pb2.LeaseGrantRequest(TTL=ttl_s))
        return answer.ID

    async def revoke(self, lease: int) -> None:
        """End a lease: its keys go."""
        await self._lease.lease_revoke(rpc_pb2.LeaseRevokeRequest(ID=lease))

    async def keep(self, lease: int, ttl_s: int, clock: Clock) -> None:
        """Keep a lease alive for as long as this runs.

        Raises:
            NotFoundError: The lease is gone; its keys with it.
            UnavailableError: No answer within the lease's life.
        """

        async def requests() -> AsyncGenerator[rpc_pb2.LeaseKeepAliveRequest, None]:
            while True:
                yield rpc_pb2.LeaseKeepAliveRequest(ID=lease)
                await clock.sleep(ttl_s / 3)

        async with closing(self._lease.lease_keep_alive(requests())) as answers:
            while True:
                try:
                    async with asyncio.timeout(ttl_s):
                        answer = await anext(answers)
                except (TimeoutError, StopAsyncIteration):
                    raise UnavailableError("the lease cannot be renewed", reason="LEASE_UNCERTAIN") from None
                if answer.TTL <= 0:
                    raise NotFoundError(f"lease {lease:x} is gone", reason="LEASE_GONE")

    async def watch(self, prefix: bytes, from_revision: int = 0) -> AsyncGenerator[tuple[Event, ...], None]:
        """Every change of keys that begin with `prefix`, from `from_revision` on (0: from now), until closed.

        The first batch is empty: it says that the watch has begun.

        Raises:
            OutOfRangeError: `from_revision` is compacted: range, then watch from there.
        """
        create = rpc_pb2.WatchCreateRequest(
            key=prefix or b"\x00", range_end=prefix_end(prefix) or b"\x00", start_revision=from_revision
        )

        async def requests() -> AsyncGenerator[rpc_pb2.WatchRequest, None]:
            yield rpc_pb2.WatchRequest(create_request=create)
            await asyncio.Event().wait()  # the stream lives as long as its request side

        async with closing(self._watch.watch(requests())) as answers:
            async for answer in answers:
                if answer.canceled:
                    raise OutOfRangeError(
                        f"revision {from_revision} is compacted", detail=answer.cancel_reason, reason="COMPACTED"
                    )
                yield tuple(map(_event, answer.events))


async def register(
    coordination: Coordination, name: str, address: str, clock: Clock, ttl_s: int = REGISTRATION_TTL_S
) -> None:
    """Keep this instance in the list of services for as long as this runs, through losses of chainfire and lease.

    Its key is ``/ultracloud/services/<name>/<instance>``, its value ``{"address": ...}``.
    """
    instance = ids.make_ulid(clock.now_ms(), clock.entropy(ids.ENTROPY_BYTES))
    key = f"{SERVICES_PREFIX}{name}/{instance}".encode()
    value = json.dumps({"address": address}).encode()
    lease, pause_s = 0, PAUSE_FIRST_S
    try:
        while True:
            try:
                lease = await coordination.grant(ttl_s)
                await coordination.put(key, value, lease)
                pause_s = PAUSE_FIRST_S
                await coordination.keep(lease, ttl_s, clock)
            except Fault as error:
                logging.getLogger(__name__).debug("not registered", exc_info=error)
            await clock.sleep(pause_s)
            pause_s = min(pause_s * 2, PAUSE_MAX_S)
    finally:
        if lease:
            await _leave(coordination, lease)


async def _leave(coordination: Coordination, lease: int) -> None:
    """Take our keys off the list; if that fails the lease does it, later."""
    try:
        async with asyncio.timeout(REVOKE_S):
            await coordination.revoke(lease)
    except (Fault, TimeoutError) as error:
        logging.getLogger(__name__).debug("lease not revoked", exc_info=error)


async def services(coordination: Coordination, name: str) -> dict[str, str]:
    """Instance -> address of all registered instances of a service."""
    prefix = f"{SERVICES_PREFIX}{name}/".encode()
    found = await coordination.range(prefix)
    return {pair.key[len(prefix) :].decode(): str(json.loads(pair.value)["address"]) for pair in found.pairs}


def _pair(kv: kv_pb2.KeyValue) -> Pair:
    return Pair(kv.key, kv.value, kv.create_revision, kv.mod_revision, kv.lease)


def _event(event: kv_pb2.Event) -> Event:
    kept = event.type == kv_pb2.Event.PUT
    return Event(event.kv.key, _pair(event.kv) if kept else None, event.kv.mod_revision)
