"""What the Kv of every engine on one node has in common: who may, at which version a read is, and watches.

How an engine answers is its own: at once, or after a round trip. Only a watch is made of turns, which may wait anyway.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Protocol

from flaredb.core import limits
from flaredb.core.access import Access
from flaredb.core.commands import Commit
from flaredb.core.feed import Interest, Page, page_of
from flaredb.core.records import Mark
from flaredb.core.visibility import Query
from flaredb.shell import messages
from flaredb.shell.watchers import Place, Push, Watchers
from ultracloud.api.flaredb.v1.flaredb_pb2 import NamespacesRequest, ScanRequest, WatchRequest, WatchResponse
from ultracloud.api.rpc import Call, DirectCall

PROGRESS_S = 10.0
"""Seconds after which a watch without changes says how far it has seen. A quiet range's watcher that reconnects must
not name a version from before the floor, and history is kept for minutes at least."""


class Published(Protocol):
    """What is asked of any store before a read."""

    @property
    def applied(self) -> Mark:
        """The counters after the newest published commit."""
        ...

    def tick(self, now_ms: int, /) -> int:
        """Tell the store the time; what its clock says then."""
        ...

    def read_version(self, at_version: int, /) -> int:
        """The version to read at for a caller who asked for one, or for 0. Raises OutOfRangeError."""
        ...


class Serving(ABC):
    """The part of a Kv that does not look at keys."""

    _store: Published

    def __init__(self, watchers: Watchers, access: Access, now_ms: Callable[[], int]) -> None:
        self._watchers = watchers
        self._access = access
        self._now_ms = now_ms

    async def watch(self, request: WatchRequest, call: Call, /) -> AsyncIterator[WatchResponse]:
        """Every change of a range after a version, until the caller goes."""
        interest = Interest(
            self._allowed(call, request.namespace, writes=False),
            limits.check_bound(request.start, "start"),
            limits.check_bound(request.end, "end"),
        )
        place = Place(limits.check_version(request.from_version, "from_version"))
        if isinstance(call, DirectCall):
            place.push = _pushing(interest, place, call)
        self._watchers.open()
        self._watchers.places.add(place)
        try:
            async for page in self._pages(interest, place):
                yield _watched(page)
        finally:
            self._watchers.places.discard(place)
            self._watchers.leave()

    async def _pages(self, interest: Interest, place: Place) -> AsyncIterator[Page]:
        """What a watcher is sent: at once how far it is, then changes as they come, and now and then how far it is."""
        position, is_due = place.position, True
        while True:
            page = await self._changes_after(interest, position)
            place.position = position = page.position
            if page.changes or is_due:
                is_due = False
                yield page
            elif position < self._newest():
                await asyncio.sleep(0)  # a long history without a change of this range: others are served between
            else:
                place.is_asleep = True
                position, is_touched = await self._watchers.wait_touched(interest, self._newest, PROGRESS_S, place.push)
                place.is_asleep, place.position = False, position
                is_due = not is_touched

    @abstractmethod
    async def _changes_after(self, interest: Interest, position: int) -> Page:
        """The next message of a watch. Raises OutOfRangeError where its history is gone."""

    def _query(self, request: ScanRequest, call: Call) -> Query:
        """What a scan looks for, if the caller may."""
        namespace = self._allowed(call, request.namespace, writes=False)
        version, now_ms = self._read_at(request.at_version)
        return Query(
            namespace,
            limits.check_bound(request.start, "start"),
            limits.check_bound(request.end, "end"),
            limits.scan_limit(request.limit),
            version,
            reverse=request.reverse,
            keys_only=request.keys_only,
            now_ms=now_ms,
        )

    def _after(self, request: NamespacesRequest, call: Call) -> tuple[str, int]:
        """After which name how many are to be listed, if the caller may."""
        self._access.check_operator(call.peer.identity)
        return limits.check_after(request.after), limits.namespaces_limit(request.limit)

    def _allowed(self, call: Call, namespace: str, *, writes: bool) -> limits.Namespace:
        """The namespace, if the caller may use it."""
        checked = limits.check_namespace(namespace)
        self._access.check(call.peer.identity, checked, writes=writes)
        return checked

    def _newest(self) -> int:
        return self._store.applied.version

    def _clock(self) -> int:
        """The store's clock."""
        return self._store.tick(self._now_ms())

    def _read_at(self, at_version: int) -> tuple[int, int]:
        """The version to read at, and the time by which what has ended is not seen: none where a version is named."""
        version = self._store.read_version(limits.check_version(at_version, "at_version"))
        return version, 0 if at_version else self._clock()


def _watched(page: Page) -> WatchResponse:
    """A message of a watch."""
    return WatchResponse(changes=(messages.change(v, c) for v, c in page.changes), version=page.position)


def _pushing(interest: Interest, place: Place, call: DirectCall) -> Push:
    """What tells a watcher of a batch while it sleeps: to wake it first would cost four times as much."""

    def push(commits: Sequence[Commit]) -> bool:
        page = page_of(commits, interest, commits[0].version - 1)
        if page.position < commits[-1].version or not call.push(_watched(page).SerializeToString()):
            return False
        place.position = page.position
        return True

    return push
