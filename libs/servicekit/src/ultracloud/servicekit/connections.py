"""The connection under a channel: made when it is needed, made anew when it is lost or our certificate was replaced.

One task connects, with growing pauses, for as long as somebody waits for it; all who wait share what it makes. A server
counts as reached when it has said its first word of HTTP/2: with TLS 1.3 it may refuse us after the handshake.

Source: gRPC's connection back-off; google.rpc.Status in `grpc-status-details-bin`.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import ssl
import time

from ultracloud.base.faults import FAULT_OF_CODE, Fault, UnavailableError, UnknownError
from ultracloud.servicekit import pki
from ultracloud.servicekit.client_tls import client_context, trusting_context
from ultracloud.servicekit.diagnosis import reason_of
from ultracloud.servicekit.pki import TlsIdentity
from ultracloud.wire import CallFailedError, ClientProtocol

CONNECT_S = 2.0
"""A peer that restarts is back in about a second; one that is not back in two is down."""
ATTEMPT_S = 5.0
"""One attempt: a handshake takes milliseconds, and a packet that was lost is sent again after one second and three."""
PAUSE_FIRST_S, PAUSE_MAX_S = 0.05, 1.0
"""Between attempts."""
STAMP_CHECK_S = 5.0
"""How often the identity's files are looked at."""
LOG_S = 30.0
"""How often the log hears of a peer that cannot be reached."""
CLOSE_GRACE_S = 30.0
"""Calls on a connection with the old certificate get this long to finish."""


class NotSentError(UnavailableError):
    """There was no connection, or the server took no call over it: the request surely was not looked at."""


