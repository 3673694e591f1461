"""The services behind the gateway, and the one rule about them: nobody is ever spoken for by the gateway itself.

The gateway's certificate makes the connection; each call on it carries its caller's token, and the service decides on
that. Only RPCs that ask for no identity (`Route.is_open`) go without one: a service would take the gateway's for it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Protocol, TypeVar

from google.protobuf.message import Message

from apigateway.core.proxies import HEADER
from ultracloud.api.rpc import Channel, Headers
from ultracloud.base.faults import Fault, UnavailableError
from ultracloud.wire import CallFailedError

ResponseT = TypeVar("ResponseT", bound=Message)

SPEAKING_MAX = 4096
"""Callers whose channels are kept: each has the header fields of its calls ready."""


class AskingChannel(Channel, Protocol):
    """A channel that takes calls without a task; as `ultracloud.servicekit.channels.PeerChannel`."""

    def ask(
        self, path: str, message: bytes, timeout_s: float, trace: str, headers: Headers = ()
    ) -> asyncio.Future[bytes] | None:
        """Send one message now, and give a future of the one that answers; None if that has to wait."""
        ...

    def may_repeat(self, path: str, error: CallFailedError) -> bool:
        """Whether a call that failed may be sent again."""
        ...

    def fault_of(self, error: CallFailedError) -> Fault:
        """What a call of `ask` ended with."""
        ...

    def parsed(self, path: str, message: bytes, response_type: type[ResponseT]) -> ResponseT:
        """An answer as a message."""
        ...


class TokenChannel(AskingChannel, Protocol):
    """A channel that can speak for the holder of a token."""

    def with_token(self, token: str) -> AskingChannel:
        """The same connection, for the holder of `token`."""
        ...


class Backends:
    """Channels by service.

    Args:
        channels: Those that are configured.
    """

    def __init__(self, channels: Mapping[str, TokenChannel]) -> None:
        self._channels = dict(channels)
        self._speaking: dict[tuple[str, str], AskingChannel] = {}

    def of(self, service: str, token: str) -> AskingChannel:
        """The way to a service for the holder of a token.

        Raises:
            UnavailableError: This gateway does not know where the service is.
            InvalidArgumentError: It is no token.
        """
        assert token, "a call without a token would be the gateway's own"
        speaking = self._speaking.get((service, token))
        if speaking is not None:
            return speaking
        channel = self.open(service)
        if len(self._speaking) >= SPEAKING_MAX:
            self._speaking.clear()
        speaking = self._speaking[service, token] = channel.with_token(token)
        return speaking

    def open(self, service: str) -> TokenChannel:
        """The way to a service for a call that needs no token, because it brings the proof of who calls.

        Raises:
            UnavailableError: This gateway does not know where the service is.
        """
        channel = self._channels.get(service)
        if channel is None:
            raise UnavailableError(
                f"this cloud's gateway has no {service}", hint=f"set peers.{service}", reason="SERVICE_ABSENT"
            )
        return channel

    def for_caller(self, service: str, token: str) -> AskingChannel:
        """One of both: `open` where there is no token."""
        return self.of(service, token) if token else self.open(service)


def forwarded(source: str) -> Headers:
    """The field that tells a service which address calls; it believes it of the gateway's certificate alone."""
    return ((HEADER, source),)
