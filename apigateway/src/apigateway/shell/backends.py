"""The services behind the gateway, and the one rule about them: nobody is ever spoken for by the gateway itself.

The gateway's certificate makes the connection; each call on it carries its caller's token, and the service decides on
that. A call without a token is never made, or the service would take the gateway's identity for the caller's.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from ultracloud.api.rpc import Channel
from ultracloud.base.faults import UnavailableError

SPEAKING_MAX = 4096
"""Callers whose channels are kept: each has the header fields of its calls ready."""


class TokenChannel(Channel, Protocol):
    """A channel that can speak for the holder of a token."""

    def with_token(self, token: str) -> Channel:
        """The same connection, for the holder of `token`."""
        ...


class Backends:
    """Channels by service.

    Args:
        channels: Those that are configured.
    """

    def __init__(self, channels: Mapping[str, TokenChannel]) -> None:
        self._channels = dict(channels)
        self._speaking: dict[tuple[str, str], Channel] = {}

    def of(self, service: str, token: str) -> Channel:
        """The way to a service for the holder of a token.

        Raises:
            UnavailableError: This gateway does not know where the service is.
            InvalidArgumentError: It is no token.
        """
        assert token, "a call without a token would be the gateway's own"
        speaking = self._speaking.get((service, token))
        if speaking is not None:
            return speaking
        channel = self._channels.get(service)
        if channel is None:
            raise UnavailableError(
                f"this cloud's gateway has no {service}", hint=f"set peers.{service}", reason="SERVICE_ABSENT"
            )
        if len(self._speaking) >= SPEAKING_MAX:
            self._speaking.clear()
        speaking = self._speaking[service, token] = channel.with_token(token)
        return speaking
