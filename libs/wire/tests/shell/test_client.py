"""A client's connection against grpcio's server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
import grpc.aio
import pytest

from ultracloud.wire import CallFailedError, ClientProtocol


def fields(method: str) -> tuple[tuple[str, str], ...]:
    return (
        (":method", "POST"),
        (":scheme", "http"),
        (":path", f"/t.T/{method}"),
        (":authority", "localhost"),
        ("te", "trailers"),
        ("content-type", "application/grpc"),
    )


class Peer(grpc.GenericRpcHandler):
    """Bytes in, bytes out."""

    def __init__(self) -> None:
        self.cancelled = asyncio.Event()
        self.running = self.running_max = 0

    def service(self, details: grpc.HandlerCallDetails) -> Any:
        match details.method.rpartition("/")[2]:
            case "Say":
                return grpc.unary_unary_rpc_method_handler(self.say)
            case "Count":
                return grpc.unary_stream_rpc_method_handler(self.count)
            case "Chat":
                return grpc.stream_stream_rpc_method_handler(self.chat)
            case "Wait":
                return grpc.unary_unary_rpc_method_handler(self.wait)
            case _:
                return None

    async def say(self, request: bytes, _context: Any) -> bytes:
        self.running += 1
        self.running_max = max(self.running, self.running_max)
        await asyncio.sleep(0.001)
        self.running -= 1
        return request

    async def count(self, request: bytes, context: Any) -> AsyncGenerator[bytes, None]:
        for number in range(int(request)):
            yield str(number).encode()
        await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "no more numbers: 100 %")

    async def chat(self, requests: AsyncIterator[bytes], _context: Any) -> AsyncGenerator[bytes, None]:
        async for request in requests:
            yield request[::-1]

    async def wait(self, _request: bytes, _context: Any) -> bytes:
        try:
            await asyncio.sleep(60)
        finally:
            self.cancelled.set()
        return b""


@asynccontextmanager
async def talking(peer: Peer, **options: int) -> AsyncGenerator[ClientProtocol, None]:
    server = grpc.aio.server(options=[(f"grpc.{name}", value) for name, value in options.items()])
    server.add_generic_rpc_handlers((peer,))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    _, client = await asyncio.get_running_loop().create_connection(ClientProtocol, "127.0.0.1", port)
    try:
        assert await client.greeted
        yield client
    finally:
        client.close()
        await client.ended
        await server.stop(None)


async def say(client: ClientProtocol, message: bytes) -> bytes:
    """Until it is taken: grpcio counts a stream for a moment longer than HTTP/2 does, and refuses the next."""
    while True:
        try:
            return await client.unary(fields("Say"), (), message, 30)
        except CallFailedError as error:
            if error.was_taken:
                raise


def test_many_calls_at_once_keep_to_what_the_server_takes() -> None:
    async def scenario() -> None:
        peer = Peer()
        async with talking(peer, max_concurrent_streams=4) as client:
            calls = [say(client, str(number).encode()) for number in range(100)]
            assert await asyncio.gather(*calls) == [str(number).encode() for number in range(100)]
            assert 1 < peer.running_max <= 4

    asyncio.run(scenario())


def test_large_messages_pass_both_ways() -> None:
    async def scenario() -> None:
        async with talking(Peer()) as client:
            large = bytes(range(256)) * 12_000
            assert await client.unary(fields("Say"), (), large, 30) == large

    asyncio.run(scenario())


def test_a_stream_gives_its_messages_then_its_status() -> None:
    async def scenario() -> None:
        async with talking(Peer()) as client:
            exchange = await client.stream(fields("Count"), (), b"500")
            assert [await exchange.read() for _ in range(500)] == [str(number).encode() for number in range(500)]
            with pytest.raises(CallFailedError, match="no more numbers: 100 %") as caught:
                await exchange.read()
            assert caught.value.status == 8

    asyncio.run(scenario())


def test_both_sides_of_a_stream_speak() -> None:
    async def scenario() -> None:
        async with talking(Peer()) as client:
            exchange = await client.stream(fields("Chat"), (), None)
            for word in (b"abc", b"", b"x" * 300_000):
                assert await exchange.send(word)
                assert await exchange.read() == word[::-1]
            exchange.finish()
            assert await exchange.read() is None
            assert not await exchange.send(b"late")

    asyncio.run(scenario())


def test_a_deadline_and_a_caller_who_leaves_end_the_call_at_the_server() -> None:
    async def scenario() -> None:
        peer = Peer()
        async with talking(peer) as client:
            with pytest.raises(CallFailedError) as caught:
                await client.unary(fields("Wait"), (), b"", 0.1)
            assert caught.value.status == 4
            await asyncio.wait_for(peer.cancelled.wait(), 5)
            peer.cancelled.clear()
            leaving = asyncio.create_task(client.unary(fields("Wait"), (), b"", 60))
            await asyncio.sleep(0.1)
            leaving.cancel()
            await asyncio.wait_for(peer.cancelled.wait(), 5)

    asyncio.run(scenario())


def test_what_the_server_does_not_have_is_unimplemented() -> None:
    async def scenario() -> None:
        async with talking(Peer()) as client:
            with pytest.raises(CallFailedError) as caught:
                await client.unary(fields("Nothing"), (), b"", 5)
            assert caught.value.status == 12

    asyncio.run(scenario())


def test_a_retired_connection_answers_what_it_has_and_ends() -> None:
    async def scenario() -> None:
        async with talking(Peer()) as client:
            call = asyncio.create_task(client.unary(fields("Say"), (), b"last", 5))
            await asyncio.sleep(0)
            client.retire(30)
            assert not client.is_usable
            assert await call == b"last"
            await asyncio.wait_for(client.ended, 5)

    asyncio.run(scenario())


def test_a_lost_connection_fails_its_calls() -> None:
    async def scenario() -> None:
        async with talking(Peer()) as client:
            calls = [asyncio.create_task(client.unary(fields("Wait"), (), b"", 60)) for _ in range(3)]
            exchange = await client.stream(fields("Chat"), (), None)
            await asyncio.sleep(0.1)
            client.close()
            for call in calls:
                with pytest.raises(CallFailedError):
                    await call
            with pytest.raises(CallFailedError):
                await exchange.read()

    asyncio.run(scenario())


def test_each_call_ends_at_its_own_deadline_and_one_that_is_given_up_at_once() -> None:
    async def scenario() -> None:
        peer = Peer()
        async with talking(peer) as client:
            asked = {timeout_s: client.ask(fields("Wait"), (), b"", timeout_s) for timeout_s in (60, 0.3, 0.1, 0.2)}
            done, _ = await asyncio.wait(asked.values(), timeout=10, return_when=asyncio.FIRST_EXCEPTION)
            assert done == {asked[0.1]}
            await asyncio.wait([asked[0.2], asked[0.3]], timeout=10)
            errors = [asked[each].exception() for each in (0.1, 0.2, 0.3)]
            assert [error.status for error in errors if isinstance(error, CallFailedError)] == [4, 4, 4]
            peer.cancelled.clear()
            assert asked[60].cancel()
            await asyncio.wait_for(peer.cancelled.wait(), 5)
            assert await say(client, b"on") == b"on"

    asyncio.run(scenario())
