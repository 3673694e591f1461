"""Channels against a real server of ours."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ultracloud.api.rpc import Call
from ultracloud.api.wire.v1.echo_pb2 import EchoRequest, EchoResponse
from ultracloud.api.wire.v1.echo_rpc import ECHO, EchoClient
from ultracloud.base.faults import (
    AbortedError,
    DeadlineExceededError,
    InvalidArgumentError,
    UnavailableError,
)
from ultracloud.servicekit import channels, connections, deadlines, pki
from ultracloud.servicekit.pki import TlsIdentity
from ultracloud.servicekit.testing import FakeCall
from ultracloud.testkit.pki import TlsMaterial
from ultracloud.wire import Server, ServerOptions, TlsFiles, service

SELF = pki.service_identity("echo")


class Echo:
    """Remembers its calls; fails the first `failures` of them with Unavailable."""

    def __init__(self, failures: int = 0) -> None:
        self.calls: list[Call] = []
        self.failures = failures
        self.cancelled = asyncio.Event()

    async def say(self, request: EchoRequest, call: Call) -> EchoResponse:
        self.calls.append(call)
        if len(self.calls) <= self.failures:
            raise UnavailableError("not now", reason="BUSY", hint="come back", metadata={"queue": "full"})
        if request.fail_code:
            raise AbortedError("it changed", reason="ETAG_MISMATCH", hint="read it again", metadata={"etag": "7"})
        await asyncio.sleep(request.delay_s)
        return EchoResponse(payload=request.payload)

    async def repeat(self, request: EchoRequest, _call: Call) -> AsyncGenerator[EchoResponse, None]:
        try:
            while True:
                yield EchoResponse(payload=request.payload)
                await asyncio.sleep(0.01)
        finally:
            self.cancelled.set()

    async def chat(self, requests: AsyncIterator[EchoRequest], _call: Call) -> AsyncGenerator[EchoResponse, None]:
        async for request in requests:
            yield EchoResponse(payload=request.payload)


@asynccontextmanager
async def serving(
    echo: Echo, identity: TlsIdentity | None = None, port: int = 0
) -> AsyncGenerator[tuple[Server, str], None]:
    tls = TlsFiles(identity.certificate, identity.key, identity.ca) if identity else None
    server = Server([service(ECHO, echo)], ServerOptions(tls=tls))
    host, bound = await server.listen("127.0.0.1", port)
    try:
        yield server, f"{host}:{bound}"
    finally:
        await server.drain(0)


@asynccontextmanager
async def connected(target: str, *given: Any, **named: Any) -> AsyncGenerator[channels.PeerChannel, None]:
    channel = channels.connect(target, *given, **named)
    try:
        yield channel
    finally:
        await channel.close()


Scenario = Callable[[], Coroutine[Any, Any, None]]


def test_a_fault_arrives_as_it_was_raised() -> None:
    async def scenario() -> None:
        async with serving(Echo()) as (_, target), connected(target) as channel:
            with pytest.raises(AbortedError) as caught:
                await EchoClient(channel).say(EchoRequest(fail_code=10))
        fault = caught.value
        assert (fault.public, fault.reason, fault.hint) == ("it changed", "ETAG_MISMATCH", "read it again")
        assert fault.metadata == {"etag": "7"}

    asyncio.run(scenario())


def test_unavailable_is_sent_again_only_where_that_is_harmless() -> None:
    async def scenario() -> None:
        echo = Echo(failures=2)
        async with serving(echo) as (_, target):
            async with connected(target) as channel:
                with pytest.raises(UnavailableError, match="not now"):
                    await EchoClient(channel).say(EchoRequest())
            assert len(echo.calls) == 1
            async with connected(target, idempotent=["Say"]) as channel:
                assert (await EchoClient(channel).say(EchoRequest(payload=b"x"))).payload == b"x"
            assert len(echo.calls) == 3

    asyncio.run(scenario())


def test_every_call_has_a_deadline() -> None:
    async def scenario() -> None:
        echo = Echo()
        async with serving(echo) as (_, target), connected(target, deadline_s=0.1) as channel:
            with pytest.raises(DeadlineExceededError):
                await EchoClient(channel).say(EchoRequest(delay_s=5))
            remaining = echo.calls[0].time_remaining()
            assert remaining is not None
            with deadlines.inside(FakeCall(time_left_s=0.05)), pytest.raises(DeadlineExceededError):
                await EchoClient(channel).say(EchoRequest(delay_s=5), timeout_s=60)

    asyncio.run(scenario())


def test_a_peer_that_is_down_is_unavailable_and_named_without_its_address() -> None:
    async def scenario() -> None:
        async with connected("127.0.0.1:1", deadline_s=0.2) as channel:
            with pytest.raises(UnavailableError) as caught:
                await EchoClient(channel).say(EchoRequest())
        assert caught.value.reason == "PEER_DOWN"
        assert "127.0.0.1:1" in caught.value.detail

    asyncio.run(scenario())


def test_a_call_waits_for_a_server_that_restarts() -> None:
    async def scenario() -> None:
        echo = Echo()
        async with serving(echo) as (_, target), connected(target) as channel:
            await EchoClient(channel).say(EchoRequest())
        port = int(target.rpartition(":")[2])
        async with connected(target) as channel:
            call = asyncio.create_task(EchoClient(channel).say(EchoRequest(payload=b"later")))
            await asyncio.sleep(0.3)
            assert not call.done()
            async with serving(echo, port=port):
                assert (await call).payload == b"later"

    asyncio.run(scenario())


def test_whoever_uses_a_channel_that_is_closed_gets_a_fault() -> None:
    async def say(echo: EchoClient) -> None:
        await echo.say(EchoRequest(delay_s=60))

    async def repeat(echo: EchoClient) -> None:
        await _read_out(echo.repeat(EchoRequest()))

    async def scenario() -> None:
        async with serving(Echo()) as (_, there):
            for target, body in itertools.product(("127.0.0.1:1", there), (say, repeat)):
                channel = channels.connect(target, deadline_s=30)
                call = asyncio.create_task(body(EchoClient(channel)))
                await asyncio.sleep(0.1)
                await channel.close()
                with pytest.raises(UnavailableError):
                    await asyncio.wait_for(call, 5)

    asyncio.run(scenario())


def test_a_caller_who_is_cancelled_stays_cancelled() -> None:
    async def scenario() -> None:
        async with serving(Echo()) as (_, target), connected(target) as channel:
            call = asyncio.create_task(EchoClient(channel).say(EchoRequest(delay_s=60)))
            await asyncio.sleep(0.1)
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call

    asyncio.run(scenario())


@pytest.mark.parametrize("token", ["", "two words", "line\n", "t\N{LATIN SMALL LETTER O WITH DIAERESIS}ken"])
def test_what_is_no_token_does_not_leave_the_certificate_to_speak(token: str) -> None:
    with pytest.raises(InvalidArgumentError, match="the bearer token is empty or has characters"):
        channels.connect("127.0.0.1:1").with_token(token)


def test_a_token_and_a_trace_travel_with_the_call() -> None:
    async def scenario() -> None:
        echo = Echo()
        async with serving(echo) as (_, target), connected(target) as channel:
            call = FakeCall(metadata={"traceparent": f"00-{'ab' * 16}-00f067aa0ba902b7-01"})
            with deadlines.inside(call):
                await EchoClient(channel.with_token("secret")).say(EchoRequest())
            await EchoClient(channel).say(EchoRequest())
        first, second = echo.calls
        assert first.metadata["authorization"] == "Bearer secret"
        assert deadlines.trace_of(first.metadata) == "ab" * 16
        assert "authorization" not in second.metadata
        assert len(deadlines.trace_of(second.metadata)) == 32

    asyncio.run(scenario())


def test_closing_a_stream_cancels_it_at_the_server() -> None:
    async def scenario() -> None:
        echo = Echo()
        async with serving(echo) as (_, target), connected(target) as channel:
            stream = EchoClient(channel).repeat(EchoRequest(payload=b"x"))
            assert (await anext(stream)).payload == b"x"
            assert isinstance(stream, AsyncGenerator)
            await stream.aclose()
            async with asyncio.timeout(5):
                await echo.cancelled.wait()

    asyncio.run(scenario())


def test_both_sides_of_a_stream_flow() -> None:
    async def questions() -> AsyncGenerator[EchoRequest, None]:
        for number in range(3):
            yield EchoRequest(payload=bytes([number]))

    async def scenario() -> None:
        async with serving(Echo()) as (_, target), connected(target) as channel:
            answers = [answer.payload async for answer in EchoClient(channel).chat(questions())]
        assert answers == [b"\x00", b"\x01", b"\x02"]

    asyncio.run(scenario())


def test_requests_of_a_stream_end_with_it() -> None:
    async def scenario() -> None:
        ended = asyncio.Event()

        async def questions() -> AsyncGenerator[EchoRequest, None]:
            try:
                yield EchoRequest(payload=b"x")
                await asyncio.Event().wait()
            finally:
                ended.set()

        async with connected("127.0.0.1:1", deadline_s=0.2) as channel:
            with pytest.raises(UnavailableError):
                await anext(EchoClient(channel).chat(questions()))
        async with serving(Echo()) as (server, target), connected(target) as channel:
            stream = EchoClient(channel).chat(questions())
            assert (await anext(stream)).payload == b"x"
            await server.drain(0)
            with pytest.raises(UnavailableError):
                await anext(stream)
            assert ended.is_set()

    asyncio.run(scenario())


async def _read_out(stream: AsyncIterator[EchoResponse]) -> None:
    async for _ in stream:
        pass


def test_a_stream_whose_requests_fail_says_why() -> None:
    async def questions() -> AsyncGenerator[EchoRequest, None]:
        yield EchoRequest(payload=b"x")
        raise LookupError("no more questions")

    async def scenario() -> None:
        async with serving(Echo()) as (_, target), connected(target) as channel:
            with pytest.raises(LookupError, match="no more questions"):
                await _read_out(EchoClient(channel).chat(questions()))

    asyncio.run(scenario())


def test_both_sides_prove_who_they_are(tmp_path: Path) -> None:
    async def scenario() -> None:
        material = TlsMaterial(tmp_path)
        echo = Echo()
        async with serving(echo, material.service("echo")) as (_, target):
            async with connected(target, material.agent("prismnet", "node-1"), SELF) as channel:
                await EchoClient(channel).say(EchoRequest())
            assert echo.calls[0].peer.identity == pki.agent_identity("prismnet", "node-1")
            async with connected(target, material.operator(), pki.service_identity("other"), deadline_s=0.3) as channel:
                with pytest.raises(UnavailableError, match="other does not answer"):
                    await EchoClient(channel).say(EchoRequest())

    asyncio.run(scenario())


def test_a_stranger_to_the_ca_is_not_served(tmp_path: Path) -> None:
    async def scenario() -> None:
        ours, theirs = TlsMaterial(tmp_path / "ours"), TlsMaterial(tmp_path / "theirs")
        liar = theirs.operator()
        mixed = TlsIdentity(liar.certificate, liar.key, ours.service("echo").ca)
        echo = Echo()
        async with (
            serving(echo, ours.service("echo")) as (_, target),
            connected(target, mixed, SELF, deadline_s=0.5) as channel,
        ):
            with pytest.raises(UnavailableError):
                await EchoClient(channel).say(EchoRequest())
        assert not echo.calls

    asyncio.run(scenario())


def test_who_has_no_certificate_yet_verifies_the_server_all_the_same(tmp_path: Path) -> None:
    async def scenario() -> None:
        ours, theirs = TlsMaterial(tmp_path / "ours"), TlsMaterial(tmp_path / "theirs")
        identity = ours.service("echo")
        tls = TlsFiles(identity.certificate, identity.key, identity.ca, require_client_cert=False)
        server = Server([service(ECHO, echo := Echo())], ServerOptions(tls=tls))
        target = ":".join(map(str, await server.listen("127.0.0.1", 0)))
        async with connected(target, None, SELF, roots=identity.ca.read_text()) as channel:
            await EchoClient(channel).say(EchoRequest())
        assert echo.calls[0].peer.identity is None
        stranger = theirs.service("echo").ca.read_text()
        async with connected(target, None, SELF, roots=stranger, deadline_s=0.3) as channel:
            with pytest.raises(UnavailableError):
                await EchoClient(channel).say(EchoRequest())
        await server.drain(0)

    asyncio.run(scenario())


def test_a_renewed_certificate_is_used_without_a_restart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "STAMP_CHECK_S", 0.0)

    async def scenario() -> None:
        material = TlsMaterial(tmp_path)
        echo, me = Echo(), material.operator("first")
        async with serving(echo, material.service("echo")) as (_, target), connected(target, me, SELF) as channel:
            await EchoClient(channel).say(EchoRequest())
            other = material.operator("second")
            other.certificate.replace(me.certificate)
            other.key.replace(me.key)
            await EchoClient(channel).say(EchoRequest())
        assert [call.peer.identity for call in echo.calls] == [
            pki.operator_identity("first"),
            pki.operator_identity("second"),
        ]

    asyncio.run(scenario())


def test_a_unix_socket_is_an_address_too(tmp_path: Path) -> None:
    async def scenario() -> None:
        material = TlsMaterial(tmp_path)
        identity = material.service("echo")
        tls = TlsFiles(identity.certificate, identity.key, identity.ca)
        server = Server([service(ECHO, Echo())], ServerOptions(tls=tls))
        await server.listen_unix(str(tmp_path / "echo.sock"))
        async with connected(f"unix:{tmp_path}/echo.sock", material.operator(), SELF) as channel:
            assert (await EchoClient(channel).say(EchoRequest(payload=b"u"))).payload == b"u"
        await server.drain(0)

    asyncio.run(scenario())


@pytest.mark.parametrize("target", ["", "host", "host:", "unix:relative", "host:port"])
def test_what_is_no_address_is_refused(target: str) -> None:
    with pytest.raises(InvalidArgumentError, match="is no address; accepted: host:port or unix:/path"):
        channels.connect(target)


async def reason(target: str, identity: TlsIdentity | None = None, expect: str = "") -> str:
    async with connected(target, identity, expect, deadline_s=0.2) as channel:
        with pytest.raises(UnavailableError) as caught:
            await EchoClient(channel).say(EchoRequest())
    assert target not in caught.value.public
    return caught.value.detail


def test_the_log_is_told_why_there_is_no_connection(tmp_path: Path) -> None:
    async def scenario() -> None:
        ours, theirs = TlsMaterial(tmp_path / "ours"), TlsMaterial(tmp_path / "theirs")
        async with serving(Echo(), ours.service("echo")) as (_, target):
            assert "Connect call failed" in await reason("127.0.0.1:1")
            assert "its name is not found" in await reason("nowhere.invalid:1")
            assert "No such file" in await reason(f"unix:{tmp_path}/none")
            wrong = await reason(target, ours.operator(), pki.service_identity("other"))
            assert "its certificate is not that of spiffe://ultracloud.local/service/other: Hostname mismatch" in wrong
            assert "self-signed certificate in certificate chain" in await reason(target, theirs.operator(), SELF)
            expired = pki.issue(ours.ca, pki.operator_identity("late"), tmp_path, days=0)
            assert "has expired" in await reason(target, expired, SELF)
            assert "it takes no clear text; give a certificate" in await reason(target)
            stranger = replace(theirs.operator(), ca=ours.operator().ca)
            assert "may not accept our certificate" in await reason(target, stranger, SELF)

    asyncio.run(scenario())


def test_the_log_is_told_what_is_wrong_with_a_server(tmp_path: Path) -> None:
    async def scenario() -> None:
        material = TlsMaterial(tmp_path)
        late = pki.issue(material.ca, SELF, tmp_path / "late", days=0)
        async with serving(Echo(), late) as (_, target):
            assert "its certificate has expired" in await reason(target, material.operator(), SELF)
        async with other_protocol() as target:
            assert "it speaks another protocol than HTTP/2" in await reason(target)
            assert "it speaks no TLS that we know" in await reason(target, material.operator(), SELF)

    asyncio.run(scenario())


@asynccontextmanager
async def other_protocol() -> AsyncGenerator[str, None]:
    async def answer(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail.example ESMTP\r\n")
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield ":".join(map(str, server.sockets[0].getsockname()))
