"""Ways to other stores: a stream of letters to each, states on streams of their own, and channels for calls.

Nothing waits for a connection: Raft says again what matters, and what is late is worth less than what comes after it.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence
from typing import Any, TypeAlias

from flaredb.core.mail import render_install, render_mail
from flaredb.core.region import StoreId
from flaredb.core.region_node import Mail, Shipment
from flaredb.core.region_snapshot import Chunk
from flaredb.errors import MIB
from flaredb.shell.cluster_node import ClusterNode
from ultracloud.api.flaredb.v1 import peers_pb2 as pb
from ultracloud.api.flaredb.v1.peers_rpc import PeersClient
from ultracloud.base.faults import DataLossError, Fault, UnavailableError
from ultracloud.raft.words import SnapshotMark
from ultracloud.servicekit import channels, pki
from ultracloud.servicekit.pki import TlsIdentity
from ultracloud.servicekit.streams import closing

WAITING_BYTES_MAX = 64 * MIB
"""Letters that wait for a slow store, as they are rendered; more are dropped, and Raft sends no more in advance."""
FRAME_BYTES_MAX = MIB
"""Letters after which a frame ends: below what a message may have, with one more entry of the largest transaction."""
RETRY_S = 0.2
"""Pause before a stream is opened again: a store restarts within a few of them."""
STATE_S = 600.0
"""What a state may take: the largest on a slow line."""

_log = logging.getLogger("flaredb.cluster")
Start: TypeAlias = Callable[[Coroutine[Any, Any, None], str], asyncio.Task[None]]
Address: TypeAlias = Callable[[StoreId], str]


class Lines:
    """All ways from one store to others.

    Args:
        node: Whose letters are sent.
        identity: Who this store is; None speaks plaintext.
        address_of: Where a store listens; empty if that is not known.
        start: Runs a task until `close`.
    """

    def __init__(self, node: ClusterNode, identity: TlsIdentity | None, address_of: Address, start: Start) -> None:
        self._node = node
        self._identity = identity
        self._address_of = address_of
        self._start = start
        self._lines: dict[StoreId, _Line] = {}
        self._channels: dict[StoreId, tuple[str, channels.PeerChannel]] = {}
        node.send, node.ship = self.send, self.ship

    def client(self, store: StoreId) -> PeersClient:
        """Calls to a store.

        Raises:
            UnavailableError: Nobody knows where it is.
        """
        return PeersClient(self._channel(store))

    def send(self, mail: Sequence[Mail]) -> None:
        """Send letters, each line in one piece; what cannot be sent is dropped."""
        sorted_out: dict[StoreId, list[Mail]] = {}
        for each in mail:
            sorted_out.setdefault(each.to, []).append(each)
        for store, letters in sorted_out.items():
            self._line(store).say(letters)

    def say(self, frames: Sequence[tuple[StoreId, bytes]]) -> None:
        """Send what eventual namespaces have to say; what cannot be sent is dropped."""
        for store, frame in frames:
            self._line(store).push(pb.Mail(sender=self._node.store, to=store, eventual=[frame]), len(frame))

    def ship(self, shipment: Shipment, mark: SnapshotMark, parts: Iterator[Chunk]) -> None:
        """Send a state in the background."""
        self._start(self._ship(shipment, mark, parts), f"state of region {shipment.region} for store {shipment.to}")

    async def close(self) -> None:
        """Give up all connections."""
        for _, channel in self._channels.values():
            await channel.close()

    def _line(self, store: StoreId) -> _Line:
        line = self._lines.get(store)
        if line is None:
            line = self._lines[store] = _Line(self._node, store, self.client)
            self._start(line.run(), f"letters for store {store}")
        return line

    def _channel(self, store: StoreId) -> channels.PeerChannel:
        address = self._address_of(store)
        known, channel = self._channels.get(store, ("", None))
        if channel is not None and known == address:
            return channel
        if not address:
            raise UnavailableError(f"store {store} cannot be reached: where it is is not known", reason="STORE_UNKNOWN")
        expect = pki.service_identity("flaredb") if self._identity else ""
        opened = channels.connect(address, self._identity, expect, idempotent=("ReadKeys", "ReadRange"))
        self._channels[store] = (address, opened)
        if channel is not None:
            self._start(channel.close(), f"close the old way to store {store}")
        return opened

    async def _ship(self, shipment: Shipment, mark: SnapshotMark, parts: Iterator[Chunk]) -> None:
        ok = False
        try:
            async with asyncio.timeout(STATE_S):
                ok = await self._poured(shipment, parts)
        except (Fault, TimeoutError) as error:
            _log.warning("the state of region %d did not reach store %d: %s", shipment.region, shipment.to, error)
        finally:
            self._node.shipped(shipment, mark, ok=ok)

    async def _poured(self, shipment: Shipment, parts: Iterator[Chunk]) -> bool:
        """Send a state; whether it was taken."""
        stream = self.client(shipment.to).install(_state_parts(self._node.store, shipment, parts))
        async with closing(stream) as answers:
            async for answer in answers:
                return answer.ok
        return False


class _Line:
    """The stream of letters to one store."""

    def __init__(self, node: ClusterNode, store: StoreId, client: Callable[[StoreId], PeersClient]) -> None:
        self._node = node
        self._store = store
        self._client = client
        self._waiting: deque[tuple[pb.Mail, int]] = deque()
        self._waiting_bytes = 0
        self._news = asyncio.Event()
        self._is_open = False
        self._problem = ""

    def say(self, letters: Sequence[Mail]) -> None:
        """Send letters, or drop them if there is no way, or no room."""
        if not self._is_open:
            return
        content = render_mail(letters)
        if not self.push(pb.Mail(sender=self._node.store, to=self._store, letters=content), len(content)):
            _log.warning("store %d reads too slowly: letters to it are dropped", self._store)
            self._node.unreachable(self._store)

    def push(self, mail: pb.Mail, size_bytes: int) -> bool:
        """Send a frame, or drop it; False if there is no room."""
        if not self._is_open:
            return True
        if self._waiting_bytes + size_bytes > WAITING_BYTES_MAX:
            return False
        self._waiting.append((mail, size_bytes))
        self._waiting_bytes += size_bytes
        self._news.set()
        return True

    async def run(self) -> None:
        """Keep a stream open for as long as this store runs."""
        while True:
            try:
                await self._stream()
            except Fault as fault:
                self._lost(fault.public)
            await asyncio.sleep(RETRY_S)

    async def _stream(self) -> None:
        async with closing(self._client(self._store).deliver(self._frames())) as answers:
            async for _ in answers:
                self._is_open, self._problem = True, ""
                _log.info("connected to store %d", self._store)
        self._lost("it ended the stream")

    async def _frames(self) -> AsyncIterator[pb.Mail]:
        """Letters as they come; the first frame is empty, and says who writes."""
        me, to = self._node.store, self._store
        yield pb.Mail(sender=me, to=to, now_ms=self._node.now_ms())
        while True:
            await self._news.wait()
            self._news.clear()
            while self._waiting:
                mail, size_bytes = self._waiting.popleft()
                self._waiting_bytes -= size_bytes
                mail.now_ms = self._node.now_ms()
                yield mail

    def _lost(self, sentence: str) -> None:
        """There is no stream; the log is told once for each reason."""
        if sentence != self._problem:
            _log.warning("no letters to store %d: %s", self._store, sentence)
        self._problem, self._is_open = sentence, False
        self._waiting.clear()
        self._waiting_bytes = 0
        self._node.unreachable(self._store)


async def _state_parts(sender: StoreId, shipment: Shipment, parts: Iterator[Chunk]) -> AsyncIterator[pb.StatePart]:
    """A state as it goes over the line; others are served between two chunks."""
    yield pb.StatePart(sender=sender, to=shipment.to, install=render_install(shipment.install))
    try:
        for chunk in parts:
            yield pb.StatePart(
                number=chunk.number, is_last=chunk.is_last, content=chunk.content, checksum=chunk.checksum
            )
            await asyncio.sleep(0)
    except DataLossError as damaged:
        raise UnavailableError("the sender cannot read its state", detail=str(damaged)) from damaged
