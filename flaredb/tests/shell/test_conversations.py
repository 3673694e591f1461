"""Conversations with the Kv service, as a person reads them: tests/golden/*.txt.

A line after `>` is said, the lines below it are the answers. UPDATE_GOLDENS=1 writes what is answered now.

    > put iam a=1                       > delete iam a          > get iam a [at 3]
    > txn iam if a@2 b@0 then a=1 b! c..d! n+=1  > deleterange iam a..c [limit 2]  > increment iam n 5
    > put iam a=1 ttl 5  > put iam a=1 until 7000  > txn iam a=1 b+=2 ttl 5 (of each write)
    > pass 1000 (milliseconds)  > expire (what has ended is deleted)
    > cas iam a@2 =1 (or !)  > scan iam a..c limit 2 [reverse] [keys] [at 3]
    > watch w iam a..c after 1          > next w                > age 70000 (milliseconds pass, history is swept)
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from flaredb.core.access import Access
from flaredb.core.retention import History
from flaredb.shell.committer import Committer
from flaredb.shell.expirer import Expirer
from flaredb.shell.rpc import KvService
from flaredb.shell.store import Store
from flaredb.shell.watchers import Watchers
from flaredb.testing import MemoryEngine
from ultracloud.api.flaredb.v1 import flaredb_pb2 as pb
from ultracloud.base.faults import Fault
from ultracloud.servicekit.clock import SystemClock
from ultracloud.testkit import golden

FOLDER = Path(__file__).parent.parent / "golden"
GOLDENS = sorted(path for path in FOLDER.glob("*.txt") if not path.name.startswith(("placement_", "cluster_")))
TURNS = 50
"""Turns of the loop after which a watch that has not answered has nothing to say."""


class PassingClock(SystemClock):
    """The conversation's time, which passes only when told to."""

    def __init__(self, time: SimpleNamespace) -> None:
        self.time = time

    def now_ms(self) -> int:
        return int(self.time.now_ms)


@dataclass
class Talk:
    """A service, and the watches that a conversation opened."""

    store: Store
    service: KvService
    clock: SimpleNamespace
    expirer: Expirer
    watches: dict[str, Any] = field(default_factory=dict)
    identity: str | None = None

    @property
    def call(self) -> Any:
        return SimpleNamespace(peer=SimpleNamespace(identity=self.identity))

    async def answer(self, line: str) -> str:
        verb, *words = line.split()
        try:
            return str(await getattr(self, f"say_{verb}")(*words))
        except Fault as fault:
            return f"{fault.code_name} {fault.reason}: {fault.public}"

    async def say_as(self, identity: str) -> str:
        self.identity = None if identity == "nobody" else f"spiffe://ultracloud.local/{identity}"
        return f"now {identity}"

    async def say_put(self, namespace: str, write: str, *end: str) -> str:
        key, value = write.split("=")
        request = pb.PutRequest(namespace=namespace, key=key.encode(), value=value.encode(), **_end(end))
        return f"version {(await self.service.put(request, self.call)).version}"

    async def say_delete(self, namespace: str, key: str) -> str:
        request = pb.DeleteRequest(namespace=namespace, key=key.encode())
        return f"version {(await self.service.delete(request, self.call)).version}"

    async def say_deleterange(self, namespace: str, span: str, _limit: str = "", limit: str = "0") -> str:
        start, end = (bound.encode() for bound in span.split(".."))
        request = pb.DeleteRangeRequest(namespace=namespace, start=start, end=end, limit=int(limit))
        answer = await self.service.delete_range(request, self.call)
        more = f", more from {answer.next_start.decode()}" if answer.more else ""
        return f"version {answer.version}, deleted {answer.deleted}{more}"

    async def say_increment(self, namespace: str, key: str, delta: str, *end: str) -> str:
        request = pb.IncrementRequest(namespace=namespace, key=key.encode(), delta=int(delta), **_end(end))
        answer = await self.service.increment(request, self.call)
        return f"{answer.value}, version {answer.version}"

    async def say_get(self, namespace: str, key: str, _at: str = "", at: str = "0") -> str:
        request = pb.GetRequest(namespace=namespace, key=key.encode(), at_version=int(at))
        answer = self.service.get(request, self.call)
        return f"{_entry(answer.kv) if answer.HasField('kv') else 'nothing'} (read at {answer.read_version})"

    async def say_batch(self, namespace: str, *keys: str) -> str:
        request = pb.BatchGetRequest(namespace=namespace, keys=[key.encode() for key in keys])
        answer = self.service.batch_get(request, self.call)
        return f"{' '.join(map(_entry, answer.kvs))} (read at {answer.read_version})"

    async def say_scan(self, namespace: str, span: str, *words: str) -> str:
        start, end = (bound.encode() for bound in span.split(".."))
        request = pb.ScanRequest(namespace=namespace, start=start, end=end, reverse="reverse" in words)
        request.keys_only = "keys" in words
        request.limit = int(words[words.index("limit") + 1]) if "limit" in words else 0
        request.at_version = int(words[words.index("at") + 1]) if "at" in words else 0
        answer = self.service.scan(request, self.call)
        assert isinstance(answer, pb.ScanResponse)
        more = ", more" if answer.more else ""
        return f"{' '.join(map(_entry, answer.kvs)) or 'nothing'} (read at {answer.read_version}{more})"

    async def say_cas(self, namespace: str, compared: str, write: str) -> str:
        key, expected = compared.split("@")
        request = pb.CompareAndSetRequest(namespace=namespace, key=key.encode(), expected_version=int(expected))
        if write != "!":
            request.value = write.removeprefix("=").encode()
        answer = await self.service.compare_and_set(request, self.call)
        return f"{'succeeded' if answer.succeeded else 'failed'}, version {answer.version}"

    async def say_txn(self, namespace: str, *words: str) -> str:
        end = _end(words[-2:])
        request = pb.TxnRequest(namespace=namespace)
        for word in words:
            if "@" in word:
                key, expected = word.split("@")
                request.comparisons.add(key=key.encode(), expected_version=int(expected))
            elif "+=" in word:
                key, delta = word.split("+=")
                request.writes.add(key=key.encode(), increment=int(delta), **end)
            elif "=" in word:
                key, value = word.split("=")
                request.writes.add(key=key.encode(), value=value.encode(), **end)
            elif ".." in word:
                key, stop = word.removesuffix("!").split("..")
                request.writes.add(key=key.encode(), range_end=stop.encode(), **end)
            elif word.endswith("!"):
                request.writes.add(key=word[:-1].encode(), **end)
        answer = await self.service.txn(request, self.call)
        failed = "".join(f", {c.key.decode()} has {c.expected_version}" for c in answer.failed)
        deleted = f", deleted {answer.deleted}" if answer.deleted else ""
        counted = f", counted {' '.join(map(str, answer.counters))}" if answer.counters else ""
        return f"{'succeeded' if answer.succeeded else 'failed'}, version {answer.version}{deleted}{counted}{failed}"

    async def say_watch(self, name: str, namespace: str, span: str, _after: str, after: str) -> str:
        start, end = (bound.encode() for bound in span.split(".."))
        request = pb.WatchRequest(namespace=namespace, start=start, end=end, from_version=int(after))
        self.watches[name] = [self.service.watch(request, self.call), None]
        return "watching"

    async def say_next(self, name: str) -> str:
        watch, task = self.watches[name]
        task = task or asyncio.ensure_future(anext(watch))
        for _ in range(TURNS):
            await asyncio.sleep(0)
        self.watches[name][1] = None if task.done() else task
        if not task.done():
            return "nothing yet"
        answer = task.result()
        return f"{' '.join(map(_change, answer.changes)) or 'no change'} (up to {answer.version})"

    async def say_pass(self, milliseconds: str) -> str:
        self.clock.now_ms += int(milliseconds)
        return f"it is {self.clock.now_ms}"

    async def say_expire(self) -> str:
        await self.expirer.delete_due()
        return f"version {self.store.applied.version}"

    async def say_age(self, milliseconds: str) -> str:
        self.clock.now_ms += int(milliseconds)
        self.store.raise_floor(self.clock.now_ms)
        while self.store.sweep_slice():
            pass
        return f"history is kept after version {self.store.floor}"


