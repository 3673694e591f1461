"""The way from the command line to a running flaredb: its RPCs, and its page of metrics."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import http.client
import logging
import os
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flaredb.config import Config
from ultracloud.api.flaredb.v1.cluster_rpc import ClusterClient
from ultracloud.api.flaredb.v1.flaredb_rpc import KvClient
from ultracloud.base.faults import Fault
from ultracloud.servicekit import channels, pki
from ultracloud.servicekit import config as configuration
from ultracloud.servicekit.channels import PeerChannel
from ultracloud.servicekit.errors import ConfigError, StartError
from ultracloud.servicekit.pki import TlsIdentity
from ultracloud.servicekit.runtime import identity_of

DEFAULT_ENDPOINT = "127.0.0.1:7002"
TIMEOUT_S = 10.0
"""A page of a namespace full of deleted keys takes seconds."""
IDENTITY = pki.service_identity("flaredb")
UNIX = "unix:"
PAGE_BYTES_MAX = 16 << 20


def add_connection_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments that say whom to ask, and as whom."""
    group = parser.add_argument_group("whom to ask")
    group.add_argument("--endpoint", metavar="HOST:PORT", help=f"where it listens (default: {DEFAULT_ENDPOINT})")
    group.add_argument("--config", type=Path, metavar="FILE", help="take address and TLS from flaredb's configuration")
    group.add_argument("--cacert", type=Path, metavar="FILE", help="authority that flaredb's certificate is of")
    group.add_argument("--cert", type=Path, metavar="FILE", help="our certificate, of an operator to see everything")
    group.add_argument("--key", type=Path, metavar="FILE", help="its key")
    group.add_argument(
        "--timeout", type=float, default=TIMEOUT_S, metavar="SECONDS", help=f"for each answer (default: {TIMEOUT_S:g})"
    )


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A server, and who asks it."""

    address: str
    identity: TlsIdentity | None
    timeout_s: float

    @contextlib.asynccontextmanager
    async def channel(self) -> AsyncIterator[PeerChannel]:
        """The way to its RPCs."""
        expect = IDENTITY if self.identity else ""
        channel = channels.connect(self.address, self.identity, expect, deadline_s=self.timeout_s)
        try:
            yield channel
        finally:
            await channel.close()

    @contextlib.asynccontextmanager
    async def client(self) -> AsyncIterator[KvClient]:
        """A client of what is stored."""
        async with self.channel() as channel:
            yield KvClient(channel)

    @contextlib.asynccontextmanager
    async def cluster(self) -> AsyncIterator[ClusterClient]:
        """A client of what is known of the cluster."""
        async with self.channel() as channel:
            yield ClusterClient(channel)

    def metrics(self) -> str:
        """Its page of metrics. Waits for it; raises OSError or HTTPException where there is none."""
        connection = http.client.HTTPConnection("flaredb", timeout=self.timeout_s)
        try:
            connection.sock = self._socket()
            connection.request("GET", "/metrics")
            answer = connection.getresponse()
            return answer.read(PAGE_BYTES_MAX).decode(errors="replace") if answer.status == http.client.OK else ""
        finally:
            connection.close()

    def _socket(self) -> socket.socket:
        if self.address.startswith(UNIX):
            plain = socket.socket(socket.AF_UNIX)
            plain.settimeout(self.timeout_s)
            plain.connect(self.address.removeprefix(UNIX))
        else:
            host, _, port = self.address.rpartition(":")
            plain = socket.create_connection((host.strip("[]"), int(port)), self.timeout_s)
        if self.identity is None:
            return plain
        context = ssl.create_default_context(cafile=str(self.identity.ca))
        context.load_cert_chain(self.identity.certificate, self.identity.key)
        return context.wrap_socket(plain, server_hostname=pki.dns_name(IDENTITY))


def endpoint_of(arguments: argparse.Namespace) -> Endpoint:
    """What the arguments say.

    Raises:
        StartError: They contradict each other, or name files that cannot be read.
    """
    identity, address = _identity(arguments), arguments.endpoint
    if arguments.config is not None:
        settings = configuration.load(Config, arguments.config, os.environ, "FLAREDB")
        identity = identity or identity_of(settings)
        address = address or settings.listen.address
    address = address or DEFAULT_ENDPOINT
    if not address.startswith(f"{UNIX}/") and not address.rpartition(":")[2].isdigit():
        raise ConfigError(f"endpoint '{address}' is no address; accepted: host:port or unix:/path")
    if not arguments.timeout > 0:
        raise ConfigError(f"--timeout is {arguments.timeout:g}; it must be more than 0")
    return Endpoint(address, identity, arguments.timeout)


def run(asking: Callable[[], Coroutine[Any, Any, int]]) -> int:
    """Run a command that asks; its exit code.

    Raises:
        StartError: The server refused, or did not answer: what it said.
    """
    # What goes wrong is in the fault; a library's warning beside it would say it twice.
    logging.getLogger("ultracloud").addHandler(logging.NullHandler())
    try:
        return asyncio.run(asking())
    except Fault as fault:
        raise StartError(sentence(fault)) from fault


def sentence(fault: Fault) -> str:
    """What a fault says to an operator, who may know where the server is."""
    said = f"{fault.public}: {fault.detail}" if fault.detail else fault.public
    return f"{said}. {fault.hint}" if fault.hint else said


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
