"""Members that talk to each other over real sockets, and strangers that knock at their doors."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any, ParamSpec, cast

import uvloop

from chainfire.core.peerevents import Event
from chainfire.core.peerlink import Link, LocalMember
from chainfire.core.peerwire import Purpose
from chainfire.shell.peers import Peers, PeerTls
from ultracloud.base.faults import NotFoundError
from ultracloud.raft.messages import Append, Forward, Heartbeat, Install, Message
from ultracloud.raft.words import Entry, EntryKind, NodeId, SnapshotMark

P = ParamSpec("P")
CLUSTER = 7
PATIENCE_S = 5.0
"""Every wait of a test stands under this."""


def scene(test: Callable[P, Coroutine[Any, Any, None]]) -> Callable[P, None]:
    """Run a test on uvloop, as members run."""

    @functools.wraps(test)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        async def limited() -> None:
            async with asyncio.timeout(PATIENCE_S * 2):
                await test(*args, **kwargs)

        uvloop.run(limited())

    return run


async def until(is_so: Callable[[], object]) -> None:
    """Wait until something has come about."""
    async with asyncio.timeout(PATIENCE_S):
        while not is_so():  # noqa: ASYNC110 - what is waited for has no event
            await asyncio.sleep(0.002)


class Clock:
    """Real seconds, and those that a test adds."""

    def __init__(self) -> None:
        self.added_s = 0.0

    def __call__(self) -> float:
        return time.monotonic() + self.added_s


@dataclass
class Node:
    """What peers tell a member.

    Attributes:
        reads: The messages of each read.
        snapshots: Index and bytes of each that was stored.
        broken: Why others were not.
    """

    reads: list[Sequence[Message]] = field(default_factory=list)
    lost: list[NodeId] = field(default_factory=list)
    sent: list[tuple[NodeId, int, bool]] = field(default_factory=list)
    snapshots: list[tuple[int, int]] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    calls: list[tuple[NodeId, int]] = field(default_factory=list)
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    """Calls of kind 9 and snapshots with an odd index wait for it."""
    pause_s: float = 0.0
    """Between two chunks of a snapshot."""
    chunks: int = 0

    @property
    def messages(self) -> list[Message]:
        return [message for read in self.reads for message in read]

    def receive(self, messages: Sequence[Message], /) -> None:
        self.reads.append(messages)

    async def answer(self, sender: NodeId, kind: int, body: bytes, /) -> bytes:
        self.calls.append((sender, kind))
        if kind == 4:
            raise NotFoundError("lease 4 does not exist", reason="LEASE_GONE")
        if kind == 5:
            raise ValueError("a defect")
        if kind == 9:
            await self.gate.wait()
        return body[::-1]

    async def receive_snapshot(self, install: Install, chunks: AsyncIterator[bytes], /) -> None:
        count = 0
        try:
            async for chunk in chunks:
                count += len(chunk)
                self.chunks += 1
                if install.mark.index % 2:
                    await self.gate.wait()
        except Exception as error:
            self.broken.append(str(error))
            raise
        if install.mark.index == 404:
            raise NotFoundError("there is no room for the snapshot")
        self.snapshots.append((install.mark.index, count))

    def gone(self, peer: NodeId, /) -> None:
        """Nobody listens there."""

    def unreachable(self, peer: NodeId, /) -> None:
        self.lost.append(peer)

    def snapshot_sent(self, to: NodeId, mark: SnapshotMark, ok: bool, /) -> None:  # noqa: FBT001 - the callback's
        self.sent.append((to, mark.index, ok))


@dataclass
class Member:
    """A member and where it listens."""

    me: LocalMember
    node: Node
    peers: Peers
    clock: Clock
    host: str
    port: int
    scheme: str

    @property
    def id(self) -> NodeId:
        return self.me.member_id

    @property
    def urls(self) -> list[str]:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return [f"{self.scheme}://{host}:{self.port}"]

    def knows(self, *others: Member) -> None:
        """Make these its peers, and no others."""
        self.peers.update({other.id: other.urls for other in (self, *others)})

    def pass_time(self, seconds: int) -> None:
        """Let seconds pass for this member's connections."""
        for _ in range(seconds):
            self.clock.added_s += 1
            self.peers._tick()


