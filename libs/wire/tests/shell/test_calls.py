from __future__ import annotations

import asyncio

import grpc
import pytest
from serving import EchoCalls, calling, refused, serving, until

from ultracloud.api.wire.v1.echo_pb2 import EchoRequest
from ultracloud.api.wire.v1.echo_rpc import ECHO
from ultracloud.wire.testing import AsyncEcho, DeferredEcho, PlainEcho

KIB = 1024
IMPLEMENTATIONS = [PlainEcho, DeferredEcho, AsyncEcho]


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
@pytest.mark.parametrize("size", [0, 1, 16 * KIB, 64 * KIB, 1024 * KIB, 4096 * KIB - 100])
async def test_a_unary_call_of_any_size_is_answered(implementation: type, size: int) -> None:
    async with serving(implementation()) as (_server, target), calling(target) as echo:
        response = await echo.say(EchoRequest(payload=b"x" * size), timeout=10)
        assert response.payload == b"x" * size


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
async def test_many_calls_at_once_are_each_answered_with_their_own(implementation: type) -> None:
    async with serving(implementation()) as (_server, target), calling(target) as echo:
        calls = [echo.say(EchoRequest(payload=b"%d" % number)) for number in range(300)]
        assert [(await call).payload for call in calls] == [b"%d" % number for number in range(300)]


async def test_a_server_stream_is_whole_and_in_order() -> None:
    async with serving() as (_server, target), calling(target) as echo:
        responses = [each async for each in echo.repeat(EchoRequest(payload=b"y" * 100_000, count=50))]
        assert [each.number for each in responses] == list(range(50))
        assert all(each.payload == b"y" * 100_000 for each in responses)


async def test_a_client_stream_larger_than_all_windows_is_joined() -> None:
    async with serving() as (_server, target), calling(target) as echo:
        response = await echo.gather(EchoRequest(payload=b"z" * 300_000) for _ in range(30))
        assert (len(response.payload), response.number) == (9_000_000, 30)


async def test_an_empty_client_stream_is_answered() -> None:
    async with serving() as (_server, target), calling(target) as echo:
        assert (await echo.gather([])).number == 0


async def test_a_conversation_goes_back_and_forth() -> None:
    async with serving() as (_server, target), calling(target) as echo:
        chat = echo.chat()
        for number in range(20):
            await chat.write(EchoRequest(payload=b"%d" % number))
            assert (await chat.read()).payload == b"%d" % number
        await chat.done_writing()
        assert await chat.read() is grpc.aio.EOF
        assert await chat.code() is grpc.StatusCode.OK


async def test_both_sides_of_a_conversation_may_be_large() -> None:
    async with serving() as (_server, target), calling(target) as echo:
        chat = echo.chat(EchoRequest(payload=b"q" * 200_000) for _ in range(30))
        assert sum([len(each.payload) async for each in chat]) == 6_000_000


async def test_grpcios_blocking_client_is_served_in_all_shapes() -> None:
    def talk(target: str) -> tuple[bytes, int, int, int]:
        with grpc.insecure_channel(target) as channel:
            echo = EchoCalls(channel)
            said = echo.say(EchoRequest(payload=b"hi"), timeout=5).payload
            repeated = len(list(echo.repeat(EchoRequest(count=3), timeout=5)))
            gathered = echo.gather(iter([EchoRequest()] * 4), timeout=5).number
            return said, repeated, gathered, len(list(echo.chat(iter([EchoRequest()] * 5), timeout=5)))

    async with serving() as (_server, target):
        assert await asyncio.to_thread(talk, target) == (b"hi", 3, 4, 5)


async def test_metadata_arrives_binary_fields_too() -> None:
    seen: list[dict[str, str]] = []

    class Recorder(PlainEcho):
        def say(self, request, call, /):  # noqa: ANN001, ANN202
            seen.append(dict(call.metadata))
            return super().say(request, call)

    async with serving(Recorder()) as (_server, target), calling(target) as echo:
        await echo.say(EchoRequest(), metadata=(("x-name", "value"), ("key-bin", b"\x00\xff")))
    assert seen[0]["x-name"] == "value"
    assert seen[0]["key-bin"].rstrip("=") == "AP8"


async def test_the_client_compressing_is_refused_and_told_what_is_accepted() -> None:
    async with serving() as (_server, target), calling(target) as echo:
        with refused(grpc.StatusCode.UNIMPLEMENTED):
            await echo.say(EchoRequest(payload=b"x" * 1000), compression=grpc.Compression.Gzip)
        assert (await echo.say(EchoRequest(payload=b"plain"))).payload == b"plain"


async def test_a_message_over_the_limit_is_refused_and_the_connection_stays() -> None:
    async with serving() as (_server, target), calling(target) as echo:
        with refused(grpc.StatusCode.RESOURCE_EXHAUSTED) as caught:
            await echo.say(EchoRequest(payload=b"x" * 5_000_000))
        assert "vs. 4194304)" in caught[0].details()
        assert (await echo.say(EchoRequest(payload=b"small"))).payload == b"small"


async def test_unknown_methods_and_missing_ones_are_unimplemented() -> None:
    async with serving(PlainEcho()) as (_server, target), calling(target) as echo:
        unknown = echo.channel.unary_unary(f"/{ECHO.name}/Shout")
        for call in (unknown(b""), echo.gather([EchoRequest()])):
            with refused(grpc.StatusCode.UNIMPLEMENTED):
                await call


async def test_bytes_that_are_no_message_are_an_invalid_argument() -> None:
    async with serving() as (_server, target), calling(target) as echo:
        say = echo.channel.unary_unary(f"/{ECHO.name}/Say")
        gather = echo.channel.stream_unary(f"/{ECHO.name}/Gather")
        for call in (say(b"\xff\xff"), gather([b"\xff\xff"])):
            with refused(grpc.StatusCode.INVALID_ARGUMENT):
                await call


async def test_two_messages_to_a_unary_method_are_refused() -> None:
    async with serving() as (_server, target), calling(target) as echo:
        for requests in ([], [b"", b""]):
            with refused(grpc.StatusCode.INVALID_ARGUMENT):
                await echo.channel.stream_unary(f"/{ECHO.name}/Say")(requests)


async def test_more_calls_than_streams_wait_in_the_client_and_are_all_answered() -> None:
    from ultracloud.wire import Limits

    async with serving(limits=Limits(streams_max=5)) as (_server, target), calling(target) as echo:
        calls = [echo.say(EchoRequest(payload=b"%d" % number, delay_s=0.001)) for number in range(100)]
        assert [(await call).payload for call in calls] == [b"%d" % number for number in range(100)]


async def test_a_cancelled_call_cancels_its_method() -> None:
    implementation = AsyncEcho()
    async with serving(implementation) as (_server, target), calling(target) as echo:
        stream = echo.repeat(EchoRequest(count=10, delay_s=60))
        calls = [echo.say(EchoRequest(delay_s=60)), stream, echo.chat([EchoRequest(delay_s=60)])]
        await asyncio.sleep(0.1)
        for call in calls:
            call.cancel()
        await until(lambda: implementation.cancelled == 3)


async def test_a_client_that_goes_away_cancels_its_methods() -> None:
    implementation = AsyncEcho()
    async with serving(implementation) as (_server, target):
        async with calling(target) as echo:
            pending = [echo.say(EchoRequest(delay_s=60)) for _ in range(5)]
            await until(lambda: len(implementation.times_remaining) == len(pending))
        await until(lambda: implementation.cancelled == 5)
