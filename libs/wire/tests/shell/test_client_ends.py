"""How a client's connection ends when its server does not help."""

from __future__ import annotations

import asyncio

import pytest
from by_hand import FIELDS, answer, by_hand
from serving import PATIENCE_S, until

from ultracloud.wire import CallFailedError
from ultracloud.wire.core.frames import (
    WINDOW_BYTES_LARGEST,
    Kind,
    Setting,
    render_frame,
    render_goaway,
    render_window_update,
)
from ultracloud.wire.errors import ErrorCode

WIDE = {Setting.INITIAL_WINDOW_SIZE: WINDOW_BYTES_LARGEST}


def test_a_connection_to_a_server_that_does_not_read_ends_when_it_is_closed() -> None:
    async def scenario() -> None:
        async with by_hand(WIDE) as (server, client):
            server.say(render_window_update(0, 1 << 30))
            exchange = await client.stream(FIELDS, (), None)
            await until(lambda: server.of_kind(Kind.HEADERS))
            server.reads.clear()
            sending = asyncio.create_task(exchange.send(bytes(64 << 20)))
            await until(lambda: client._transport is not None and client._transport.get_write_buffer_size() > 1 << 20)
            client.close()
            await asyncio.wait_for(client.ended, PATIENCE_S / 2)
            assert not await sending
            with pytest.raises(CallFailedError, match="the connection was closed"):
                await exchange.read()

    asyncio.run(scenario())


def test_a_stream_waits_where_its_server_has_wide_windows_and_does_not_read() -> None:
    async def scenario() -> None:
        async with by_hand(WIDE) as (server, client):
            server.say(render_window_update(0, 1 << 30))
            exchange = await client.stream(FIELDS, (), None)
            await until(lambda: server.of_kind(Kind.HEADERS))
            server.reads.clear()
            sent = 0

            async def send() -> None:
                nonlocal sent
                while await exchange.send(bytes(1 << 20)) and sent < 200:
                    sent += 1

            sending = asyncio.create_task(send())
            await asyncio.wait([sending], timeout=1)
            assert sent < 100
            server.reads.set()
            await asyncio.wait_for(sending, PATIENCE_S)
            assert sent == 200
            await until(lambda: sum(len(frame.payload) for frame in server.of_kind(Kind.DATA)) > 200 << 20)

    asyncio.run(scenario())


def test_a_call_that_takes_one_answer_and_gets_two_has_none() -> None:
    async def scenario() -> None:
        async with by_hand() as (server, client):
            call = asyncio.create_task(client.unary(FIELDS, (), b"", PATIENCE_S))
            await until(lambda: server.of_kind(Kind.HEADERS))
            twice = render_frame(Kind.DATA, 0, 1, b"\0\0\0\0\1a" + b"\0\0\0\0\1b")
            server.say(answer(1).replace(render_frame(Kind.DATA, 0, 1, b"\0\0\0\0\3yes"), twice))
            with pytest.raises(CallFailedError, match="more than one message") as failed:
                await call
            assert failed.value.status == 13

    asyncio.run(scenario())


def test_calls_that_end_with_their_connection_tell_what_the_server_said_of_it() -> None:
    async def scenario() -> None:
        async with by_hand() as (server, client):
            call = asyncio.create_task(client.unary(FIELDS, (), b"", PATIENCE_S))
            await until(lambda: server.of_kind(Kind.HEADERS))
            server.say(render_goaway(1, ErrorCode.ENHANCE_YOUR_CALM, "too many resets"))
            await asyncio.sleep(0)
            server.writer.close()
            with pytest.raises(CallFailedError, match="ENHANCE_YOUR_CALM: too many resets") as lost:
                await call
            assert (lost.value.status, lost.value.was_taken) == (14, True)

    asyncio.run(scenario())
