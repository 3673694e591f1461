"""Ways from the command line to running members, of chainfire or of any etcd."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import getpass
import logging
import os
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from google.protobuf.message import Message

from chainfire.config import Config
from ultracloud.api.etcd.rpc_rpc import ClusterClient, KVClient, LeaseClient, MaintenanceClient
from ultracloud.api.rpc import Channel, Headers
from ultracloud.base.faults import Fault, UnavailableError
from ultracloud.servicekit import channels, pki
from ultracloud.servicekit import config as configuration
from ultracloud.servicekit.channels import PeerChannel
from ultracloud.servicekit.coordination.errors import translate
from ultracloud.servicekit.coordination.tokens import Credentials, Tokens
from ultracloud.servicekit.errors import ConfigError, StartError
from ultracloud.servicekit.pki import TlsIdentity
from ultracloud.servicekit.runtime import identity_of

DEFAULT_ENDPOINT = "127.0.0.1:2379"
TIMEOUT_S = 5.0
"""etcdctl's: longer than an election and the request after it."""
SERVER_NAME = pki.dns_name(pki.service_identity("chainfire"))
SCHEMES = ("https://", "http://")

ResponseT = TypeVar("ResponseT", bound=Message)
ResultT = TypeVar("ResultT")


def add_connection_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments that say whom to ask, and as whom."""
    group = parser.add_argument_group("whom to ask")
    group.add_argument(
        "--endpoint",
        "--endpoints",
        action="append",
        metavar="HOST:PORT",
        help=f"client address of a member, several with commas or again (default: {DEFAULT_ENDPOINT})",
    )
    group.add_argument("--config", type=Path, metavar="FILE", help="take address and TLS from a member's configuration")
    group.add_argument("--cacert", type=Path, metavar="FILE", help="authority that the members' certificates are of")
    group.add_argument("--cert", type=Path, metavar="FILE", help="our certificate")
    group.add_argument("--key", type=Path, metavar="FILE", help="its key")
    group.add_argument(
        "--server-name", default=SERVER_NAME, metavar="NAME", help=f"in their certificates (default: {SERVER_NAME})"
    )
    group.add_argument(
        "--user", metavar="NAME[:PASSWORD]", help="user of the store; CHAINFIRE_PASSWORD has the password"
    )
    group.add_argument(
        "--timeout", type=float, default=TIMEOUT_S, metavar="SECONDS", help=f"for each answer (default: {TIMEOUT_S:g})"
    )


@dataclass(frozen=True, slots=True)
class Access:
    """Whom to ask, and as whom."""

    addresses: tuple[str, ...]
    identity: TlsIdentity | None
    server_name: str
    credentials: Credentials | None
    timeout_s: float


def access_of(arguments: argparse.Namespace) -> Access:
    """What the arguments say.

    Raises:
        StartError: They contradict each other, or name files that cannot be read.
    """
    identity = _identity(arguments)
    addresses: list[str] = [each for given in arguments.endpoint or () for each in given.split(",")]
    if arguments.config is not None:
        settings = configuration.load(Config, arguments.config, os.environ, "CHAINFIRE")
        identity = identity or identity_of(settings)
        addresses = addresses or [each.address for each in settings.listeners()] or [settings.listen.address]
    addresses = [_address(each.strip(), identity) for each in addresses or [DEFAULT_ENDPOINT]]
    if not arguments.timeout > 0:
        raise ConfigError(f"--timeout is {arguments.timeout:g}; it must be more than 0")
    return Access(tuple(addresses), identity, arguments.server_name, _credentials(arguments.user), arguments.timeout)


class Endpoint(Channel):
    """One member. What is sent is sent once: an operator sees what happened, and decides what comes next.

    Attributes:
        address: As it was given.
    """

    def __init__(self, channel: PeerChannel, tokens: Tokens | None, timeout_s: float) -> None:
        self.address = channel.target
        self.timeout_s = timeout_s
        self.kv, self.lease = KVClient(self), LeaseClient(self)
        self.cluster, self.maintenance = ClusterClient(self), MaintenanceClient(self)
        self._channel = channel
        self._tokens = tokens

    async def unary(
        self,
        path: str,
        request: Message,
        response_type: type[ResponseT],
        timeout_s: float | None = None,
        headers: Headers = (),
    ) -> ResponseT:
        """Send one message, get one; raises what the member says, in its own words."""
        timeout_s = self.timeout_s if timeout_s is None else timeout_s
        try:
            every = (*await self._headers(), *headers)
            return await self._channel.once(path, request, response_type, timeout_s, every)
        except Fault as fault:
            raise translate(fault) from fault

    def stream(
        self,
        path: str,
        requests: Message | AsyncIterable[Message],
        response_type: type[ResponseT],
        timeout_s: float | None = None,
        headers: Headers = (),
    ) -> AsyncIterator[ResponseT]:
        """Send one message or many, get many."""
        return self._stream(path, requests, response_type, timeout_s, headers)

    async def close(self) -> None:
        """End the connection."""
        await self._channel.close()

    async def _stream(
        self,
        path: str,
        requests: Message | AsyncIterable[Message],
        response_type: type[ResponseT],
        timeout_s: float | None,
        headers: Headers,
    ) -> AsyncIterator[ResponseT]:
        every = (*await self._headers(), *headers)
        async with contextlib.aclosing(
            self._channel.stream(path, requests, response_type, timeout_s, every)  # type: ignore[type-var] # a generator
        ) as answers:
            async for answer in answers:
                yield answer

    async def _headers(self) -> tuple[tuple[str, str], ...]:
        return () if self._tokens is None else await self._tokens.headers(self._channel, self.timeout_s)


@contextlib.asynccontextmanager
async def endpoints(access: Access) -> AsyncIterator[tuple[Endpoint, ...]]:
    """Each member that was named."""
    found = tuple(
        Endpoint(
            channels.connect(
                address, access.identity, access.server_name if access.identity else "", deadline_s=access.timeout_s
            ),
            Tokens(access.credentials) if access.credentials else None,
            access.timeout_s,
        )
        for address in access.addresses
    )
    try:
        yield found
    finally:
        for endpoint in found:
            await endpoint.close()


async def first_answer(
    among: Sequence[Endpoint], ask: Callable[[Endpoint], Awaitable[ResultT]]
) -> tuple[Endpoint, ResultT]:
    """Ask one member after another until one can be reached.

    Raises:
        Fault: What the first that was reached says, or that none was.
    """
    failure: Fault = UnavailableError("no endpoint was named")
    for endpoint in among:
        try:
            return endpoint, await ask(endpoint)
        except UnavailableError as fault:
            failure = fault
    raise failure


def run(asking: Callable[[], Awaitable[int]]) -> int:
    """Run a command that asks members; its exit code.

    Raises:
        StartError: A member refused, or none answered: what it said.
    """

    async def whole() -> int:
        return await asking()

    # What goes wrong is in the fault; a library's warning beside it would say it twice.
    logging.getLogger("ultracloud").addHandler(logging.NullHandler())
    try:
        return asyncio.run(whole())
    except Fault as fault:
        raise StartError(sentence(fault)) from fault
    except BrokenPipeError:
        raise
    except OSError as error:
        raise StartError(f"{error.filename or 'output'}: {error.strerror}") from error


def sentence(fault: Fault) -> str:
    """What a fault says to an operator, who may know where the members are."""
    return f"{fault.public}: {fault.detail}" if fault.detail else fault.public


def _identity(arguments: argparse.Namespace) -> TlsIdentity | None:
    files = (arguments.cert, arguments.key, arguments.cacert)
    if files == (None, None, None):
        return None
    if None in files:
        raise ConfigError("--cert, --key and --cacert belong together; give all three, or none for plaintext")
    for file in files:
        if not os.access(file, os.R_OK):
            raise ConfigError(f"{file} is missing or unreadable")
    return TlsIdentity(*files)


def _address(given: str, identity: TlsIdentity | None) -> str:
    """An address without its scheme, which must fit what we have."""
    for scheme in SCHEMES:
        if given.startswith(scheme):
            if (scheme == "https://") != (identity is not None):
                needs = "needs --cert, --key and --cacert" if identity is None else "is plaintext; leave out --cert"
                raise ConfigError(f"endpoint {given} {needs}")
            given = given[len(scheme) :]
    if not given.startswith("unix:/") and not given.rpartition(":")[2].isdigit():
        raise ConfigError(f"endpoint '{given}' is no address; accepted: host:port or unix:/path")
    return given


def _credentials(user: str | None) -> Credentials | None:
    if user is None:
        return None
    name, _, password = user.partition(":")
    return Credentials(
        name, password or os.environ.get("CHAINFIRE_PASSWORD") or getpass.getpass(f"password of {name}: ")
    )
