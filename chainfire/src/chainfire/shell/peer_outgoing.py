"""The way to one peer: a connection for messages and calls that is made again whenever it is lost.

Nothing waits for a connection but calls that come while it is made for the first time: Raft repeats what matters, and
a message that is sent twice is worse than one that is lost (`Forward`).
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import random
from collections.abc import Sequence

from chainfire.core.peerevents import Event
from chainfire.core.peerwire import Purpose, Refusal
from chainfire.shell.peer_dial import CannotConnectError, dial
from chainfire.shell.peer_protocol import PeerProtocol
from chainfire.shell.peer_site import Site
from ultracloud.base.faults import DeadlineExceededError, UnavailableError
from ultracloud.raft.words import NodeId

RETRY_FIRST_S, RETRY_MAX_S = 0.05, 1.0
"""Pause before the first try after a loss, doubled up to the last: a member restarts within a few of them."""
STEADY_S = 1.0
"""A connection that lived this long was a good one: the next pause is short again."""
UNSENT_BYTES_MAX = 72 << 20
"""What may wait for a slow peer: the 64 MiB that Raft has in flight to it, and room for heartbeats. Above, messages are
dropped, and Raft sends no more in advance."""
_log = logging.getLogger("chainfire.peers")


class Outgoing:
    """Connects to a peer for as long as it is a member.

    Args:
        site: What all connections share.
        peer: Whom it leads to.
        urls: Where that may be; tried in turn.

    Attributes:
        problem: Why there is no connection; empty while there is one.
        refusal: The kind of refusal, if the peer refuses us.
    """

    def __init__(self, site: Site, peer: NodeId, urls: Sequence[str]) -> None:
        self.peer = peer
        self.urls = tuple(urls)
        self.problem = "no connection was tried yet"
        self.refusal: Refusal | None = None
        self._site = site
        self._protocol: PeerProtocol | None = None
        self._tried = asyncio.Event()
        self._hurry = asyncio.Event()
        self._url = self.urls[0] if self.urls else ""
        self._task = site.start(self._run(), f"peer {peer:x}")

    @property
    def url(self) -> str:
        """Where it is connected, or was last tried."""
        return self._url

    @property
    def connection(self) -> PeerProtocol | None:
        """The connection; None while there is none."""
        return self._protocol if self._protocol is not None and self._protocol.is_open else None

    def send(self, frames: list[bytes], count: int) -> None:
        """Write the frames of `count` messages at once, or drop them."""
        connection, traffic = self.connection, self._site.traffic_of(self.peer)
        octets = b"".join(frames)
        if connection is None or connection.unsent_bytes + len(octets) > UNSENT_BYTES_MAX:
            self.drop(count)
            return
        traffic.sent_messages += count
        connection.write(octets)

    def drop(self, count: int) -> None:
        """Messages could not be sent."""
        traffic = self._site.traffic_of(self.peer)
        traffic.dropped_messages += count
        self._site.tell_unreachable(self.peer)

    async def call(self, kind: int, body: bytes, timeout_s: float) -> bytes:
        """Ask the peer; see `Peers.call`."""
        if not self._tried.is_set():
            timeout_s = await self._wait_tried(timeout_s)
        connection = self.connection
        if connection is None:
            raise UnavailableError(f"member {self.peer:x} cannot be reached: {self.problem}")
        return await connection.call(kind, body, timeout_s)

    async def _wait_tried(self, timeout_s: float) -> float:
        """Wait until it is known whether the peer can be reached; give what is left of the time."""
        ends_at_s = self._site.now_s() + timeout_s
        try:
            async with asyncio.timeout(timeout_s):
                await self._tried.wait()
        except TimeoutError:
            raise DeadlineExceededError(f"member {self.peer:x} was not reached within {timeout_s:.3g} s") from None
        return max(0.001, ends_at_s - self._site.now_s())

    def move(self, urls: Sequence[str]) -> None:
        """The peer has other URLs now: connect there."""
        if tuple(urls) != self.urls:
            self.urls = tuple(urls)
            self._drop_connection("it has other peer URLs now")
            self._hurry.set()

    def hurry(self) -> None:
        """There is reason to think that the peer is back: do not wait for the end of a pause."""
        if self.connection is None:
            self._hurry.set()

    def stop(self) -> None:
        """Connect no more."""
        self._task.cancel()
        self._drop_connection("it is no member any more, or we leave")

    async def _run(self) -> None:
        """Connect again and again."""
        pause_s = RETRY_FIRST_S
        for turn in itertools.count():
            lived_s = await self._attempt(self.urls[turn % len(self.urls)] if self.urls else "")
            pause_s = RETRY_FIRST_S if lived_s >= STEADY_S else pause_s
            # Half of the pause is random, or two members that refuse each other stay in step.
            await self._pause(pause_s * (0.5 + random.random() / 2))  # noqa: S311 - spreads load, guards nothing
            pause_s = min(pause_s * 2, RETRY_MAX_S)

    async def _attempt(self, url: str) -> float:
        """Connect and stay connected; give for how many seconds it was."""
        self._url = url
        try:
            self._protocol = await dial(self._site, url, self.peer, Purpose.MESSAGES, _take)
        except CannotConnectError as error:
            self.refusal = error.refusal
            self._lost(str(error), is_new=True)
            if error.is_gone:
                self._site.callbacks.gone(self.peer)
            return 0.0
        self._connected(url)
        since_s = self._site.now_s()
        sentence = await self._protocol.gone
        self.refusal = self._protocol.refusal
        self._protocol = None
        self._lost(sentence, is_new=False)
        return self._site.now_s() - since_s

    def _connected(self, url: str) -> None:
        """There is a connection."""
        _log.info("connected to member %x at %s", self.peer, url)
        self.problem, self.refusal = "", None
        self._site.traffic_of(self.peer).connects += 1
        self._tried.set()

    def _lost(self, sentence: str, *, is_new: bool) -> None:
        """There is none; the log is told once for each reason."""
        if sentence != self.problem:
            _log.warning("%s member %x: %s", "cannot connect to" if is_new else "lost", self.peer, sentence)
        self.problem = sentence
        self._site.traffic_of(self.peer).failures += 1
        self._tried.set()
        self._site.tell_unreachable(self.peer)

    async def _pause(self, seconds: float) -> None:
        """Wait, unless somebody says that it is worth another try."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._hurry.wait()
        self._hurry.clear()

    def _drop_connection(self, sentence: str) -> None:
        if self._protocol is not None:
            self._protocol.close(Refusal.LEAVING, sentence)


def _take(_protocol: PeerProtocol, _event: Event) -> None:
    """Nothing comes on this connection but answers, which the protocol gives to whoever asked."""
