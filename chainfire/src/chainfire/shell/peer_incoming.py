"""Connections that peers make to us: listeners, handshakes, and what comes in."""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from collections.abc import Callable

from chainfire.core.peerevents import (
    ChunkCame,
    Event,
    Messages,
    Opened,
    SnapshotBegun,
    SnapshotBroken,
    SnapshotWhole,
)
from chainfire.core.peerlink import HANDSHAKE_S, Link, judge_hello
from chainfire.core.peerwire import Answer, Call, Failed, Hello, Purpose, Refusal, Refused, StreamAbort
from chainfire.shell.peer_protocol import CALLS_OPEN_MAX, DISTRUST, PeerProtocol, described_tls
from chainfire.shell.peer_site import Site
from chainfire.shell.peer_snapshots import Arriving
from ultracloud.base.faults import DeadlineExceededError, Fault, ResourceExhaustedError
from ultracloud.raft.messages import Install
from ultracloud.raft.words import NodeId

BACKLOG = 128
GREETING_MAX = 64
"""Connections that have not said who they are. A member needs two; when there are more, the oldest makes room, so a
flood of strangers cannot keep members out."""
OPEN_MAX = 128
"""Connections of members and of those who ask to become one."""
ASKING_MAX = 16
"""Of these, those who ask."""
COMPLAINT_S = 1.0
"""Between two lines of the log about different connections that were refused."""
ACCEPT_PAUSE_S = 0.1
"""Pause after connections could not be accepted."""
_log = logging.getLogger("chainfire.peers")


