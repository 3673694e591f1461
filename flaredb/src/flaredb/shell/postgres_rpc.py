"""`ultracloud.flaredb.v1.Kv` on PostgreSQL: writes as everywhere, reads that wait for the server.

An RPC that this class does not have is answered with UNIMPLEMENTED.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import cast

from flaredb.core import limits
from flaredb.core.access import Access
from flaredb.core.commands import DeleteRange
from flaredb.core.feed import Interest, Page
from flaredb.core.visibility import Query
from flaredb.shell import messages
from flaredb.shell.committer import Committer
from flaredb.shell.postgres_committer import PostgresCommitter
from flaredb.shell.postgres_store import PostgresStore
from flaredb.shell.rpc import PROGRESS_S, KvService
from flaredb.shell.store import Store
from flaredb.shell.watchers import Place, Watchers
from ultracloud.api.flaredb.v1.flaredb_pb2 import (
    BatchGetRequest,
    BatchGetResponse,
    GetRequest,
    GetResponse,
    NamespacesRequest,
    NamespacesResponse,
    ScanRequest,
    ScanResponse,
    WatchRequest,
    WatchResponse,
)
from ultracloud.api.rpc import Call


class PostgresKv:
    """Serves the Kv of one schema; see `flaredb.proto` for what each RPC promises."""

    def __init__(
        self,
        store: PostgresStore,
        committer: PostgresCommitter,
        watchers: Watchers,
        access: Access,
        now_ms: Callable[[], int],
    ) -> None:
        self._store = store
        self._watchers = watchers
        self._access = access
        self._now_ms = now_ms
        writes = _Writes(store, committer, watchers, access, now_ms)
        self.put = writes.put
        self.delete = writes.delete
        self.delete_range = writes.delete_range
        self.increment = writes.increment
        self.compare_and_set = writes.compare_and_set
        self.txn = writes.txn

    async def get(self, request: GetRequest, call: Call, /) -> GetResponse:
        """The value of one key."""
        namespace = self._readable(call, request.namespace)
        key = limits.check_key(request.key)
        version, now_ms = self._read_at(request.at_version)
        found = await self._store.get(namespace, key, version, now_ms)
        return GetResponse(kv=None if found is None else messages.key_value(found), read_version=version)

    async def batch_get(self, request: BatchGetRequest, call: Call, /) -> BatchGetResponse:
        """The values of several keys, at one version."""
        namespace = self._readable(call, request.namespace)
        keys = limits.check_batch(request.keys)
        version, now_ms = self._read_at(request.at_version)
        found = await self._store.batch_get(namespace, keys, version, now_ms)
        return BatchGetResponse(kvs=map(messages.key_value, found), read_version=version)

    async def scan(self, request: ScanRequest, call: Call, /) -> ScanResponse:
        """One page of a range."""
        namespace = self._readable(call, request.namespace)
        version, now_ms = self._read_at(request.at_version)
        query = Query(
            namespace,
            limits.check_bound(request.start, "start"),
            limits.check_bound(request.end, "end"),
            limits.scan_limit(request.limit),
            version,
            now_ms=now_ms,
            reverse=request.reverse,
            keys_only=request.keys_only,
        )
        found, more = await self._store.scan(query)
        return ScanResponse(kvs=map(messages.key_value, found), read_version=query.at_version, more=more)

    async def watch(self, request: WatchRequest, call: Call, /) -> AsyncIterator[WatchResponse]:
        """Every change of a range after a version, until the caller goes."""
        interest = Interest(
            self._readable(call, request.namespace),
            limits.check_bound(request.start, "start"),
            limits.check_bound(request.end, "end"),
        )
        place = Place(limits.check_version(request.from_version, "from_version"))
        self._watchers.open()
        self._watchers.places.add(place)
        try:
            async for page in self._pages(interest, place):
                yield WatchResponse(changes=(messages.change(v, c) for v, c in page.changes), version=page.position)
        finally:
            self._watchers.places.discard(place)
            self._watchers.leave()

    async def namespaces(self, request: NamespacesRequest, call: Call, /) -> NamespacesResponse:
        """A page of the names of all namespaces."""
        self._access.check_operator(call.peer.identity)
        after, limit = limits.check_after(request.after), limits.namespaces_limit(request.limit)
        return messages.namespaces_response(await self._store.namespaces(after, limit + 1), limit, self._newest())

    async def _pages(self, interest: Interest, place: Place) -> AsyncIterator[Page]:
        """What a watcher is sent: at once how far it is, then changes as they come, and now and then how far it is."""
        position, is_due = place.position, True
        while True:
            page = await self._store.changes_after(interest, position)
            place.position = position = page.position
            if page.changes or is_due:
                is_due = False
                yield page
            elif position == self._newest():
                place.is_asleep = True
                position, is_touched = await self._watchers.wait_touched(interest, self._newest, PROGRESS_S)
                place.is_asleep, place.position = False, position
                is_due = not is_touched

    def _readable(self, call: Call, namespace: str) -> limits.Namespace:
        """The namespace, if the caller may read it."""
        checked = limits.check_namespace(namespace)
        self._access.check(call.peer.identity, checked, writes=False)
        return checked

    def _newest(self) -> int:
        return self._store.applied.version

    def _read_at(self, at_version: int) -> tuple[int, int]:
        """The version to read at, and the time by which what has ended is not seen: none where a version is named."""
        version = self._store.read_version(limits.check_version(at_version, "at_version"))
        return version, 0 if at_version else self._store.tick(self._now_ms())


class _Writes(KvService):
    """The writing half of `KvService`, which asks its committer only, and its store for nothing but a look ahead."""

    def __init__(
        self,
        store: PostgresStore,
        committer: PostgresCommitter,
        watchers: Watchers,
        access: Access,
        now_ms: Callable[[], int],
    ) -> None:
        super().__init__(cast("Store", store), cast("Committer", committer), watchers, access, now_ms)

    async def _look_through(self, _namespace: limits.Namespace, _each: DeleteRange, _slices: int) -> bytes:
        """Nothing is too much: PostgreSQL looks, and others are served meanwhile."""
        return b""
