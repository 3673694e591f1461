"""A member's peers: messages, calls and snapshots to all of them, and what comes from them.

Each member connects to each other one and sends on that connection; what it hears there are answers to its calls. So
between two members there are two connections, and a snapshot has one of its own for as long as it takes.

`peer_site` holds what they share, `peer_outgoing` the way to one peer, `peer_incoming` what peers connect to,
`peer_dial` makes connections, `peer_protocol` is one, `peer_snapshots` streams, `peer_tls` reads certificates.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

from chainfire.core import peerraft
from chainfire.core.peerframes import FrameTooLongError
from chainfire.core.peerlink import TICK_S, LocalMember
from chainfire.core.peerraft import EntryColumns
from chainfire.core.peerwire import Purpose, Refusal
from chainfire.shell.peer_dial import CannotConnectError, dial
from chainfire.shell.peer_incoming import Incoming
from chainfire.shell.peer_outgoing import Outgoing
from chainfire.shell.peer_protocol import PeerProtocol
from chainfire.shell.peer_site import Ground, PeerCallbacks, Site, Traffic
from chainfire.shell.peer_snapshots import Source, send_snapshot
from chainfire.shell.peer_tls import PeerContexts, PeerTls
from ultracloud.base.faults import DeadlineExceededError, UnavailableError
from ultracloud.raft.messages import Install, Message
from ultracloud.raft.words import NOBODY, NodeId

_log = logging.getLogger("chainfire.peers")
__all__ = ["LocalMember", "PeerCallbacks", "PeerTls", "Peers", "Traffic", "ask"]


class Peers:
    """See the module; made inside a running loop.

    Args:
        me: Who this is.
        tls: Certificates; None speaks clear text.
        callbacks: The node.
        now_s: Seconds that never go back.

    Raises:
        OSError: A TLS file cannot be read.
        ssl.SSLError: A TLS file is not what it should be.
    """

    def __init__(
        self,
        me: LocalMember,
        tls: PeerTls | None,
        callbacks: PeerCallbacks,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        contexts = PeerContexts(tls) if tls is not None else None
        self._site = Site(me, contexts, callbacks, now_s)
        self._incoming = Incoming(self._site, self._came)
        self._outgoing: dict[NodeId, Outgoing] = {}
        self._streams: dict[NodeId, asyncio.Task[bool]] = {}
        self._columns = EntryColumns()
        self._ticking = self._site.loop.call_later(TICK_S, self._tick)

    @property
    def traffic(self) -> Mapping[NodeId, Traffic]:
        """Counters by peer, of all that were members since the start."""
        return self._site.traffic

    async def listen(self, host: str, port: int) -> tuple[str, int]:
        """Listen on an address; port 0 takes a free one. Gives the address that is bound.

        Raises:
            OSError: The address is taken or not ours.
        """
        return await self._incoming.listen(host, port)

    def update(self, members: Mapping[NodeId, Sequence[str]], removed: Collection[NodeId] = ()) -> None:
        """Connect to these members at these peer URLs, and to no others; ourselves are left out.

        Members that were here in an earlier call, and those in `removed`, are refused from now on.
        """
        others = {node: urls for node, urls in members.items() if node != self._site.me.member_id}
        gone = self._outgoing.keys() - others.keys()
        self._site.removed = (self._site.removed | gone | frozenset(removed)) - others.keys()
        for node in gone:
            self._outgoing.pop(node).stop()
        self._incoming.refuse_removed()
        for node, urls in others.items():
            if node in self._outgoing:
                self._outgoing[node].move(urls)
            else:
                self._outgoing[node] = Outgoing(self._site, node, urls)

    def send(self, messages: Iterable[Message]) -> None:
        """Send messages, in order, in one write for each peer; what cannot be sent now is dropped.

        A peer for which something was dropped is told as unreachable, in the next turn of the loop.
        """
        frames: dict[NodeId, list[bytes]] = {}
        counts: dict[NodeId, int] = {}
        for message in messages:
            # A snapshot has a stream; on this connection the peer would take it for a breach of the protocol.
            assert not isinstance(message, Install), message
            to = message.to
            outgoing = self._outgoing.get(to)
            if outgoing is None:
                continue
            if outgoing.connection is None:
                outgoing.drop(1)
                continue
            try:
                rendered = peerraft.render(message, self._columns)
            except FrameTooLongError as error:
                _log.error("a message for member %x cannot be sent: %s", to, error)
                outgoing.drop(1)
                continue
            frames.setdefault(to, []).extend(rendered)
            counts[to] = counts.get(to, 0) + 1
        self._columns.forget()
        for to, parts in frames.items():
            self._outgoing[to].send(parts, counts[to])

    def send_snapshot(self, to: NodeId, install: Install, source: Source) -> None:
        """Send a snapshot in the background; `snapshot_sent` tells how it ended. One that still runs to `to` ends."""
        assert install.to == to
        running = self._streams.pop(to, None)
        if running is not None:
            running.cancel()
        task = self._site.start(self._stream(to, install, source), f"snapshot for {to:x}")
        task.add_done_callback(lambda task: self._streamed(to, install, task))
        self._streams[to] = task

    async def call(self, to: NodeId, kind: int, body: bytes, timeout_s: float) -> bytes:
        """Ask a peer and wait for its answer.

        Raises:
            Fault: What it answered; Unavailable if it cannot be reached, DeadlineExceeded after `timeout_s`.
        """
        outgoing = self._outgoing.get(to)
        if outgoing is None:
            raise UnavailableError(f"member {to:x} cannot be reached: it is not among the members that are known here")
        return await outgoing.call(kind, body, timeout_s)

    def is_connected(self, to: NodeId) -> bool:
        """Whether messages to a peer would be sent now."""
        return self._connection(to) is not None

    def rtt_ms(self, to: NodeId) -> float | None:
        """Smoothed round trip to a peer; None before it is measured and while there is no connection."""
        connection = self._connection(to)
        rtt_s = connection.link.rtt_s if connection is not None else None
        return None if rtt_s is None else rtt_s * 1000

    def problem(self, to: NodeId) -> tuple[str, Refusal | None]:
        """Why there is no connection to a peer, and what kind of refusal it was; empty and None if there is one."""
        outgoing = self._outgoing.get(to)
        return (outgoing.problem, outgoing.refusal) if outgoing is not None else ("it is no member", None)

    def reload_tls(self) -> None:
        """Read the certificates again; open connections stay. On an error nothing changes.

        Raises:
            OSError: A file cannot be read.
            ssl.SSLError: A file is not what it should be.
        """
        if self._site.contexts is not None:
            self._site.contexts.reload()
        for outgoing in self._outgoing.values():
            outgoing.hurry()

    async def wait_crash(self) -> None:
        """Wait for ever; raises what receiving a message or one of our tasks raised, which none may."""
        await self._site.crash

    async def close(self) -> None:
        """End all connections; what was not sent is lost."""
        self._ticking.cancel()
        for outgoing in self._outgoing.values():
            outgoing.stop()
        self._incoming.stop()
        await self._site.stop_tasks()
        self._incoming.close_listeners()

    def _connection(self, to: NodeId) -> PeerProtocol | None:
        outgoing = self._outgoing.get(to)
        return outgoing.connection if outgoing is not None else None

    def _came(self, peer: NodeId) -> None:
        """A peer has connected to us, so it can probably be reached again."""
        if peer in self._outgoing:
            self._outgoing[peer].hurry()

    async def _stream(self, to: NodeId, install: Install, source: Source) -> bool:
        """Send one snapshot; whether it was stored."""
        outgoing = self._outgoing.get(to)
        if outgoing is None or not outgoing.urls:
            return False
        return await send_snapshot(self._site, outgoing.url, install, source)

    def _streamed(self, to: NodeId, install: Install, task: asyncio.Task[bool]) -> None:
        """Tell how a stream ended, also if it was cancelled before it began."""
        if self._streams.get(to) is task:
            del self._streams[to]
        is_stored = not task.cancelled() and task.exception() is None and task.result()
        self._site.callbacks.snapshot_sent(to, install.mark, is_stored)

    def _tick(self) -> None:
        """Let every connection look at the clock."""
        at_s = self._site.now_s()
        for connection in list(self._site.connections):
            connection.tick(at_s)
        self._ticking = self._site.loop.call_later(TICK_S, self._tick)


async def ask(url: str, kind: int, body: bytes, timeout_s: float, tls: PeerTls | None = None) -> bytes:
    """Call whoever is at a peer URL, before one is a member.

    Raises:
        Fault: What it answered; Unavailable if it cannot be reached, DeadlineExceeded after `timeout_s`.
    """
    contexts = PeerContexts(tls) if tls is not None else None
    ground = Ground(LocalMember(0, NOBODY), contexts, time.monotonic)
    protocol: PeerProtocol | None = None
    try:
        async with asyncio.timeout(timeout_s):
            protocol = await dial(ground, url, NOBODY, Purpose.ASK, lambda _protocol, _event: None)
            return await protocol.call(kind, body, timeout_s)
    except TimeoutError:
        raise DeadlineExceededError(f"{url} did not answer within {timeout_s:.3g} s") from None
    except CannotConnectError as error:
        raise UnavailableError(f"{url} cannot be reached: {error}") from error
    finally:
        if protocol is not None:
            protocol.close(Refusal.LEAVING, "the question is answered")