@contextlib.asynccontextmanager
async def member(
    number: int, *, tls: PeerTls | None = None, cluster: int = CLUSTER, host: str = "127.0.0.1", port: int = 0
) -> AsyncIterator[Member]:
    """A member that listens."""
    me, node, clock = LocalMember(cluster, NodeId(number)), Node(), Clock()
    peers = Peers(me, tls, node, clock)
    bound, port = await peers.listen(host, port)
    try:
        yield Member(me, node, peers, clock, bound, port, "https" if tls else "http")
    finally:
        await peers.close()


@contextlib.asynccontextmanager
async def pair(tls: PeerTls | None = None, other_tls: PeerTls | None = None) -> AsyncIterator[tuple[Member, Member]]:
    """Two members that have met."""
    async with member(1, tls=tls) as one, member(2, tls=other_tls or tls) as two:
        one.knows(two)
        two.knows(one)
        await until(lambda: one.peers.is_connected(two.id) and two.peers.is_connected(one.id))
        yield one, two


def heartbeat(number: int, to: int = 2, sender: int = 1) -> Heartbeat:
    return Heartbeat(NodeId(to), NodeId(sender), 1, 0, number)


def forward(text: str, to: int = 2, sender: int = 1) -> Forward:
    return Forward(NodeId(to), NodeId(sender), 1, (text.encode(),))


def append(size: int, to: int = 2, sender: int = 1) -> Append:
    entry = Entry(6, 1, EntryKind.NORMAL, bytes(size))
    return Append(NodeId(to), NodeId(sender), 1, 5, 1, 5, (entry,))


def install(index: int, to: int = 2, sender: int = 1, term: int = 1) -> Install:
    return Install(NodeId(to), NodeId(sender), term, SnapshotMark(index, 1))


class Stranger(asyncio.Protocol):
    """One end of a connection that is driven by hand: the machine, without what members build around it."""

    def __init__(self, link: Link | None = None) -> None:
        self.link = link
        self.events: list[Event] = []
        self.heard = b""
        self.gone = asyncio.get_running_loop().create_future()
        self.transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.flush()

    def data_received(self, data: bytes) -> None:
        self.heard += data
        if self.link is not None:
            self.events += self.link.receive(data, time.monotonic())
            self.flush()

    def connection_lost(self, error: Exception | None) -> None:
        self.gone.set_result(error)

    def flush(self) -> None:
        if self.link is not None:
            self.transport.write(self.link.take_output())

    async def wait_event(self) -> None:
        await until(lambda: self.events)


async def knock(at: Member, purpose: Purpose | None = None, sender: int = 9) -> Stranger:
    """Connect to a member, and greet it if there is a purpose."""
    link = None
    if purpose is not None:
        link = Link.dial(LocalMember(CLUSTER, NodeId(sender)), at.id, purpose, time.monotonic())
    loop = asyncio.get_running_loop()
    _, stranger = await loop.create_connection(lambda: Stranger(link), at.host, at.port)
    return stranger


@contextlib.asynccontextmanager
async def door(make: Callable[[], Stranger]) -> AsyncIterator[tuple[str, list[Stranger]]]:
    """A listener whose connections are driven by hand: its URL, and those that came."""
    came: list[Stranger] = []

    def arrived() -> Stranger:
        came.append(make())
        return came[-1]

    server = await asyncio.get_running_loop().create_server(arrived, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", came
    finally:
        server.close()
        for each in came:
            each.transport.abort()


def reader_of(chunks: Sequence[bytes]) -> Callable[[], AsyncIterator[bytes]]:
    """A source of a snapshot."""

    async def source() -> AsyncIterator[bytes]:
        for chunk in chunks:
            yield chunk

    return source


async def finishes(work: Awaitable[Any]) -> None:
    """Wait for something under the test's patience."""
    async with asyncio.timeout(PATIENCE_S):
        await work
