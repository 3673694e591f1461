"""A restore into a store in this process, whose clock and whose other writers a test has in hand."""

from __future__ import annotations

import asyncio
import inspect
import io
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any, cast

import pytest

from flaredb.core.access import Access
from flaredb.core.backup import Head, Writer
from flaredb.core.retention import History
from flaredb.core.visibility import Found
from flaredb.shell.backup_restore import Restore, Restored, Wanted
from flaredb.shell.committer import Committer
from flaredb.shell.rpc import KvService
from flaredb.shell.store import Store
from flaredb.shell.watchers import Watchers
from flaredb.testing import MemoryEngine
from ultracloud.api.flaredb.v1 import flaredb_pb2 as pb
from ultracloud.api.flaredb.v1.eventual_rpc import EventualClient
from ultracloud.api.flaredb.v1.flaredb_rpc import KvClient
from ultracloud.base.faults import UnimplementedError
from ultracloud.servicekit.errors import StartError

CALL = SimpleNamespace(peer=SimpleNamespace(identity=None))
LATER_MS = 3_600_000


class NotServed:
    """What a server says of eventual namespaces that has none."""

    async def dump(self, _request: Any) -> Any:
        raise UnimplementedError("this server has no such method")


class Pipe:
    """A backup that can be read once; `between` happens before each read."""

    is_repeatable = False

    def __init__(self, raw: bytes, between: Callable[[], None] = lambda: None) -> None:
        self._file = io.BytesIO(raw)
        self._between = between

    def read(self, size: int) -> bytes:
        self._between()
        return self._file.read(size)

    def rewind(self) -> None:
        raise AssertionError

    def close(self) -> None:
        pass


@asynccontextmanager
async def store(history: History, ahead_ms: int = 0) -> AsyncIterator[Any]:
    """The service of a new store, called as a client calls it; its clock is ahead of ours."""
    kept, watchers = Store(MemoryEngine(), history, 100), Watchers()

    def now_ms() -> int:
        return int(time.time() * 1000) + ahead_ms

    committer = Committer(kept, now_ms=now_ms, free_bytes=lambda: 1, reserve_bytes=0, committed=watchers.tell)
    service = KvService(kept, committer, watchers, Access({}, is_open=True), now_ms)

    def calling(method: str) -> Callable[[Any], Awaitable[Any]]:
        async def call(request: Any) -> Any:
            answer = getattr(service, method)(request, CALL)
            return await answer if inspect.isawaitable(answer) else answer

        return call

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(committer.run())
        try:
            yield SimpleNamespace(**{name: calling(name) for name in ("scan", "txn", "put", "batch_get", "get")})
        finally:
            committer.close()


def backup(*pages: list[Found]) -> bytes:
    writer = Writer(Head(90, 1, ("iam",), is_whole=True, writer="a test"))
    return writer.begin() + b"".join(writer.records("iam", page) for page in pages) + writer.end()


def restore(kv: Any, source: Pipe) -> Restore:
    return Restore(cast("KvClient", kv), cast("EventualClient", NotServed()), source, Wanted(), lambda *_: None)


def test_what_has_ended_by_the_servers_clock_alone_is_left_out(history: History):
    now_ms = int(time.time() * 1000)
    ends = [now_ms + LATER_MS + 1000 * n for n in (5, -3, 0, -9)]
    page = [Found(b"%d" % n, b"v", 1, ends_ms) for n, ends_ms in enumerate(ends)] + [Found(b"stays", b"v", 1)]

    async def main() -> None:
        async with store(history, ahead_ms=LATER_MS + 500) as kv:
            work = restore(kv, Pipe(backup(page)))
            await work.write(None)
            assert work.told == {"iam": Restored(written=2, there=0, ended=3)}
            left = (await kv.scan(pb.ScanRequest(namespace="iam"))).kvs
            assert [(each.key, each.expires_at_ms) for each in left] == [(b"0", ends[0]), (b"stays", 0)]

    asyncio.run(main())


@pytest.mark.parametrize(("value", "is_same"), [(b"v", True), (b"other", False)])
def test_a_key_that_somebody_writes_meanwhile_is_noticed(history: History, value: bytes, is_same: bool):  # noqa: FBT001
    async def main() -> None:
        loop = asyncio.get_running_loop()
        async with store(history) as kv:
            put = pb.PutRequest(namespace="iam", key=b"c", value=value)
            reads: list[int] = []

            def between() -> None:
                # Once the first block is in, and so after the namespace was seen to be empty.
                reads.append(len(reads))
                if len(reads) == 10:
                    asyncio.run_coroutine_threadsafe(kv.put(put), loop).result()

            work = restore(
                kv, Pipe(backup([Found(b"a", b"v", 1)], [Found(b"b", b"v", 1), Found(b"c", b"v", 1)]), between)
            )
            if is_same:
                await work.write(None)
                assert work.told == {"iam": Restored(written=2, there=1)}
                return
            with pytest.raises(StartError, match=r"has the key 'c' with another value or end than the backup"):
                await work.write(None)
            assert work.told["iam"].written == 1
            assert not (await kv.get(pb.GetRequest(namespace="iam", key=b"b"))).HasField("kv")

    asyncio.run(main())
