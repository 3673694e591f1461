"""Who we are to a store with users: name and password give a token, which goes with every request and is renewed.

Source: etcd's auth design; the header's name from api/v3rpc/rpctypes/metadatafields.go.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from ultracloud.api.etcd import rpc_pb2
from ultracloud.base.faults import Fault
from ultracloud.servicekit.channels import PeerChannel
from ultracloud.servicekit.coordination.errors import translate

AUTHENTICATE = "/etcdserverpb.Auth/Authenticate"
NOT_ENABLED = "etcdserver: authentication is not enabled"


@dataclass(frozen=True, slots=True)
class Credentials:
    """A user of the store."""

    user: str
    password: str = field(repr=False)


class Tokens:
    """The token of a user; asked for when first needed, and again after `forget`."""

    def __init__(self, credentials: Credentials) -> None:
        self._credentials = credentials
        self._token: str | None = None
        self._asking = asyncio.Lock()

    def forget(self) -> None:
        """The token is refused: ask for another."""
        self._token = None

    async def headers(self, channel: PeerChannel, timeout_s: float) -> tuple[tuple[str, str], ...]:
        """What a request to `channel` carries; nothing where the store has no users.

        Raises:
            Fault: The store refuses user or password, or cannot be reached.
        """
        async with self._asking:  # requests that find no token wait for one together
            if self._token is None:
                self._token = await self._ask(channel, timeout_s)
            return (("token", self._token),) if self._token else ()

    async def _ask(self, channel: PeerChannel, timeout_s: float) -> str:
        """A new token; empty where the store has no users."""
        request = rpc_pb2.AuthenticateRequest(name=self._credentials.user, password=self._credentials.password)
        try:
            answer = await channel.once(AUTHENTICATE, request, rpc_pb2.AuthenticateResponse, timeout_s)
        except Fault as error:
            fault = translate(error)
            if fault.public == NOT_ENABLED:
                return ""
            raise fault from error
        return answer.token
