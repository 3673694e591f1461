"""A real server on a free port, and grpcio's client for its Echo service."""

from __future__ import annotations

import asyncio
import datetime as dt
import ipaddress
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import grpc
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from ultracloud.api.wire.v1.echo_pb2 import EchoRequest, EchoResponse
from ultracloud.api.wire.v1.echo_rpc import ECHO
from ultracloud.wire import (
    Endpoints,
    HttpReply,
    Interceptor,
    Limits,
    Server,
    ServerOptions,
    TlsFiles,
    service,
)
from ultracloud.wire.testing import AsyncEcho

PAGES = {"/healthz": lambda: HttpReply(200, b"ok\n"), "/readyz": lambda: HttpReply(503, b"waiting for iam\n")}
PATIENCE_S = 10.0
"""Every wait of a test stands under this."""


@asynccontextmanager
async def serving(
    implementation: object | None = None,
    *,
    limits: Limits | None = None,
    tls: TlsFiles | None = None,
    interceptors: tuple[Interceptor, ...] = (),
    endpoints: Endpoints | None = None,
) -> AsyncIterator[tuple[Server, str]]:
    """A server and its ``host:port``, stopped at the end."""
    options = ServerOptions(limits=limits or Limits(), tls=tls)
    server = Server([service(ECHO, implementation or AsyncEcho())], options, interceptors, PAGES, endpoints)
    host, port = await server.listen("127.0.0.1", 0)
    try:
        yield server, f"{host}:{port}"
    finally:
        await server.drain(0.0)


class EchoCalls:
    """grpcio's callables for Echo."""

    def __init__(self, channel: grpc.aio.Channel | grpc.Channel) -> None:
        codecs = {"request_serializer": EchoRequest.SerializeToString, "response_deserializer": EchoResponse.FromString}
        prefix = f"/{ECHO.name}/"
        self.channel = channel
        self.say = channel.unary_unary(f"{prefix}Say", **codecs)
        self.repeat = channel.unary_stream(f"{prefix}Repeat", **codecs)
        self.gather = channel.stream_unary(f"{prefix}Gather", **codecs)
        self.chat = channel.stream_stream(f"{prefix}Chat", **codecs)


@asynccontextmanager
async def calling(target: str, **options: int) -> AsyncIterator[EchoCalls]:
    """An own connection to a server."""
    own = {"grpc.use_local_subchannel_pool": 1, "grpc.max_receive_message_length": -1, **options}
    async with grpc.aio.insecure_channel(target, options=list(own.items())) as channel:
        yield EchoCalls(channel)


@contextmanager
def refused(code: grpc.StatusCode) -> Iterator[list[grpc.RpcError]]:
    """Expects a status; gives the error in a list."""
    caught: list[grpc.RpcError] = []
    with pytest.raises(grpc.RpcError) as raised:
        yield caught
    caught.append(raised.value)
    assert raised.value.code() is code, raised.value


async def until(condition: object) -> None:
    """Wait until `condition()` holds."""
    async with asyncio.timeout(PATIENCE_S):
        while not condition():  # type: ignore[operator]  # noqa: ASYNC110 - what is waited for has no event
            await asyncio.sleep(0.005)


@dataclass(frozen=True)
class Identity:
    """PEM files of one certificate and of the authority behind it."""

    certificate: Path
    key: Path
    ca: Path

    def channel(self, target: str, *, show: bool = True) -> grpc.aio.Channel:
        """A channel that shows this certificate, or none."""
        mine = (self.key.read_bytes(), self.certificate.read_bytes()) if show else (None, None)
        credentials = grpc.ssl_channel_credentials(self.ca.read_bytes(), *mine)
        own = [("grpc.ssl_target_name_override", "localhost"), ("grpc.use_local_subchannel_pool", 1)]
        return grpc.aio.secure_channel(target, credentials, options=own)


class Authority:
    """A certificate authority for one test."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, folder.name)])
        builder = self._begun(self._name, self._key).add_extension(x509.BasicConstraints(True, None), critical=True)
        folder.mkdir()
        self._ca = folder / "ca.crt"
        self._ca.write_bytes(builder.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))

    def issue(self, name: str, *uris: str) -> Identity:
        """A certificate for localhost and `uris`; one issued before under this name is replaced."""
        key = ec.generate_private_key(ec.SECP256R1())
        names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
        names += [x509.UniformResourceIdentifier(uri) for uri in uris]
        subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        builder = self._begun(subject, key).add_extension(x509.SubjectAlternativeName(names), critical=False)
        identity = Identity(self._folder / f"{name}.crt", self._folder / f"{name}.key", self._ca)
        identity.certificate.write_bytes(
            builder.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
        )
        plain = (serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        identity.key.write_bytes(key.private_bytes(serialization.Encoding.PEM, *plain))
        return identity

    def _begun(self, subject: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
        now = dt.datetime.now(dt.UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - dt.timedelta(minutes=5))
            .not_valid_after(now + dt.timedelta(days=1))
        )
