"""Connecting to a peer: from a URL to a connection on which both sides know each other, or why not."""

from __future__ import annotations

import asyncio
import functools
import ssl
from collections.abc import Callable

from chainfire.core.peerevents import Event
from chainfire.core.peerlink import Link
from chainfire.core.peernames import Address, parse_url
from chainfire.core.peerwire import Purpose, Refusal
from chainfire.shell.peer_protocol import PeerProtocol, described_tls
from chainfire.shell.peer_site import Ground
from ultracloud.raft.words import NodeId

CONNECT_S = 2.0
"""Name, TCP and TLS: four round trips of the slowest line that Raft's timeouts allow. A host that is down answers
nothing, and each try must end soon for the next to find it back."""


class CannotConnectError(Exception):
    """There is no connection; the sentence says why.

    Attributes:
        refusal: The kind of refusal, if it was one.
        is_gone: Its machine says that nobody listens there.
    """

    def __init__(self, sentence: str, refusal: Refusal | None = None, *, is_gone: bool = False) -> None:
        super().__init__(sentence)
        self.refusal = refusal
        self.is_gone = is_gone


async def dial(
    ground: Ground, url: str, receiver: NodeId, purpose: Purpose, take: Callable[[PeerProtocol, Event], None]
) -> PeerProtocol:
    """Connect to a member and greet it.

    Raises:
        CannotConnectError: It cannot be reached, it is another one, or it refuses.
    """
    address, context = _address(ground, url)
    make = functools.partial(_protocol, ground, receiver, purpose, take, address)
    protocol = await _connect(ground, address, context, make)
    try:
        sentence = await protocol.opened
    except asyncio.CancelledError:
        protocol.abort("nobody waits for it any more")
        raise
    if sentence:
        raise CannotConnectError(sentence, protocol.refusal)
    return protocol


def _address(ground: Ground, url: str) -> tuple[Address, ssl.SSLContext | None]:
    """Where to connect and how; never in clear text once there are certificates, whatever a URL says."""
    try:
        address = parse_url(url)
    except ValueError as error:
        raise CannotConnectError(str(error)) from error
    if address.is_tls and ground.contexts is None:
        raise CannotConnectError(f"{url} needs TLS, and no certificate for peers is configured")
    if not address.is_tls and ground.contexts is not None:
        raise CannotConnectError(f"{url} is without TLS, and certificates for peers are configured; use https://")
    return address, ground.contexts.client if ground.contexts is not None else None


def _protocol(
    ground: Ground, receiver: NodeId, purpose: Purpose, take: Callable[[PeerProtocol, Event], None], address: Address
) -> PeerProtocol:
    """The protocol of a connection that is being made."""

    def check(transport: asyncio.BaseTransport) -> str:
        return ground.contexts.objection(transport, address.host) if ground.contexts is not None else ""

    return PeerProtocol(ground, Link.dial(ground.me, receiver, purpose, ground.now_s()), take, check)


async def _connect(
    ground: Ground, address: Address, context: ssl.SSLContext | None, make: Callable[[], PeerProtocol]
) -> PeerProtocol:
    """Connect, with all that can go wrong in words."""
    name = address.host if context is not None else None
    try:
        async with asyncio.timeout(CONNECT_S):
            _, protocol = await ground.loop.create_connection(
                make, address.host, address.port, ssl=context, server_hostname=name
            )
    except TimeoutError:
        raise CannotConnectError(f"no answer within {CONNECT_S:g} s") from None
    except ssl.SSLError as error:
        raise CannotConnectError(described_tls(error)) from error
    except OSError as error:
        is_gone = isinstance(error, ConnectionRefusedError)
        raise CannotConnectError(error.strerror or str(error), is_gone=is_gone) from error
    return protocol