class Incoming:
    """Takes connections.

    Args:
        site: What all connections share.
        came: Told when a member has connected.
    """

    def __init__(self, site: Site, came: Callable[[NodeId], None]) -> None:
        self._site = site
        self._came = came
        self._listeners: list[socket.socket] = []
        self._greeting: dict[PeerProtocol, asyncio.Task[None]] = {}
        self._open: set[PeerProtocol] = set()
        self._of_member: dict[NodeId, PeerProtocol] = {}
        self._calls: dict[PeerProtocol, set[asyncio.Task[bytes]]] = {}
        self._arriving: Arriving | None = None
        self._last_complaint = ""
        self._complained_s = -COMPLAINT_S
        self._unsaid = 0

    async def listen(self, host: str, port: int) -> tuple[str, int]:
        """Listen on an address, or on all that a name has; port 0 takes a free one. Gives the first that is bound."""
        loop = self._site.loop
        found = await loop.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        bound: tuple[str, int] | None = None
        for family, _, _, _, address in dict.fromkeys(found):
            listener = socket.create_server((address[0], bound[1] if bound else port), family=family, backlog=BACKLOG)
            listener.setblocking(False)
            self._listeners.append(listener)
            bound = bound or listener.getsockname()[:2]
            self._site.start(self._accept(listener), "accept peers")
        assert bound is not None
        return bound

    def refuse_removed(self) -> None:
        """End the connections of members that were removed."""
        for protocol in list(self._open):
            if protocol.peer in self._site.removed:
                protocol.close(Refusal.REMOVED, f"member {protocol.peer:x} was removed from the cluster")

    def is_heard(self, peer: NodeId) -> bool:
        """Whether a member has a connection to us."""
        return peer in self._of_member

    def stop(self) -> None:
        """End the connections there are."""
        for protocol in list(self._greeting):
            protocol.abort("the member is stopping")
        for protocol in list(self._open):
            protocol.close(Refusal.LEAVING, f"member {self._site.me.member_id:x} is stopping")

    def close_listeners(self) -> None:
        """Take no more connections, once nobody waits for them."""
        for listener in self._listeners:
            listener.close()

    async def _accept(self, listener: socket.socket) -> None:
        """Take connections from a listener for ever."""
        while True:
            try:
                connection, address = await self._site.loop.sock_accept(listener)
            except OSError as error:
                # Out of descriptors, mostly: whoever waits goes on waiting, and the loop must not spin.
                self._complain("a peer", error.strerror or str(error))
                await asyncio.sleep(ACCEPT_PAUSE_S)
            else:
                self._arrived(connection, str(address[0]))

    def _arrived(self, connection: socket.socket, address: str) -> None:
        """Somebody connected."""
        link = Link.listen(self._site.me, self._judge, self._site.now_s())
        protocol = PeerProtocol(self._site, link, self._take, self._objection)
        protocol.gone.add_done_callback(lambda gone: self._left(protocol, address, gone.result()))
        if len(self._greeting) >= GREETING_MAX:
            oldest = next(iter(self._greeting))
            self._greeting[oldest].cancel()
            oldest.abort("too many others came that have not said who they are")
        self._greeting[protocol] = self._site.start(self._greet(connection, protocol), "peer handshake")

    async def _greet(self, connection: socket.socket, protocol: PeerProtocol) -> None:
        """Let a connection begin, in TLS if we have certificates."""
        contexts = self._site.contexts
        try:
            await self._site.loop.connect_accepted_socket(
                lambda: protocol,
                connection,
                ssl=contexts.server if contexts is not None else None,
                ssl_handshake_timeout=HANDSHAKE_S if contexts is not None else None,
            )
        except ssl.SSLError as error:
            protocol.abort(described_tls(error))
        except OSError as error:
            protocol.abort(str(error) or f"the TLS handshake broke off; {DISTRUST}")

    def _objection(self, transport: asyncio.BaseTransport) -> str:
        """What speaks against a client's certificate."""
        return self._site.contexts.objection(transport, None) if self._site.contexts is not None else ""

    def _judge(self, hello: Hello) -> Refused | None:
        """Whether whoever says hello may stay."""
        refusal = judge_hello(hello, self._site.me, self._site.removed)
        if refusal is not None:
            return refusal
        asking = sum(each.link.purpose is Purpose.ASK for each in self._open)
        if len(self._open) >= OPEN_MAX or (hello.purpose is Purpose.ASK and asking >= ASKING_MAX):
            return Refused(Refusal.BUSY, f"member {self._site.me.member_id:x} has too many connections; try again")
        return None

    def _left(self, protocol: PeerProtocol, address: str, sentence: str) -> None:
        """A connection is over."""
        if self._greeting.pop(protocol, None) is not None:
            self._complain(address, sentence)
        self._open.discard(protocol)
        if self._of_member.get(protocol.peer) is protocol:
            del self._of_member[protocol.peer]
        for task in self._calls.pop(protocol, ()):
            task.cancel()
        if self._arriving is not None and self._arriving.protocol is protocol:
            self._arriving.break_off(sentence)

    def _complain(self, address: str, sentence: str) -> None:
        """Log why somebody was not let in: once for each reason in a row, for it comes back every second."""
        complaint, at_s = f"{address}: {sentence}", self._site.now_s()
        if complaint == self._last_complaint:
            return
        # Strangers must not fill our disk by knocking in different ways.
        if at_s - self._complained_s < COMPLAINT_S:
            self._unsaid += 1
            return
        unsaid = f" (and {self._unsaid} others before)" if self._unsaid else ""
        _log.warning("refused a connection from %s%s", complaint, unsaid)
        self._last_complaint, self._complained_s, self._unsaid = complaint, at_s, 0

    def _take(self, protocol: PeerProtocol, event: Event) -> None:
        """Take what came on a connection."""
        match event:
            case Messages():
                self._site.deliver(protocol.peer, event.messages)
            case Opened():
                self._opened(protocol)
            case Call():
                self._serve(protocol, event)
            case SnapshotBegun():
                self._begin(protocol, event.install)
            case ChunkCame() | SnapshotWhole() | SnapshotBroken():
                self._feed(protocol, event)

    def _opened(self, protocol: PeerProtocol) -> None:
        """Somebody has said who it is."""
        self._greeting.pop(protocol, None)
        self._open.add(protocol)
        if protocol.link.purpose is Purpose.MESSAGES:
            before = self._of_member.get(protocol.peer)
            self._of_member[protocol.peer] = protocol
            if before is not None:
                before.close(Refusal.LEAVING, "a newer connection took its place")
            self._came(protocol.peer)

    def _serve(self, protocol: PeerProtocol, call: Call) -> None:
        """Let the node answer a call."""
        calls = self._calls.setdefault(protocol, set())
        if len(calls) >= CALLS_OPEN_MAX:
            busy = ResourceExhaustedError(f"{CALLS_OPEN_MAX} calls are open already")
            protocol.say(_failed(call, busy))
            return
        task = self._site.loop.create_task(self._answer(protocol.peer, call), name=f"call {call.kind}")
        calls.add(task)
        task.add_done_callback(lambda task: self._answered(protocol, call, task))

    async def _answer(self, sender: NodeId, call: Call) -> bytes:
        """The node's answer, within the caller's time."""
        try:
            async with asyncio.timeout(call.timeout_ms / 1000):
                return await self._site.callbacks.answer(sender, call.kind, call.body)
        except TimeoutError:
            raise DeadlineExceededError(f"no answer within {call.timeout_ms} ms") from None

    def _answered(self, protocol: PeerProtocol, call: Call, task: asyncio.Task[bytes]) -> None:
        """Send what came of a call."""
        self._calls.get(protocol, set()).discard(task)
        if task.cancelled():
            return
        fault = self._site.fault_of(task)
        protocol.say(Answer(call.call_id, task.result()) if fault is None else _failed(call, fault))

    def _begin(self, protocol: PeerProtocol, install: Install) -> None:
        """A snapshot comes. One at a time: that of a newer leader takes the place of an older one's."""
        before = self._arriving
        if before is not None and before.install.term > install.term:
            protocol.say(StreamAbort(f"a snapshot of the later term {before.install.term} is coming already"))
            protocol.close(Refusal.BUSY, "a snapshot of a later term is coming already")
            return
        self._arriving = Arriving(self._site, protocol, install)
        self._site.start(self._store(before, self._arriving), f"snapshot of member {install.sender:x}")

    async def _store(self, before: Arriving | None, arriving: Arriving) -> None:
        """Store a snapshot once the one before it is out of the way."""
        if before is not None:
            before.break_off("another snapshot took its place")
            await before.over.wait()
        await arriving.store()
        if self._arriving is arriving:
            self._arriving = None

    def _feed(self, protocol: PeerProtocol, event: ChunkCame | SnapshotWhole | SnapshotBroken) -> None:
        """Give the node's reader what came."""
        arriving = self._arriving
        if arriving is None or arriving.protocol is not protocol:
            return
        match event:
            case ChunkCame():
                arriving.add(event.octets)
            case SnapshotWhole():
                arriving.end()
            case SnapshotBroken():
                arriving.break_off(event.sentence, is_damaged=event.is_damaged)


def _failed(call: Call, fault: Fault) -> Failed:
    """A fault on its way to the caller."""
    return Failed(call.call_id, fault.code, fault.public, fault.reason)
