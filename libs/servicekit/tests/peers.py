"""Peers for tests: the Kv service over a memory store, and iam's policy stream, on a real server of ours."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from ultracloud.api.flaredb.v1 import flaredb_pb2 as kv
from ultracloud.api.flaredb.v1.flaredb_rpc import KV
from ultracloud.api.iam.v1 import iam_pb2 as iam
from ultracloud.api.iam.v1.iam_rpc import POLICY
from ultracloud.api.rpc import Call
from ultracloud.servicekit.pki import TlsIdentity
from ultracloud.servicekit.store import Committed, Entry, MemoryStore
from ultracloud.wire import Server, ServerOptions, Service, TlsFiles, service


class KvOverMemory:
    """flaredb's Kv as far as the client needs it, over `MemoryStore`; one namespace."""

    def __init__(self, store: MemoryStore) -> None:
        self.store = store

    async def get(self, request: kv.GetRequest, _call: Call) -> kv.GetResponse:
        entry = await self.store.get(request.key, request.at_version)
        return kv.GetResponse(kv=message(entry) if entry else None)

    async def batch_get(self, request: kv.BatchGetRequest, _call: Call) -> kv.BatchGetResponse:
        reading = await self.store.get_many(request.keys, request.at_version)
        return kv.BatchGetResponse(kvs=map(message, reading.entries), read_version=reading.read_version)

    async def scan(self, request: kv.ScanRequest, _call: Call) -> kv.ScanResponse:
        reading = await self.store.scan(
            request.start,
            request.end,
            limit=request.limit,
            reverse=request.reverse,
            keys_only=request.keys_only,
            at_version=request.at_version,
        )
        return kv.ScanResponse(kvs=map(message, reading.entries), read_version=reading.read_version, more=reading.more)

    async def txn(self, request: kv.TxnRequest, _call: Call) -> kv.TxnResponse:
        done = await self.store.txn(
            {one.key: one.expected_version for one in request.comparisons},
            {one.key: one.value if one.HasField("value") else None for one in request.writes},
        )
        if isinstance(done, Committed):
            return kv.TxnResponse(succeeded=True, version=done.version)
        failed = [kv.Comparison(key=key, expected_version=version) for key, version in done.failed.items()]
        return kv.TxnResponse(failed=failed)

    async def watch(self, request: kv.WatchRequest, _call: Call) -> AsyncGenerator[kv.WatchResponse, None]:
        async for seen in self.store.watch(request.start, request.end, request.from_version):
            changes = [kv.Change(key=one.key, value=one.value, version=one.version) for one in seen.changes]
            yield kv.WatchResponse(changes=changes, version=seen.version)


def message(entry: Entry) -> kv.KeyValue:
    return kv.KeyValue(key=entry.key, value=entry.value, version=entry.version)


class PolicyStream:
    """iam's Policy.Watch: sends the newest snapshot, and each newer one."""

    def __init__(self, snapshot: iam.PolicySnapshot | None = None) -> None:
        self.snapshot = snapshot
        self.changed = asyncio.Event()
        self.watchers = 0

    def publish(self, snapshot: iam.PolicySnapshot) -> None:
        self.snapshot = snapshot
        changed, self.changed = self.changed, asyncio.Event()
        changed.set()

    async def watch(self, request: iam.WatchPolicyRequest, _call: Call) -> AsyncGenerator[iam.PolicySnapshot, None]:
        self.watchers += 1
        known = request.known_version
        while True:
            changed = self.changed
            if self.snapshot is not None and self.snapshot.version != known:
                known = self.snapshot.version
                yield self.snapshot
            await changed.wait()


@asynccontextmanager
async def serving(*services: Service, identity: TlsIdentity | None = None, port: int = 0) -> AsyncGenerator[str, None]:
    tls = TlsFiles(identity.certificate, identity.key, identity.ca) if identity else None
    server = Server(services, ServerOptions(tls=tls))
    host, bound = await server.listen("127.0.0.1", port)
    try:
        yield f"{host}:{bound}"
    finally:
        await server.drain(0)


def kv_service(store: MemoryStore) -> Service:
    return service(KV, KvOverMemory(store))


def policy_service(stream: PolicyStream) -> Service:
    return service(POLICY, stream)
