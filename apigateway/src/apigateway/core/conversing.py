"""Streaming in both directions as a WebSocket: who may open one, how messages stand in it, and how it ends.

A page in a browser can set no header field but the names of subprotocols, so its token may stand among them:
`ultracloud.bearer.<token>`, beside the protocol that is spoken. It is never chosen, so it is never sent back. An
address has no room for a token: every proxy on the way logs addresses.

Source: RFC 6455 sections 1.9, 7.4 and 10.2; the WebSockets standard (WHATWG).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from typing import NamedTuple

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from apigateway.core.cors import is_allowed
from apigateway.core.problems import problem_status
from apigateway.core.reading import parse, read
from ultracloud.api.rest.descriptors import descriptor_of, fields_of
from ultracloud.api.rest.routes import Route
from ultracloud.base.faults import Fault, InvalidArgumentError, PermissionDeniedError

PROTOCOLS = "sec-websocket-protocol"
BEARER = "ultracloud.bearer."
CLOSE_CODES_FROM = 4000
"""Close codes for our own use begin here: 4404 is what HTTP calls 404."""
MESSAGE_BYTES_MAX = 64 * 1024
"""Of a client: what one pastes into a terminal."""


class Talk(Enum):
    """How messages stand in frames.

    JSON: each is an object in a text frame. RAW: each is the bytes of the message's one field of bytes, which is what a
    terminal speaks; xterm.js needs nothing else.
    """

    JSON = "ultracloud.json"
    RAW = "ultracloud.raw"


class Offer(NamedTuple):
    """What a client offers: how to talk, the name of it that is answered, and the token that came along."""

    talk: Talk
    protocol: str
    token: str


def offer_of(names: str) -> Offer:
    """What the names of subprotocols offer; JSON where there are none.

    Raises:
        InvalidArgumentError: None of them is spoken here, or there is more than one token.
    """
    offered = [name.strip() for name in names.split(",") if name.strip()]
    tokens = [name.removeprefix(BEARER) for name in offered if name.startswith(BEARER)]
    spoken = [talk for name in offered for talk in Talk if talk.value == name]
    if len(tokens) > 1 or (offered and not spoken):
        raise InvalidArgumentError(
            "the subprotocols name nothing that is spoken here, or two tokens",
            hint=f"offer {' or '.join(talk.value for talk in Talk)}, and at most one {BEARER}<token> beside it",
            reason="SUBPROTOCOL_UNKNOWN",
        )
    return Offer(spoken[0] if spoken else Talk.JSON, spoken[0].value if spoken else "", tokens[0] if tokens else "")


def admitted(route: Route, headers: Mapping[str, str], origins: Sequence[str]) -> str:
    """What stands for `Authorization` in a handshake.

    Raises:
        PermissionDeniedError: It comes from a page that may not call.
        InvalidArgumentError: The operation does not stream in both directions; as `offer_of`; or it brings two tokens.
    """
    if not (route.rpc.client_streaming and route.rpc.server_streaming):
        raise InvalidArgumentError(
            f"{route.operation} is no conversation", hint="ask it without Upgrade", reason="WEBSOCKET_NOT_SERVED"
        )
    origin, host = headers.get("origin", ""), headers.get("host", "")
    # A browser sends a handshake for any page, and asks nobody before (RFC 6455 10.2).
    if origin and not is_allowed(origin, origins) and origin.partition("://")[2].lower() != host.lower():
        raise PermissionDeniedError(
            f"pages of {origin[:80]!a} may not call", hint="add it to cors.origins", reason="ORIGIN_REFUSED"
        )
    offer, known = offer_of(headers.get(PROTOCOLS, "")), headers.get("authorization", "")
    if offer.token and known:
        raise InvalidArgumentError("the handshake brings two tokens; give one", reason="HEADER_CONTRADICTS")
    return f"Bearer {offer.token}" if offer.token else known


def reader_of(route: Route, talk: Talk) -> Callable[[bytes], Message]:
    """What makes messages of frames; what the path has said is not said again.

    Raises:
        InvalidArgumentError: The talk is raw, and messages of this operation are more than bytes.
    """
    make, hidden = route.rpc.request_type, (*route.path_fields, *route.hidden)
    if talk is Talk.RAW:
        name = _octets_name(route, make)
        return lambda octets: make(**{name: octets})

    def from_json(octets: bytes) -> Message:
        message = make()
        read(parse(octets), message, hidden=hidden)
        return message

    return from_json


def writer_of(route: Route, talk: Talk, write: Callable[[Message], str]) -> Callable[[Message], bytes]:
    """What makes frames of answers; raises as `reader_of`."""
    if talk is Talk.JSON:
        return lambda message: write(message).encode()
    name = _octets_name(route, route.rpc.response_type)
    return lambda message: bytes(getattr(message, name))


def ending(fault: Fault) -> tuple[int, str]:
    """The close code of a fault, and its sentence, which the frame cuts off after 123 bytes."""
    return CLOSE_CODES_FROM + problem_status(fault), fault.public


def _octets_name(route: Route, make: type[Message]) -> str:
    names = [field.name for field in fields_of(descriptor_of(make)) if field.type == FieldDescriptor.TYPE_BYTES]
    if len(names) != 1:
        raise InvalidArgumentError(
            f"{route.operation} is not spoken raw", hint=f"offer {Talk.JSON.value}", reason="SUBPROTOCOL_UNKNOWN"
        )
    return names[0]
