"""How late a change is seen by a client in Python that watches: flaredb's Watch, PostgreSQL's LISTEN and NOTIFY.

PostgreSQL has no client of its own that measures this, so both are asked in the same language: what differs is the
server and the client library.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Callable

import asyncpg

from bench._flaredb_load import VALUE_BYTES
from ultracloud.api.flaredb.v1 import flaredb_pb2 as pb
from ultracloud.api.flaredb.v1.flaredb_rpc import KvClient
from ultracloud.servicekit.channels import connect

NAMESPACE = "plasmavmc"
NOTIFYING = """
WITH put AS (INSERT INTO kv VALUES (-1, $1) ON CONFLICT (id) DO UPDATE SET value = EXCLUDED.value RETURNING id)
SELECT pg_notify('kv', id::text) FROM put
"""
Put = Callable[[], Awaitable[object]]


def newest(port: int) -> int:
    """The newest version of a flaredb."""

    async def main() -> int:
        channel = connect(f"127.0.0.1:{port}")
        answer = await KvClient(channel).get(pb.GetRequest(namespace=NAMESPACE, key=b"none"))
        await channel.close()
        return answer.read_version

    return asyncio.run(main())


def feed_of_flaredb(port: int, key: bytes, puts: int) -> tuple[float, float]:
    """Milliseconds from a put's start until its watcher has it: of half, and of 99 of 100."""

    async def main() -> tuple[float, float]:
        channel = connect(f"127.0.0.1:{port}")
        kv, seen = KvClient(channel), asyncio.Queue[float]()
        version = (await kv.get(pb.GetRequest(namespace=NAMESPACE, key=key))).read_version
        request = pb.WatchRequest(namespace=NAMESPACE, start=key, end=key + b"\0", from_version=version)

        async def watch() -> None:
            async for message in kv.watch(request):
                if message.changes:
                    seen.put_nowait(time.monotonic())

        watching = asyncio.create_task(watch())
        put = pb.PutRequest(namespace=NAMESPACE, key=key, value=os.urandom(VALUE_BYTES))
        found = await _timed(lambda: kv.put(put), seen, puts)
        watching.cancel()
        await channel.close()
        return found

    return asyncio.run(main())


def feed_of_postgres(url: str, puts: int) -> tuple[float, float]:
    """The same for PostgreSQL."""

    async def main() -> tuple[float, float]:
        putting, listening = await asyncpg.connect(url), await asyncpg.connect(url)
        seen, value = asyncio.Queue[float](), os.urandom(VALUE_BYTES)
        await listening.add_listener("kv", lambda *_: seen.put_nowait(time.monotonic()))
        statement = await putting.prepare(NOTIFYING)
        found = await _timed(lambda: statement.fetch(value), seen, puts)
        await listening.close()
        await putting.close()
        return found

    return asyncio.run(main())


async def _timed(put: Put, seen: asyncio.Queue[float], puts: int) -> tuple[float, float]:
    spent_ms = []
    for _ in range(puts):
        began_s = time.monotonic()
        done = asyncio.ensure_future(put())
        spent_ms.append((await seen.get() - began_s) * 1000)
        await done
    spent_ms.sort()
    return spent_ms[len(spent_ms) // 2], spent_ms[len(spent_ms) * 99 // 100]
