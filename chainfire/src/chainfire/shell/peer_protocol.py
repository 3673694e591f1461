"""One connection to a peer on a transport: between the machine of `core.peerlink` and whoever owns it."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import socket
import ssl
from collections.abc import Callable
from typing import cast

from chainfire.core.peerevents import Closed, Event, Opened
from chainfire.core.peerlink import Link, Side, Stage
from chainfire.core.peerwire import Answer, Call, Failed, Purpose, Refusal, Word
from chainfire.shell.peer_site import Ground, Traffic
from ultracloud.base.faults import FAULT_OF_CODE, DeadlineExceededError, ResourceExhaustedError, UnavailableError
from ultracloud.raft.words import NOBODY, NodeId

CALLS_OPEN_MAX = 1024
"""Calls at once on a connection, in either direction. Lease renewals of a follower's clients are the most there is."""
OUTPUT_BYTES_MAX = 1 << 20
"""What waits in the transport when snapshots pause, and requests of a peer that does not read its answers."""
LINGER_S = 1.0
"""How long the last words may take to leave."""
STUCK_S = 30.0
"""How long a peer may read nothing while it is answered."""

DISTRUST = "perhaps it does not trust our certificate, its log says more"
"""uvloop closes a failed handshake without the alert that would tell."""


class PeerProtocol(asyncio.Protocol):
    """A connection, from either end.

    Args:
        ground: What all connections share.
        link: The machine.
        traffic: Where it counts until the peer is known.
        take: Gets every event but the answers to our own calls, in order.
        check: Says what speaks against the other end's certificate; empty if nothing does.

    Attributes:
        opened: Done when both sides know each other: empty, or why they do not.
        gone: Done when the connection is over: why.
        refusal: The kind of refusal that ended it, if one did.
    """

    def __init__(
        self,
        ground: Ground,
        link: Link,
        take: Callable[[PeerProtocol, Event], None],
        check: Callable[[asyncio.BaseTransport], str],
    ) -> None:
        self.link = link
        self.opened: asyncio.Future[str] = ground.loop.create_future()
        self.gone: asyncio.Future[str] = ground.loop.create_future()
        self.refusal: Refusal | None = None
        self._ground = ground
        self._take = take
        self._check = check
        self._traffic = Traffic()
        self._ending = ""
        self._calls: dict[int, asyncio.Future[bytes]] = {}
        self._rtt_s: float | None = None
        """The round trip that was counted last."""
        self._call_ids = itertools.count(1)
        self._writable: asyncio.Future[None] | None = None
        self._full_since_s: float | None = None
        self._transport: asyncio.Transport | None = None

    @property
    def peer(self) -> NodeId:
        """The other member; NOBODY until it is known, and if it is none."""
        return self.link.peer

    @property
    def _serves(self) -> bool:
        """Whether the peer calls and we answer."""
        return self.link.side is Side.LISTENS and self.link.purpose is not Purpose.SNAPSHOT

    @property
    def is_open(self) -> bool:
        """Whether something that is said now may arrive."""
        return self.link.stage is Stage.OPEN and self._transport is not None and not self._transport.is_closing()

    @property
    def unsent_bytes(self) -> int:
        """Bytes that the peer's side has not taken yet."""
        return self._transport.get_write_buffer_size() if self._transport is not None else 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Look at the certificate, then say the first words."""
        self._transport = cast("asyncio.Transport", transport)
        self._ground.connections.add(self)
        with contextlib.suppress(OSError):
            transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._transport.set_write_buffer_limits(high=OUTPUT_BYTES_MAX)
        objection = self._check(transport)
        if objection:
            self.close(Refusal.IDENTITY, objection)
            return
        self.flush()

    def data_received(self, data: bytes) -> None:
        """Take what a read brought and write what it made."""
        if self.link.stage is Stage.CLOSED:
            return
        events = self.link.receive(data, self._ground.now_s())
        self._traffic.received_bytes += len(data)
        rtt_s = self.link.rtt_s
        if rtt_s is not None and rtt_s != self._rtt_s:
            self._rtt_s = rtt_s
            self._traffic.note_round_trip(rtt_s)
        for event in events:
            self._serve(event)
        self.flush()

    def pause_writing(self) -> None:
        """The peer reads slower than we write. Of one that asks: take no more until it has read its answers."""
        self._writable = self._ground.loop.create_future()
        self._full_since_s = self._ground.now_s()
        if self._serves:
            self.pause_reading()

    def resume_writing(self) -> None:
        """The peer has caught up."""
        self._full_since_s = None
        if self._serves:
            self.resume_reading()
        if self._writable is not None and not self._writable.done():
            self._writable.set_result(None)
        self._writable = None

    async def wait_writable(self) -> None:
        """Wait until the peer has caught up.

        Raises:
            UnavailableError: The connection is lost, or the peer has read nothing for STUCK_S.
        """
        while self._writable is not None and self.is_open:
            await asyncio.wait((self._writable, self.gone), timeout=STUCK_S, return_when=asyncio.FIRST_COMPLETED)
            if self._full_since_s is not None and self._ground.now_s() - self._full_since_s >= STUCK_S:
                self.abort(f"it has read nothing for {STUCK_S:g} s")
        if not self.is_open:
            raise UnavailableError(self._ending or "the connection is closed")

    def pause_reading(self) -> None:
        """Read nothing for now; the peer's words wait in its own memory."""
        if self._transport is not None and not self._transport.is_closing() and not self.link.is_deaf:
            self.link.is_deaf = True
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Read on."""
        if self._transport is not None and not self._transport.is_closing() and self.link.is_deaf:
            self.link.is_deaf = False
            self._transport.resume_reading()

    def connection_lost(self, error: Exception | None) -> None:
        """Nothing more comes and nothing more goes."""
        is_tls = self._transport is not None and self._transport.get_extra_info("ssl_object") is not None
        if error is None and is_tls and self.link.stage is Stage.PREFACE:
            # TLS 1.3: a client is through with its handshake before the server has looked at its certificate.
            self._finish(self._ending or f"the other side broke off after the TLS handshake; {DISTRUST}")
        else:
            self._finish(self._ending or _described(error))

    def write(self, octets: bytes) -> None:
        """Write frames that were rendered elsewhere, at once."""
        assert self._transport is not None
        self._traffic.sent_bytes += len(octets)
        self._transport.write(octets)

    def say(self, word: Word) -> None:
        """Send a word at once."""
        self.link.say(word)
        self.flush()

    def flush(self) -> None:
        """Write what the machine wants to say, in one piece."""
        out = self.link.take_output()
        if out and self._transport is not None and not self._transport.is_closing():
            self.write(out)

    async def call(self, kind: int, body: bytes, timeout_s: float) -> bytes:
        """Ask the peer and wait for its answer.

        Raises:
            Fault: What it answered; Unavailable if the connection is lost, DeadlineExceeded if time runs out.
        """
        if len(self._calls) >= CALLS_OPEN_MAX:
            raise ResourceExhaustedError(f"{CALLS_OPEN_MAX} calls to member {self.peer:x} are open already")
        if not self.is_open:
            raise UnavailableError(f"member {self.peer:x} cannot be reached: {self._ending or 'not connected'}")
        call_id = next(self._call_ids)
        answer: asyncio.Future[bytes] = self._ground.loop.create_future()
        self._calls[call_id] = answer
        self.say(Call(call_id, kind, max(1, round(timeout_s * 1000)), body))
        try:
            async with asyncio.timeout(timeout_s):
                return await answer
        except TimeoutError:
            raise DeadlineExceededError(f"member {self.peer:x} did not answer within {timeout_s:.3g} s") from None
        finally:
            del self._calls[call_id]

    def tick(self, at_s: float) -> None:
        """Look at the clock: ping, and let go of a peer that is gone."""
        closed = self.link.tick(at_s)
        if closed is not None:
            self.abort(closed.sentence)
        elif self._serves and self._full_since_s is not None and at_s - self._full_since_s >= STUCK_S:
            self.abort(f"it has read nothing for {STUCK_S:g} s")
        else:
            self.flush()

    def close(self, why: Refusal, sentence: str) -> None:
        """End the connection with a last sentence for the peer."""
        closed = self.link.close(why, sentence)
        self._end(closed)

    def abort(self, sentence: str) -> None:
        """End the connection at once."""
        self._ending = self._ending or sentence
        self.link.stage = Stage.CLOSED
        if self._transport is not None:
            self._transport.abort()
        self._finish(self._ending)

    def _serve(self, event: Event) -> None:
        """Take one event."""
        match event:
            case Answer() | Failed():
                self._answered(event)
            case Closed():
                self._end(event)
            case Opened():
                self._known(event)
                self._take(self, event)
            case _:
                self._take(self, event)

    def _known(self, event: Opened) -> None:
        """From now on count by peer."""
        if event.peer != NOBODY:
            counted, self._traffic = self._traffic, self._ground.traffic_of(event.peer)
            self._traffic.sent_bytes += counted.sent_bytes
            self._traffic.received_bytes += counted.received_bytes
        if not self.opened.done():
            self.opened.set_result("")

    def _answered(self, answer: Answer | Failed) -> None:
        """End one of our calls; one that nobody waits for any more came too late."""
        waiting = self._calls.get(answer.call_id)
        if waiting is None or waiting.done():
            return
        if isinstance(answer, Answer):
            waiting.set_result(answer.body)
        else:
            waiting.set_exception(FAULT_OF_CODE[answer.code](answer.public, reason=answer.reason))

    def _end(self, closed: Closed) -> None:
        """Let the last words leave, then close."""
        self._ending, self.refusal = self._ending or closed.sentence, closed.why
        self.flush()
        if self._transport is not None:
            self._transport.close()
            self._ground.loop.call_later(LINGER_S, self._transport.abort)
        self._finish(self._ending)

    def _finish(self, sentence: str) -> None:
        """Tell everybody who waits that it is over."""
        self.link.stage = Stage.CLOSED
        self._ground.connections.discard(self)
        if self.gone.done():
            return
        self.gone.set_result(sentence)
        if not self.opened.done():
            self.opened.set_result(sentence)
        if self._writable is not None and not self._writable.done():
            self._writable.set_result(None)
        for answer in self._calls.values():
            if not answer.done():
                answer.set_exception(UnavailableError(f"member {self.peer:x} cannot be reached: {sentence}"))


def _described(error: Exception | None) -> str:
    """Why a connection ended, in words."""
    if error is None:
        return "the other side closed the connection"
    if isinstance(error, ssl.SSLError):
        return described_tls(error)
    return str(error) or type(error).__name__


def described_tls(error: ssl.SSLError) -> str:
    """Why a TLS connection ended, in words."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not to be trusted: {error.verify_message}"
    reason = (error.reason or str(error)).replace("_", " ").lower()
    if "unknown ca" in reason or ("certificate" in reason and "alert" in reason):
        return f"it does not trust our certificate: {reason}"
    if "wrong version number" in reason or "http request" in reason:
        return "it does not speak TLS; use https:// or http:// on both sides"
    return f"TLS failed: {reason}"
