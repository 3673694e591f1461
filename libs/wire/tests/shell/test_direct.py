"""Ways past a stream's method: what is pushed and taken while it waits keeps its place in the stream."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator

import grpc
import pytest
from serving import calling, serving, until

from ultracloud.api.rpc import Call, DirectCall
from ultracloud.api.wire.v1.echo_pb2 import EchoRequest, EchoResponse
from ultracloud.base.faults import InvalidArgumentError
from ultracloud.wire.testing import AsyncEcho

LARGE_BYTES = 1 << 20


class DirectEcho(AsyncEcho):
    """Chat that is answered past its method, but for what the method is to see: requests that ask it to wait."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[DirectCall] = []
        self.woken = 0

    async def chat(self, requests: AsyncIterator[EchoRequest], call: Call, /) -> AsyncGenerator[EchoResponse, None]:
        """Give each payload back."""
        assert isinstance(call, DirectCall)
        self.calls.append(call)
        call.attend(lambda request: not request.count and call.push(_answer(request)))
        async for request in requests:
            self.woken += 1
            await asyncio.sleep(0.05)
            yield EchoResponse(payload=request.payload)


async def test_requests_are_answered_in_order_past_a_method_that_waits() -> None:
    echo = DirectEcho()
    async with serving(echo) as (_server, target), calling(target) as client:
        chat = client.chat()
        for number in range(20):
            await chat.write(EchoRequest(payload=b"%d" % number, count=int(number == 10)))
        assert [(await chat.read()).payload for _ in range(20)] == [b"%d" % number for number in range(20)]
        await chat.done_writing()
        assert await chat.read() is grpc.aio.EOF
    assert 1 <= echo.woken < 20


async def test_nothing_is_pushed_to_a_client_that_does_not_read() -> None:
    echo = DirectEcho()
    async with serving(echo) as (_server, target), calling(target) as client:
        chat = client.chat()
        await chat.write(EchoRequest(payload=b"begun"))
        assert (await chat.read()).payload == b"begun"
        sent = 0
        while echo.calls[0].push(_answer(EchoRequest(payload=b"x" * LARGE_BYTES))):
            sent += 1
        assert sent < 64
        assert [len((await chat.read()).payload) for _ in range(sent)] == [LARGE_BYTES] * sent


async def test_nothing_is_pushed_to_a_call_that_has_ended() -> None:
    echo = DirectEcho()
    async with serving(echo) as (_server, target), calling(target) as client:
        chat = client.chat()
        await chat.write(EchoRequest(payload=b"begun"))
        await chat.read()
        chat.cancel()
        await until(lambda: not echo.calls[0].push(b""))


def _answer(request: EchoRequest) -> bytes:
    return EchoResponse(payload=request.payload).SerializeToString()


class ShortEcho(AsyncEcho):
    """Echo with a short way beside it, for all but one payload; a longer one is answered later."""

    def say_octets(self, octets: bytes, call: Call, /) -> bytes | asyncio.Future[bytes] | None:
        """Answer with what was asked and how."""
        payload = EchoRequest.FromString(octets).payload
        if payload == b"long":
            return None
        if payload == b"bad":
            raise InvalidArgumentError(f"no {call.path}")
        answer = EchoResponse(payload=payload + b" in short").SerializeToString()
        if payload != b"later":
            return answer
        later: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        later.get_loop().call_soon(later.set_result, answer)
        return later


async def test_a_method_with_a_short_way_answers_by_either() -> None:
    async with serving(ShortEcho()) as (_server, target), calling(target) as client:
        payloads = [(await client.say(EchoRequest(payload=each))).payload for each in (b"now", b"later", b"long")]
        assert payloads == [b"now in short", b"later in short", b"long"]
        with pytest.raises(grpc.aio.AioRpcError, match="no /ultracloud"):
            await client.say(EchoRequest(payload=b"bad"))
