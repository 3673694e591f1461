"""Eventual namespaces to a backup and back: of each key its value, its end, and the stamp of who wrote it.

A restore takes stamps along: what the server has that is later stays, and nothing is deleted. One that replaces writes
anew what the backup has, and deletes the rest: that is later than all before, on every store.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flaredb.core.backup import EventualRecords, Head
from flaredb.core.eventual_clock import Stamp
from flaredb.core.eventual_copying import RESTORE_BYTES_MAX, RESTORE_KEYS_MAX
from flaredb.core.eventual_errors import REASON_NOT_LISTED
from flaredb.core.eventual_records import Stamped
from flaredb.core.limits import SCAN_LIMIT_MAX
from flaredb.core.region import StoreId
from flaredb.core.visibility import is_ended
from ultracloud.api.flaredb.v1 import eventual_pb2 as pb
from ultracloud.api.flaredb.v1.eventual_rpc import EventualClient
from ultracloud.api.flaredb.v1.flaredb_pb2 import DeleteRequest, PutRequest, ScanRequest
from ultracloud.api.flaredb.v1.flaredb_rpc import KvClient
from ultracloud.base.faults import FailedPreconditionError, InvalidArgumentError, UnimplementedError
from ultracloud.servicekit.errors import StartError

WRITES_AT_ONCE = 64
"""Puts and Deletes under way: as many share a sync."""


@dataclass(slots=True)
class EventualRestored:
    """What became of the keys of an eventual namespace.

    Attributes:
        written: They have the backup's value now.
        there: They had it, by that very write.
        later: They have a later one, or were deleted later, and keep that.
        ended: Their end has come.
        deleted: The backup has none of them: only where what is there is replaced.
    """

    written: int = 0
    there: int = 0
    later: int = 0
    ended: int = 0
    deleted: int = 0


async def names(client: EventualClient) -> tuple[str, ...]:
    """The eventual namespaces of a server."""
    try:
        return tuple((await client.names(pb.NamesRequest())).namespaces)
    except UnimplementedError:
        return ()


async def is_eventual(client: EventualClient, namespace: str) -> bool:
    """Whether a namespace is, for a caller who may read it and perhaps not list them."""
    try:
        await client.dump(pb.DumpRequest(namespace=namespace, limit=1))
    except UnimplementedError:
        return False
    except FailedPreconditionError as error:
        if error.reason != REASON_NOT_LISTED:
            raise
        return False
    return True


async def pages(client: EventualClient, namespace: str) -> AsyncIterator[list[Stamped]]:
    """All keys of one, each page as of its moment."""
    request, more = pb.DumpRequest(namespace=namespace, limit=SCAN_LIMIT_MAX), True
    while more:
        page = await client.dump(request)
        more = page.more
        if page.keys:
            request.start = page.keys[-1].key + b"\x00"
            yield [_stamped(each) for each in page.keys]


async def check_targets(client: EventualClient, head: Head, targets: Mapping[str, str]) -> None:
    """Pass if each namespace goes where it can be what it was.

    Raises:
        StartError: One is eventual in the backup and not on the server, or the other way.
    """
    for name, target in targets.items():
        was = name in head.eventual
        if await is_eventual(client, target) == was:
            continue
        if was:
            raise StartError(
                f"namespace '{name}' of the backup is eventual and '{target}' of the server is not: list it in the "
                f'configuration of all its stores, [eventual] namespaces = ["{target}"], or restore others with -n'
            )
        raise StartError(
            f"namespace '{target}' is eventual on the server and '{name}' of the backup is not: take it off the list "
            "[eventual] of its configuration, or restore --into another name"
        )


class EventualRestore:
    """A restore of one eventual namespace under way."""

    def __init__(self, client: EventualClient, kv: KvClient, target: str, *, replaces: bool) -> None:
        self.told = EventualRestored()
        self._client = client
        self._kv = kv
        self._target = target
        self._replaces = replaces
        self._start = b""

    async def write(self, part: EventualRecords) -> None:
        """Write the next keys."""
        if self._replaces:
            await self._replace(part.found)
            return
        for batch in _batches(part.found):
            request = pb.RestoreRequest(namespace=self._target, keys=map(_message, batch))
            done = await self._client.restore(request)
            told = self.told
            told.written, told.there = told.written + done.written, told.there + done.same
            told.later, told.ended = told.later + done.later, told.ended + done.ended

    async def end(self) -> None:
        """That was all: what the server has beyond goes, if it is replaced."""
        if self._replaces:
            await self._delete_others(frozenset(), b"")

    async def _replace(self, found: Sequence[Stamped]) -> None:
        if not found:
            return
        now_ms = int(time.time() * 1000)
        left = [each for each in found if not is_ended(each.expires_at_ms, now_ms)]
        self.told.ended += len(found) - len(left)
        end = found[-1].key + b"\x00"
        await self._delete_others(frozenset(each.key for each in left), end)
        await _at_once(self._put, left)
        self._start = end

    async def _delete_others(self, kept: frozenset[bytes], end: bytes) -> None:
        """Delete what the server has up to `end`, but what is kept."""
        start, more = self._start, True
        while more:
            request = ScanRequest(namespace=self._target, start=start, end=end, limit=SCAN_LIMIT_MAX, keys_only=True)
            page = await self._kv.scan(request)
            await _at_once(self._delete, [kv.key for kv in page.kvs if kv.key not in kept])
            start, more = (page.kvs[-1].key + b"\x00" if page.kvs else start), page.more

    async def _put(self, each: Stamped) -> None:
        request = PutRequest(namespace=self._target, key=each.key, value=each.value, expires_at_ms=each.expires_at_ms)
        try:
            await self._kv.put(request)
        except InvalidArgumentError as error:
            if error.reason != "EXPIRY_RANGE":
                raise
            # By the server's clock, which decides, it has ended.
            self.told.ended += 1
            await self._kv.delete(DeleteRequest(namespace=self._target, key=each.key))
        else:
            self.told.written += 1

    async def _delete(self, key: bytes) -> None:
        await self._kv.delete(DeleteRequest(namespace=self._target, key=key))
        self.told.deleted += 1


async def _at_once(write: Callable[[Any], Coroutine[Any, Any, None]], each: Sequence[Any]) -> None:
    """Do this with each, some at once; all have ended before one's error goes up."""
    for begin in range(0, len(each), WRITES_AT_ONCE):
        done = await asyncio.gather(*map(write, each[begin : begin + WRITES_AT_ONCE]), return_exceptions=True)
        for error in done:
            if error is not None:
                raise error


def _batches(found: Sequence[Stamped]) -> Iterator[Sequence[Stamped]]:
    """Keys in pieces, each of which is one request."""
    begin, size_bytes = 0, 0
    for at, each in enumerate(found):
        if at - begin == RESTORE_KEYS_MAX or size_bytes >= RESTORE_BYTES_MAX:
            yield found[begin:at]
            begin, size_bytes = at, 0
        size_bytes += len(each.key) + len(each.value)
    if begin < len(found):
        yield found[begin:]


def _message(each: Stamped) -> pb.StampedKey:
    stamp = each.stamp
    return pb.StampedKey(
        key=each.key, value=each.value, expires_at_ms=each.expires_at_ms, time=stamp.time, store=stamp.store
    )


def _stamped(each: pb.StampedKey) -> Stamped:
    return Stamped(each.key, each.value, Stamp(each.time, StoreId(each.store)), each.expires_at_ms)
