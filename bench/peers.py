"""`./dev bench peers`: what it costs members to talk, over our connections and over grpc.aio.

Both ends run in this process, on one loop, so the processor's time of a message counts sender, receiver and system
calls. Both carry the same bytes, made and read by the same codec: what differs is the way there. Runs alternate, and a
row is the best run of each.

Source: docs/adr/0009-peer-protocol.md for what the figures decide.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import platform
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import grpc
import uvloop

from chainfire.core import peerraft
from chainfire.core.peerframes import HEAD_BYTES
from chainfire.core.peerraft import EntryColumns
from chainfire.shell.peers import LocalMember, Peers
from ultracloud.raft.messages import Append, Heartbeat, HeartbeatReply, Install, Message
from ultracloud.raft.words import Entry, EntryKind, NodeId, SnapshotMark

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "bench" / "results" / "peers.jsonl"
RUNS = 5
PEER = f"grpc.aio {grpc.__version__} on uvloop"
ONE, TWO = NodeId(1), NodeId(2)
HEARTBEAT = Heartbeat(TWO, ONE, 1, 5, 6)
REPLY = HeartbeatReply(ONE, TWO, 1, 6)
ENTRIES = tuple(Entry(index, 1, EntryKind.NORMAL, bytes(256)) for index in range(6, 1006))
KIND_MASK = 63


class Way(Protocol):
    """A way between two members."""

    async def rounds(self, count: int) -> None:
        """Send heartbeats, each once the one before is answered."""
        ...

    async def stream(self, message: Message, count: int) -> None:
        """Send a message many times, each in a turn of its own, and wait until all have come."""
        ...

    async def calls(self, count: int) -> None:
        """Ask, each once the one before is answered."""
        ...


@dataclass
class Node:
    """What a member hears, and how it answers."""

    answer_with: Callable[[], None] = lambda: None
    heard: int = 0
    wanted: int = 0
    done: asyncio.Event = field(default_factory=asyncio.Event)

    def receive(self, messages: Sequence[Message], /) -> None:
        """Answer heartbeats, count the rest."""
        self.heard += len(messages)
        if isinstance(messages[0], Heartbeat):
            self.answer_with()
        if self.heard >= self.wanted:
            self.done.set()

    async def wait(self, wanted: int) -> None:
        """Wait until so many came."""
        self.wanted = wanted
        self.done.clear()
        if self.heard < wanted:
            await self.done.wait()

    async def answer(self, _sender: NodeId, _kind: int, body: bytes, /) -> bytes:
        """Give a call back."""
        return body

    async def receive_snapshot(self, _install: Install, chunks: AsyncIterator[bytes], /) -> None:
        """Read a snapshot."""
        async for _ in chunks:
            pass

    def gone(self, peer: NodeId, /) -> None:
        """Nobody listens there."""

    def unreachable(self, peer: NodeId, /) -> None:
        """Nothing is lost here."""

    def snapshot_sent(self, to: NodeId, mark: SnapshotMark, ok: bool, /) -> None:  # noqa: FBT001 - as peers call it
        """None is sent here."""


@dataclass
class Ours:
    """Two members over our connections."""

    one: Peers
    two: Peers
    at_one: Node
    at_two: Node

    async def rounds(self, count: int) -> None:
        """See `Way`."""
        self.at_two.answer_with = lambda: self.two.send([REPLY])
        for _ in range(count):
            wanted = self.at_one.heard + 1
            self.one.send([HEARTBEAT])
            await self.at_one.wait(wanted)

    async def stream(self, message: Message, count: int) -> None:
        """See `Way`."""
        wanted = self.at_two.heard + count
        for _ in range(count):
            self.one.send([message])
            await asyncio.sleep(0)
        await self.at_two.wait(wanted)

    async def calls(self, count: int) -> None:
        """See `Way`."""
        for _ in range(count):
            await self.one.call(TWO, 1, b"who?", 5)


@contextlib.asynccontextmanager
async def ours() -> AsyncIterator[Way]:
    """Two members that have met."""
    at_one, at_two = Node(), Node()
    one, two = Peers(LocalMember(7, ONE), None, at_one), Peers(LocalMember(7, TWO), None, at_two)
    urls = {}
    for node, peers in ((ONE, one), (TWO, two)):
        host, port = await peers.listen("127.0.0.1", 0)
        urls[node] = [f"http://{host}:{port}"]
    one.update(urls)
    two.update(urls)
    while not (one.is_connected(TWO) and two.is_connected(ONE)):  # noqa: ASYNC110 - two sides, and only at the start
        await asyncio.sleep(0.01)
    yield Ours(one, two, at_one, at_two)
    await one.close()
    await two.close()


def packed(message: Message) -> bytes:
    """A message as our frame; gRPC frames it once more."""
    return b"".join(peerraft.render(message, EntryColumns()))


def unpacked(octets: bytes) -> Message:
    """What `packed` made."""
    return peerraft.parse(octets[0] & KIND_MASK, octets[HEAD_BYTES:])


class Theirs:
    """The same over a stream in each direction, and unary calls."""

    def __init__(self, channel: grpc.aio.Channel, heard: list[int]) -> None:
        self._heard = heard
        self._stream: grpc.aio.StreamStreamCall[bytes, bytes] = channel.stream_stream("/peer/Talk")()
        self._call: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary("/peer/Ask")

    async def rounds(self, count: int) -> None:
        """See `Way`."""
        for _ in range(count):
            await self._stream.write(packed(HEARTBEAT))
            reply = await self._stream.read()
            assert isinstance(reply, bytes)
            unpacked(reply)

    async def stream(self, message: Message, count: int) -> None:
        """See `Way`."""
        self._heard[0] = 0
        for _ in range(count):
            await self._stream.write(packed(message))
        while self._heard[0] < count:  # noqa: ASYNC110 - the end of a second's work
            await asyncio.sleep(0.001)

    async def calls(self, count: int) -> None:
        """See `Way`."""
        for _ in range(count):
            await self._call(b"who?")


@contextlib.asynccontextmanager
async def theirs() -> AsyncIterator[Way]:
    """A server and a client of grpc.aio, which carry bytes without looking into them."""
    heard = [0]

    async def talk(requests: AsyncIterator[bytes], _context: object) -> AsyncIterator[bytes]:
        async for request in requests:
            heard[0] += 1
            if isinstance(unpacked(request), Heartbeat):
                yield packed(REPLY)

    async def ask(request: bytes, _context: object) -> bytes:
        return request

    handlers: dict[str, Any] = {
        "Talk": grpc.stream_stream_rpc_method_handler(talk),
        "Ask": grpc.unary_unary_rpc_method_handler(ask),
    }
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("peer", handlers),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield Theirs(channel, heard)
    await server.stop(0)


def append(count: int) -> Append:
    """A message with so many entries of 256 bytes."""
    return Append(TWO, ONE, 1, 5, 1, 5, ENTRIES[:count])


@dataclass(frozen=True)
class Workload:
    """What is measured; `units` is what one message counts for."""

    what: str
    run: Callable[[Way, int], Awaitable[None]]
    count: int
    units: int = 1


WORKLOADS = (
    Workload("heartbeat and its answer", lambda way, count: way.rounds(count), 4000),
    Workload("append of one entry, one way", lambda way, count: way.stream(append(1), count), 10_000),
    Workload(
        "append of 1000 entries, one way, an entry", lambda way, count: way.stream(append(1000), count), 100, 1000
    ),
    Workload("call and its answer", lambda way, count: way.calls(count), 4000),
)


async def measured(way: Way, workload: Workload) -> tuple[float, float]:
    """Microseconds of processor and of wall clock for each unit."""
    await workload.run(way, workload.count // 10)
    wall_s, processor_s = time.perf_counter(), time.process_time()
    await workload.run(way, workload.count)
    spent = (time.process_time() - processor_s, time.perf_counter() - wall_s)
    return tuple(1e6 * each / workload.count / workload.units for each in spent)  # type: ignore[return-value]


async def compare(workload: Workload) -> dict[str, object]:
    """The row of one workload."""
    best: list[tuple[float, float]] = []
    async with ours() as our_way, theirs() as their_way:
        for _ in range(RUNS):
            best += [await measured(our_way, workload), await measured(their_way, workload)]
    mine, other = min(best[::2]), min(best[1::2])
    return {
        "what": workload.what,
        "ours": round(mine[0], 2),
        "peer": round(other[0], 2),
        "peer_name": PEER,
        "unit": "us of CPU",
        "ratio": round(other[0] / mine[0], 2),
        "ours_wall_us": round(mine[1], 2),
        "peer_wall_us": round(other[1], 2),
    }


async def run(commit: str) -> None:
    """Measure everything, print it and keep it."""
    machine = f"{platform.system()} {platform.release()}, Python {platform.python_version()}"
    lines = []
    for workload in WORKLOADS:
        row = {"commit": commit, "machine": machine, **await compare(workload)}
        print(f"{row['what']:45} {row['ours']:>8} us, {row['peer']:>8} us: {row['ratio']} times")
        lines.append(json.dumps(row))
    RESULTS.write_text("\n".join(lines) + "\n")


def main() -> int:
    """Run."""
    asked = ["git", "rev-parse", "--short", "HEAD"]
    commit = subprocess.run(asked, cwd=ROOT, capture_output=True, text=True, check=True)
    uvloop.run(run(commit.stdout.strip()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
