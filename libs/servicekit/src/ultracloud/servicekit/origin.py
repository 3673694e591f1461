"""Where a call comes from: the other end of its connection, or whom the gateway speaks for.

Source: RFC 7239 for why only the last hop's word counts; ours is sent as the older x-forwarded-for.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from ultracloud.api.rpc import Peer
from ultracloud.servicekit.pki import service_identity

GATEWAY = service_identity("apigateway")
ADDRESS_LENGTH_MAX = 100
"""An IPv6 address with a zone and a port fits."""


class Visit(Protocol):
    """A call, or a plain HTTP request."""

    @property
    def metadata(self) -> Mapping[str, str]:
        """Headers in lower case."""
        ...

    @property
    def peer(self) -> Peer:
        """The other end of the connection."""
        ...


def source_of(call: Visit) -> str:
    """The address of who calls, with the port if it is a connection of theirs to us.

    What the gateway says is believed, because its certificate vouches for it; of a list the last one counts, which is
    what the gateway itself saw. Anybody else may write what they like into that header.
    """
    if call.peer.identity == GATEWAY:
        told = call.metadata.get("x-forwarded-for", "").rpartition(",")[2].strip()
        if told:
            return told[:ADDRESS_LENGTH_MAX]
    return call.peer.address
