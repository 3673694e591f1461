"""`ultracloud.flaredb.v1.Kv` on PostgreSQL: writes as everywhere, reads that wait for the server.

An RPC that this class does not have is answered with UNIMPLEMENTED.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

from flaredb.core import limits
from flaredb.core.access import Access
from flaredb.core.commands import DeleteRange
from flaredb.core.feed import Interest, Page
from flaredb.shell import messages
from flaredb.shell.committer import Committer
from flaredb.shell.postgres_committer import PostgresCommitter
from flaredb.shell.postgres_store import PostgresStore
from flaredb.shell.rpc import KvService
from flaredb.shell.serving import Serving
from flaredb.shell.store import Store
from flaredb.shell.watchers import Watchers
from ultracloud.api.flaredb.v1.flaredb_pb2 import (
    BatchGetRequest,
    BatchGetResponse,
    GetRequest,
    GetResponse,
    NamespacesRequest,
    NamespacesResponse,
    ScanRequest,
    ScanResponse,
)
from ultracloud.api.rpc import Call


class PostgresKv(Serving):
    """Serves the Kv of one schema; see `flaredb.proto` for what each RPC promises."""

    def __init__(
        self,
        store: PostgresStore,
        committer: PostgresCommitter,
        watchers: Watchers,
        access: Access,
        now_ms: Callable[[], int],
    ) -> None:
        super().__init__(watchers, access, now_ms)
        self._store: PostgresStore = store
        writes = _Writes(cast("Store", store), cast("Committer", committer), watchers, access, now_ms)
        self.put = writes.put
        self.delete = writes.delete
        self.delete_range = writes.delete_range
        self.increment = writes.increment
        self.compare_and_set = writes.compare_and_set
        self.txn = writes.txn

    async def get(self, request: GetRequest, call: Call, /) -> GetResponse:
        """The value of one key."""
        namespace = self._allowed(call, request.namespace, writes=False)
        key = limits.check_key(request.key)
        version, now_ms = self._read_at(request.at_version)
        found = await self._store.get(namespace, key, version, now_ms)
        return GetResponse(kv=None if found is None else messages.key_value(found), read_version=version)

    async def batch_get(self, request: BatchGetRequest, call: Call, /) -> BatchGetResponse:
        """The values of several keys, at one version."""
        namespace = self._allowed(call, request.namespace, writes=False)
        keys = limits.check_batch(request.keys)
        version, now_ms = self._read_at(request.at_version)
        found = await self._store.batch_get(namespace, keys, version, now_ms)
        return BatchGetResponse(kvs=map(messages.key_value, found), read_version=version)

    async def scan(self, request: ScanRequest, call: Call, /) -> ScanResponse:
        """One page of a range."""
        query = self._query(request, call)
        found, more = await self._store.scan(query)
        return ScanResponse(kvs=map(messages.key_value, found), read_version=query.at_version, more=more)

    async def namespaces(self, request: NamespacesRequest, call: Call, /) -> NamespacesResponse:
        """A page of the names of all namespaces."""
        after, limit = self._after(request, call)
        return messages.namespaces_response(await self._store.namespaces(after, limit + 1), limit, self._newest())

    async def _changes_after(self, interest: Interest, position: int) -> Page:
        return await self._store.changes_after(interest, position)


class _Writes(KvService):
    """The writing half of `KvService`, which asks its committer only, and its store for nothing but a look ahead."""

    async def _look_through(self, _namespace: limits.Namespace, _each: DeleteRange, _slices: int) -> bytes:
        """Nothing is too much: PostgreSQL looks, and others are served meanwhile."""
        return b""