@asynccontextmanager
async def talking(*, is_open: bool) -> AsyncIterator[Talk]:
    clock = SimpleNamespace(now_ms=0)
    store, watchers = Store(MemoryEngine(), History(60_000, 10_000, 10_000_000)), Watchers()
    committer = Committer(
        store, now_ms=lambda: clock.now_ms, free_bytes=lambda: 1, reserve_bytes=0, committed=watchers.tell
    )
    access = Access({}, is_open=is_open)
    expirer = Expirer(store, committer, PassingClock(clock))
    talk = Talk(store, KvService(store, committer, watchers, access, lambda: clock.now_ms), clock, expirer)
    async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
        tasks.create_task(committer.run())
        yield talk
        committer.close()
        for watch, task in talk.watches.values():
            if task is not None:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
            await watch.aclose()
        assert watchers.count == 0


@pytest.mark.parametrize("path", GOLDENS, ids=lambda path: path.stem)
def test_a_conversation_goes_as_written(path: Path):
    is_open = "> as " not in path.read_text()

    async def main() -> None:
        async with talking(is_open=is_open) as talk:
            await golden.check_conversation_async(path, talk.answer)

    asyncio.run(main())


def _end(words: Sequence[str]) -> dict[str, int]:
    match words:
        case ("ttl", seconds):
            return {"ttl_s": int(seconds)}
        case ("until", milliseconds):
            return {"expires_at_ms": int(milliseconds)}
        case _:
            return {}


def _entry(kv: pb.KeyValue) -> str:
    return f"{kv.key.decode()}={kv.value.decode()}@{kv.version}{_until(kv.expires_at_ms)}"


def _until(expires_at_ms: int) -> str:
    return f"(until {expires_at_ms})" if expires_at_ms else ""


def _change(change: pb.Change) -> str:
    value = f"={change.value.decode()}" if change.HasField("value") else "!"
    return f"{change.key.decode()}{value}@{change.version}{_until(change.expires_at_ms)}"