class Connection:
    """The way to one server.

    Args:
        target: ``host:port`` or ``unix:/path``.
        identity: Who we are; None speaks plaintext.
        expect: SPIFFE URI, or DNS name, that the server's certificate must have.
        roots: Whom to trust where there is no identity yet, PEM; empty to speak plaintext then.
    """

    def __init__(self, target: str, identity: TlsIdentity | None, expect: str, roots: str = "") -> None:
        self.target = target
        self._roots = roots
        self.name = expect.rpartition("/")[2] if expect else "the peer"
        self._identity = identity
        self._expect = expect
        self._protocol: ClientProtocol | None = None
        self._old: set[ClientProtocol] = set()
        self._connecting: asyncio.Task[None] | None = None
        self._waiting = 0
        self._pause_s = PAUSE_FIRST_S
        self._next_at = 0.0
        self._is_closed = False
        self._stamp: tuple[int, ...] = ()
        self._checked_at = 0.0
        self._failure: Exception | None = None
        self._logged_at = -LOG_S

    def fields(self, path: str) -> tuple[tuple[str, str], ...]:
        """The header fields that every call of a method begins with."""
        scheme = "https" if self._identity or self._roots else "http"
        authority = pki.expected_name(self._expect) if self._expect else "localhost"
        return (
            (":method", "POST"),
            (":scheme", scheme),
            (":path", path),
            (":authority", authority),
            ("te", "trailers"),
            ("content-type", "application/grpc"),
            ("user-agent", "ultracloud"),
        )

    async def ready(self, until: float) -> ClientProtocol:
        """The connection.

        Raises:
            NotSentError: There is none at `until` (monotonic seconds).
            UnavailableError: Our own certificate cannot be read.
        """
        protocol = await self.wait(until)
        if protocol is None:
            if self._is_closed:
                raise NotSentError(f"the connection to {self.name} was closed", reason="PEER_DOWN")
            detail = f"no connection to {self.target}: {self._why()}"
            raise NotSentError(f"{self.name} does not answer", detail=detail, reason="PEER_DOWN")
        return protocol

    async def wait(self, until: float) -> ClientProtocol | None:
        """The connection; None if there is none at `until` (monotonic seconds).

        Raises:
            UnavailableError: Our own certificate cannot be read.
        """
        self._waiting += 1
        try:
            while (protocol := self.usable()) is None:
                left_s = until - time.monotonic()
                if left_s <= 0 or self._is_closed:
                    return None
                if self._connecting is None or self._connecting.done():
                    self._connecting = asyncio.create_task(self._connect(), name=f"connect to {self.name}")
                connecting = self._connecting
                await asyncio.wait([connecting], timeout=left_s)
                if connecting.done() and not connecting.cancelled() and (error := connecting.exception()) is not None:
                    raise error
        finally:
            self._waiting -= 1
        return protocol

    async def close(self) -> None:
        """Close for good; calls that are open fail."""
        self._is_closed = True
        if self._connecting is not None:
            self._connecting.cancel()
            with contextlib.suppress(asyncio.CancelledError, Fault):
                await self._connecting
        protocols = [*self._old, *([self._protocol] if self._protocol is not None else [])]
        self._protocol = None
        for protocol in protocols:
            protocol.close()
        for protocol in protocols:
            await protocol.ended

    def usable(self) -> ClientProtocol | None:
        """The connection if calls may begin on it; one of an old identity lets its calls finish, and ends."""
        protocol = self._protocol
        if protocol is None:
            return None
        now = time.monotonic()
        if now >= self._checked_at + STAMP_CHECK_S:
            self._checked_at = now
            if self._identity is not None and pki.file_stamp(self._identity) != self._stamp:
                protocol.retire(CLOSE_GRACE_S)
        return protocol if protocol.is_usable else None

    async def _connect(self) -> None:
        """Try until there is a connection or nobody waits for it."""
        while self._waiting:
            await asyncio.sleep(max(0.0, self._next_at - time.monotonic()))
            protocol = await self._attempt()
            if protocol is not None:
                self._pause_s, self._next_at = PAUSE_FIRST_S, 0.0
                self._protocol = protocol
                return
            self._next_at = time.monotonic() + self._pause_s
            self._pause_s = min(self._pause_s * 2, PAUSE_MAX_S)

    async def _attempt(self) -> ClientProtocol | None:
        """Connect once; None if that fails."""
        self._stamp = pki.file_stamp(self._identity) if self._identity else ()
        self._checked_at = time.monotonic()
        context = self._context()
        protocol = ClientProtocol()
        try:
            async with asyncio.timeout(ATTEMPT_S):
                await self._open(protocol, context)
                is_greeted = await protocol.greeted
        except (OSError, TimeoutError) as failure:
            self._failure = failure
            protocol.close()
            return None
        except BaseException:
            protocol.close()
            raise
        if not is_greeted:
            self._failure = protocol.loss
            return None
        self._old.add(protocol)
        protocol.ended.add_done_callback(lambda _: self._old.discard(protocol))
        return protocol

    async def _open(self, protocol: ClientProtocol, context: ssl.SSLContext | None) -> None:
        """Make the transport."""
        loop = asyncio.get_running_loop()
        name = pki.expected_name(self._expect) if context is not None else None
        if self.target.startswith("unix:"):
            path = self.target.removeprefix("unix:")
            await loop.create_unix_connection(lambda: protocol, path, ssl=context, server_hostname=name)
            return
        host, _, port = self.target.rpartition(":")
        await loop.create_connection(lambda: protocol, host.strip("[]"), int(port), ssl=context, server_hostname=name)

    def _context(self) -> ssl.SSLContext | None:
        """TLS with our certificate as it is now."""
        if self._identity is None:
            return trusting_context(self._roots) if self._roots else None
        try:
            return client_context(self._identity)
        except (OSError, ssl.SSLError) as error:
            why = getattr(error, "strerror", None) or str(error)
            raise UnavailableError(f"own certificate cannot be read: {why}", detail=str(error)) from error

    def _why(self) -> str:
        """Why there is no connection; the log hears it at most every LOG_S."""
        why = reason_of(self._failure, self._identity, self._expect)
        now = time.monotonic()
        if now >= self._logged_at + LOG_S:
            self._logged_at = now
            logging.getLogger(__name__).warning("no connection to %s: %s", self.name, why)
        return why


def fault_of(error: CallFailedError, peer: str) -> Fault:
    """The fault a server raised, as far as its status tells: class, sentence, reason, metadata, hint."""
    kind = FAULT_OF_CODE.get(error.status, UnknownError)
    if error.details:
        return _fault_of_status(error.details, kind, error.message)
    if kind is not UnavailableError:
        return kind(error.message or "the call failed")
    # Whatever says this without details is no service of ours, or nobody: sentences of others may name addresses.
    unavailable = UnavailableError if error.was_taken else NotSentError
    return unavailable(f"{peer} does not answer", detail=error.message, reason="PEER_DOWN")


def _fault_of_status(serialised: bytes, kind: type[Fault], sentence: str) -> Fault:
    """Read google.rpc.Status."""
    from google.protobuf.message import DecodeError
    from google.rpc import error_details_pb2, status_pb2  # type: ignore[import-untyped]

    try:
        status = status_pb2.Status.FromString(serialised)
    except DecodeError:
        return kind(sentence)
    reason, hint, metadata = "", "", {}
    for packed in status.details:
        about, message, link = (
            error_details_pb2.ErrorInfo(),
            error_details_pb2.LocalizedMessage(),
            error_details_pb2.Help(),
        )
        if packed.Unpack(about):
            reason, metadata = about.reason, dict(about.metadata)
        elif packed.Unpack(message):
            hint = message.message
        elif packed.Unpack(link) and link.links:
            hint = link.links[0].description
    return kind(status.message or sentence, reason=reason, hint=hint, metadata=metadata)
