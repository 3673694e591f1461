"""Snapshots between members, each on a connection of its own: what is sent, and what arrives.

Neither side holds more than a few chunks: the sender waits until the transport has room, the receiver reads nothing
while its node has not taken what came.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable

from chainfire.core.peerevents import Event, SnapshotBroken
from chainfire.core.peerwire import (
    CHUNK_BYTES_MAX,
    Chunk,
    Purpose,
    Refusal,
    SnapshotSum,
    StreamAbort,
    StreamTaken,
)
from chainfire.shell.peer_dial import CannotConnectError, dial
from chainfire.shell.peer_protocol import PeerProtocol
from chainfire.shell.peer_site import Site
from ultracloud.base.faults import DataLossError, Fault, UnavailableError
from ultracloud.raft.messages import Install

WAITING_BYTES_MAX = 4 << 20
"""Of a snapshot, what waits for our node before we stop reading."""
TAKEN_S = 600.0
"""How long the receiver may take to store what it has: the largest state on a slow disk."""
_log = logging.getLogger("chainfire.peers")

Source = Callable[[], AsyncIterator[bytes]]


async def send_snapshot(site: Site, url: str, install: Install, source: Source) -> bool:
    """Send a snapshot; whether the peer has stored it."""
    problem = await _send(site, url, install, source)
    traffic = site.traffic_of(install.to)
    if problem:
        traffic.snapshots_failed += 1
        _log.warning("the snapshot as of %d did not reach member %x: %s", install.mark.index, install.to, problem)
        return False
    traffic.snapshots_sent += 1
    _log.info("member %x has stored the snapshot as of %d", install.to, install.mark.index)
    return True


async def _send(site: Site, url: str, install: Install, source: Source) -> str:
    """Send a snapshot; what went wrong, or nothing."""
    verdict: asyncio.Future[str] = site.loop.create_future()

    def take(_protocol: PeerProtocol, event: Event) -> None:
        if isinstance(event, StreamTaken | SnapshotBroken) and not verdict.done():
            verdict.set_result(event.sentence if isinstance(event, SnapshotBroken) else "")

    try:
        protocol = await dial(site, url, install.to, Purpose.SNAPSHOT, take)
    except CannotConnectError as error:
        return str(error)
    protocol.say(install)
    try:
        await _pour(protocol, source(), verdict)
        await asyncio.wait((verdict, protocol.gone), timeout=TAKEN_S, return_when=asyncio.FIRST_COMPLETED)
    except Fault as error:
        protocol.say(StreamAbort(error.public))
        return verdict.result() if verdict.done() else str(error)
    except OSError as error:
        protocol.say(StreamAbort("the sender cannot read its snapshot"))
        return f"it cannot be read: {error.strerror or error}"
    finally:
        protocol.close(Refusal.LEAVING, "the snapshot stream is over")
    if verdict.done():
        return verdict.result()
    return protocol.gone.result() if protocol.gone.done() else f"it was not stored within {TAKEN_S:g} s"


async def _pour(protocol: PeerProtocol, octets: AsyncIterator[bytes], verdict: asyncio.Future[str]) -> None:
    """Send the bytes and what they come to, unless the receiver has heard enough."""
    total = SnapshotSum()
    try:
        async for read in octets:
            for at in range(0, len(read), CHUNK_BYTES_MAX):
                piece = read[at : at + CHUNK_BYTES_MAX]
                total.add(piece)
                protocol.say(Chunk(piece))
                await protocol.wait_writable()
                # A source that never waits must not hold up everything else.
                await asyncio.sleep(0)
                if verdict.done():
                    return
        protocol.say(total.end())
    finally:
        # It holds a file, which nobody else closes as long as the generator is not collected.
        if isinstance(octets, AsyncGenerator):
            await octets.aclose()


class Arriving:
    """A snapshot that comes, as the chunks that the node reads.

    Args:
        site: What all connections share.
        protocol: Where it comes.
        install: What it is of.
    """

    def __init__(self, site: Site, protocol: PeerProtocol, install: Install) -> None:
        self.install = install
        self._site = site
        self.protocol = protocol
        self._waiting: deque[bytes] = deque()
        self._waiting_bytes = 0
        self._is_whole = False
        self._broken: Fault | None = None
        self._news = asyncio.Event()
        self.over = asyncio.Event()
        """Set once the node is done with it, whatever came of it."""

    def add(self, octets: bytes) -> None:
        """The next bytes came."""
        self._waiting.append(octets)
        self._waiting_bytes += len(octets)
        self._news.set()
        if self._waiting_bytes >= WAITING_BYTES_MAX:
            self.protocol.pause_reading()

    def end(self) -> None:
        """All came, and it is what was sent."""
        self._is_whole = True
        self._news.set()

    def break_off(self, sentence: str, *, is_damaged: bool = False) -> None:
        """Nothing more comes; after the end this means nothing."""
        if not self._is_whole and self._broken is None:
            public = f"the snapshot of member {self.install.sender:x} broke off: {sentence}"
            self._broken = DataLossError(public) if is_damaged else UnavailableError(public)
            self._news.set()

    async def chunks(self) -> AsyncIterator[bytes]:
        """The bytes, as they come.

        Raises:
            UnavailableError: The stream broke.
            DataLossError: What came is not what was sent.
        """
        while True:
            while self._waiting and self._broken is None:
                octets = self._waiting.popleft()
                self._waiting_bytes -= len(octets)
                if self._waiting_bytes < WAITING_BYTES_MAX // 2:
                    self.protocol.resume_reading()
                yield octets
            if self._broken is not None:
                raise self._broken
            if self._is_whole:
                return
            self._news.clear()
            await self._news.wait()

    async def store(self) -> None:
        """Let the node store it, and tell the sender."""
        work = self._site.callbacks.receive_snapshot(self.install, self.chunks())
        task = self._site.loop.create_task(work, name=f"snapshot of member {self.install.sender:x}")
        try:
            await asyncio.wait((task,))
        finally:
            task.cancel()
            await asyncio.wait((task,))
            self.over.set()
        fault = self._site.fault_of(task)
        traffic = self._site.traffic_of(self.install.sender)
        if fault is None and self._is_whole:
            traffic.snapshots_received += 1
            self.protocol.say(StreamTaken())
            return
        traffic.snapshots_failed += 1
        public = fault.public if fault is not None else "it was not read to its end"
        _log.warning("the snapshot as of %d was not stored: %s", self.install.mark.index, fault or public)
        self.protocol.say(StreamAbort(public))
        self.protocol.close(Refusal.LEAVING, public)
