from __future__ import annotations

import asyncio
import ssl
from pathlib import Path

import grpc
import pytest
from serving import Authority, EchoCalls, Identity, refused, serving

from ultracloud.api.rpc import Call
from ultracloud.api.wire.v1.echo_pb2 import EchoRequest, EchoResponse
from ultracloud.wire import TlsFiles

SPIFFE = "spiffe://ultracloud.local/service/flaredb"


class WhoAmI:
    def say(self, _request: EchoRequest, call: Call, /) -> EchoResponse:
        return EchoResponse(payload=str(call.peer.identity).encode())


def files(identity: Identity, *, require: bool = True) -> TlsFiles:
    return TlsFiles(identity.certificate, identity.key, identity.ca, require)


async def identity_seen(target: str, client: Identity, *, show: bool = True) -> str:
    async with client.channel(target, show=show) as channel:
        return (await EchoCalls(channel).say(EchoRequest(), timeout=5)).payload.decode()


async def test_the_clients_certificate_says_who_it_is(tmp_path: Path) -> None:
    authority = Authority(tmp_path / "ca")
    server, client = authority.issue("server"), authority.issue("client", SPIFFE)
    async with serving(WhoAmI(), tls=files(server)) as (_server, target):
        assert await identity_seen(target, client) == SPIFFE


async def test_two_spiffe_names_or_none_are_no_identity(tmp_path: Path) -> None:
    authority = Authority(tmp_path / "ca")
    server, none, two = authority.issue("server"), authority.issue("none"), authority.issue("two", SPIFFE, SPIFFE + "2")
    async with serving(WhoAmI(), tls=files(server)) as (_server, target):
        assert await identity_seen(target, none) == "None"
        assert await identity_seen(target, two) == "None"


async def test_without_a_certificate_or_with_a_strangers_nobody_gets_in(tmp_path: Path) -> None:
    authority, other = Authority(tmp_path / "ca"), Authority(tmp_path / "other")
    server, stranger = authority.issue("server"), other.issue("client", SPIFFE)
    disguised = Identity(stranger.certificate, stranger.key, server.ca)
    async with serving(WhoAmI(), tls=files(server)) as (_server, target):
        for show in (True, False):
            with refused(grpc.StatusCode.UNAVAILABLE):
                await identity_seen(target, disguised, show=show)


async def test_a_certificate_may_be_left_to_the_client_but_is_still_verified(tmp_path: Path) -> None:
    authority, other = Authority(tmp_path / "ca"), Authority(tmp_path / "other")
    server, client, stranger = authority.issue("server"), authority.issue("client", SPIFFE), other.issue("c", SPIFFE)
    async with serving(WhoAmI(), tls=files(server, require=False)) as (_server, target):
        assert await identity_seen(target, client, show=False) == "None"
        assert await identity_seen(target, client) == SPIFFE
        with refused(grpc.StatusCode.UNAVAILABLE):
            await identity_seen(target, Identity(stranger.certificate, stranger.key, server.ca))


async def test_a_reload_changes_certificate_and_authority_and_keeps_connections(tmp_path: Path) -> None:
    old, new = Authority(tmp_path / "old"), Authority(tmp_path / "new")
    paths = old.issue("server")
    before, after = old.issue("client", SPIFFE), new.issue("client", SPIFFE)
    async with serving(WhoAmI(), tls=files(paths)) as (server, target), before.channel(target) as open_channel:
        kept = EchoCalls(open_channel)
        await kept.say(EchoRequest())
        replacement = new.issue("server")
        for name in ("certificate", "key", "ca"):
            getattr(paths, name).write_bytes(getattr(replacement, name).read_bytes())
        server.reload_tls()
        assert await identity_seen(target, after) == SPIFFE
        with refused(grpc.StatusCode.UNAVAILABLE):
            await identity_seen(target, Identity(before.certificate, before.key, after.ca))
        assert (await kept.say(EchoRequest())).payload.decode() == SPIFFE


async def test_a_reload_of_bad_files_changes_nothing(tmp_path: Path) -> None:
    authority = Authority(tmp_path / "ca")
    paths, client = authority.issue("server"), authority.issue("client", SPIFFE)
    async with serving(WhoAmI(), tls=files(paths)) as (server, target):
        for spoilt in (b"no certificate", authority.issue("other").certificate.read_bytes()):
            paths.certificate.write_bytes(spoilt)
            with pytest.raises(ssl.SSLError):
                server.reload_tls()
            assert await identity_seen(target, client) == SPIFFE
        paths.certificate.unlink()
        with pytest.raises(OSError, match="No such file"):
            server.reload_tls()


async def test_a_clear_text_client_of_a_tls_port_is_dropped(tmp_path: Path) -> None:
    server = Authority(tmp_path / "ca").issue("server")
    async with serving(WhoAmI(), tls=files(server)) as (_server, target):
        host, port = target.split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n")
        assert b"200 OK" not in await reader.read()
        writer.close()


async def test_old_tls_is_refused(tmp_path: Path) -> None:
    server = Authority(tmp_path / "ca").issue("server")
    context = ssl.create_default_context(cafile=str(server.ca))
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    async with serving(WhoAmI(), tls=files(server, require=False)) as (_server, target):
        host, port = target.split(":")
        with pytest.raises((ssl.SSLError, ConnectionResetError)):
            await asyncio.open_connection(host, int(port), ssl=context, server_hostname="localhost")
