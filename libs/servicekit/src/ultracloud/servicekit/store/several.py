"""A channel to several stores of one flaredb: whichever answers is asked, since each answers for all keys.

store = FlaredbStore(connect_several("10.0.0.1:7002,10.0.0.2:7002", identity, expect), "prismnet")
"""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Sequence
from typing import TypeVar

from google.protobuf.message import Message

from ultracloud.api.rpc import Channel, Headers
from ultracloud.servicekit.channels import DEADLINE_S, PeerChannel, connect
from ultracloud.servicekit.coordination.endpoints import Endpoints
from ultracloud.servicekit.pki import TlsIdentity

ResponseT = TypeVar("ResponseT", bound=Message)


class SeveralChannel(Channel):
    """See the module; what happens to a request when a store is lost is said in `coordination.endpoints`."""

    def __init__(self, channels: Sequence[PeerChannel]) -> None:
        self._endpoints = Endpoints(channels)

    async def unary(
        self,
        path: str,
        request: Message,
        response_type: type[ResponseT],
        timeout_s: float | None = None,
        headers: Headers = (),
    ) -> ResponseT:
        """Send one message, get one; see `Channel`."""
        return await self._endpoints.unary(
            path,
            request,
            response_type,
            harmless_twice=self._endpoints.channels[0].is_idempotent(path),
            timeout_s=DEADLINE_S if timeout_s is None else timeout_s,
            needs_leader=False,
            headers=headers,
        )

    def stream(
        self,
        path: str,
        requests: Message | AsyncIterable[Message],
        response_type: type[ResponseT],
        timeout_s: float | None = None,
        headers: Headers = (),
    ) -> AsyncIterator[ResponseT]:
        """Send one message or many, get many; see `Channel`."""
        return self._endpoints.stream(
            path, requests, response_type, timeout_s=timeout_s, needs_leader=False, headers=headers
        )

    async def close(self) -> None:
        """End all connections."""
        await self._endpoints.close()


def connect_several(targets: str, identity: TlsIdentity | None = None, expect: str = "") -> SeveralChannel:
    """Make a channel to all of `targets`, which commas part; arguments and errors as of `channels.connect`."""
    return SeveralChannel([connect(target.strip(), identity, expect) for target in targets.split(",")])
