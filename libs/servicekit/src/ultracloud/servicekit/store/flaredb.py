"""The store in flaredb: typed records in, typed records out; no protobuf leaves this module."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence

from ultracloud.api.flaredb.v1 import flaredb_pb2 as pb
from ultracloud.api.flaredb.v1.flaredb_rpc import KvClient
from ultracloud.api.rpc import Channel
from ultracloud.servicekit.store.interface import (
    PAGE_DEFAULT,
    Change,
    Changes,
    Committed,
    Conflict,
    Entry,
    Reading,
    Store,
)
from ultracloud.servicekit.streams import closing


class FlaredbStore(Store):
    """One namespace of flaredb. See `Store`; every method also raises what the channel raises."""

    def __init__(self, channel: Channel, namespace: str) -> None:
        self._kv = KvClient(channel)
        self._namespace = namespace

    async def get(self, key: bytes, at_version: int = 0) -> Entry | None:
        """See `Store`."""
        answer = await self._kv.get(pb.GetRequest(namespace=self._namespace, key=key, at_version=at_version))
        return _entry(answer.kv) if answer.HasField("kv") else None

    async def get_many(self, keys: Sequence[bytes], at_version: int = 0) -> Reading:
        """See `Store`."""
        request = pb.BatchGetRequest(namespace=self._namespace, keys=keys, at_version=at_version)
        answer = await self._kv.batch_get(request)
        return Reading(tuple(map(_entry, answer.kvs)), answer.read_version)

    async def scan(
        self,
        start: bytes,
        end: bytes,
        *,
        limit: int = PAGE_DEFAULT,
        reverse: bool = False,
        keys_only: bool = False,
        at_version: int = 0,
    ) -> Reading:
        """See `Store`."""
        request = pb.ScanRequest(
            namespace=self._namespace,
            start=start,
            end=end,
            limit=limit,
            reverse=reverse,
            keys_only=keys_only,
            at_version=at_version,
        )
        answer = await self._kv.scan(request)
        return Reading(tuple(map(_entry, answer.kvs)), answer.read_version, answer.more)

    async def txn(self, comparisons: Mapping[bytes, int], writes: Mapping[bytes, bytes | None]) -> Committed | Conflict:
        """See `Store`."""
        request = pb.TxnRequest(
            namespace=self._namespace,
            comparisons=[pb.Comparison(key=key, expected_version=wanted) for key, wanted in comparisons.items()],
            writes=[pb.Write(key=key, value=value) for key, value in writes.items()],
        )
        answer = await self._kv.txn(request)
        if answer.succeeded:
            return Committed(answer.version)
        return Conflict({failed.key: failed.expected_version for failed in answer.failed})

    async def watch(self, start: bytes, end: bytes, from_version: int) -> AsyncGenerator[Changes, None]:
        """See `Store`."""
        request = pb.WatchRequest(namespace=self._namespace, start=start, end=end, from_version=from_version)
        async with closing(self._kv.watch(request)) as answers:
            async for answer in answers:
                changes = (Change(c.key, c.value if c.HasField("value") else None, c.version) for c in answer.changes)
                yield Changes(tuple(changes), answer.version)


def _entry(kv: pb.KeyValue) -> Entry:
    """One key-value pair."""
    return Entry(kv.key, kv.value, kv.version)
