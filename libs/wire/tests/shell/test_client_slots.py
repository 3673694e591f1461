"""Calls that wait because the server takes no more at once, and connections that take none any more."""

from __future__ import annotations

import asyncio
import time

import pytest
from by_hand import FIELDS, answer, by_hand
from serving import PATIENCE_S, until

from ultracloud.wire import CallFailedError
from ultracloud.wire.core.client import STREAM_ID_LAST
from ultracloud.wire.core.frames import Kind, Setting
from ultracloud.wire.shell.client import ClientProtocol

ONE_AT_ONCE = {Setting.MAX_CONCURRENT_STREAMS: 1}


def asked(client: ClientProtocol, timeout_s: float = PATIENCE_S) -> asyncio.Task[bytes]:
    return asyncio.create_task(client.unary(FIELDS, (), b"", timeout_s))


def test_the_time_a_call_waits_to_be_sent_counts_against_its_deadline() -> None:
    async def scenario() -> None:
        async with by_hand(ONE_AT_ONCE) as (server, client):
            first, began_s = asked(client), time.monotonic()
            await until(lambda: server.of_kind(Kind.HEADERS))
            second = asked(client, 1.0)
            third = asyncio.create_task(client.stream(FIELDS, (), b"", 1.0))
            await asyncio.sleep(0.7)
            server.say(answer(1))
            assert await first == b"yes"
            with pytest.raises(CallFailedError) as late:
                await second
            assert late.value.status == 4
            assert time.monotonic() - began_s < 1.5
            with pytest.raises(CallFailedError) as late:
                await (await third).read()
            assert late.value.status == 4
            assert time.monotonic() - began_s < 1.5

    asyncio.run(scenario())


def test_calls_that_wait_are_sent_in_their_order() -> None:
    async def scenario() -> None:
        async with by_hand(ONE_AT_ONCE) as (server, client):
            order: list[int] = []

            async def one(number: int) -> None:
                await client.unary(FIELDS, (("n", str(number)),), b"", PATIENCE_S)
                order.append(number)

            tasks = [asyncio.create_task(one(number)) for number in range(12)]
            for number in range(12):
                await until(lambda number=number: len(server.of_kind(Kind.HEADERS)) == number + 1)
                server.say(answer(2 * number + 1))
            await asyncio.gather(*tasks)
            assert order == list(range(12))

    asyncio.run(scenario())


def test_a_connection_whose_stream_ids_are_used_up_says_so_and_ends_when_its_calls_have() -> None:
    async def scenario() -> None:
        async with by_hand() as (server, client):
            client._machine._next_id = STREAM_ID_LAST - 1  # a thousand million calls later
            last = asked(client)
            await until(lambda: server.of_kind(Kind.HEADERS))
            assert not client.is_usable
            with pytest.raises(CallFailedError) as refused:
                await client.unary(FIELDS, (), b"", PATIENCE_S)
            assert (refused.value.status, refused.value.was_taken) == (14, False)
            server.say(answer(STREAM_ID_LAST - 1))
            assert await last == b"yes"
            await asyncio.wait_for(client.ended, PATIENCE_S)

    asyncio.run(scenario())


def test_whoever_waits_on_a_connection_that_is_retired_is_told_at_once() -> None:
    async def scenario() -> None:
        async with by_hand(ONE_AT_ONCE) as (server, client):
            first = asked(client)
            await until(lambda: server.of_kind(Kind.HEADERS))
            waiting = [asked(client) for _ in range(3)]
            await asyncio.sleep(0)
            client.retire(PATIENCE_S * 10)
            for one in waiting:
                with pytest.raises(CallFailedError) as refused:
                    await asyncio.wait_for(one, PATIENCE_S / 2)
                assert (refused.value.status, refused.value.was_taken) == (14, False)
            server.say(answer(1))
            assert await first == b"yes"
            await asyncio.wait_for(client.ended, PATIENCE_S)

    asyncio.run(scenario())


def test_a_call_on_a_connection_that_is_gone_fails_at_once_and_may_be_sent_again() -> None:
    async def scenario() -> None:
        async with by_hand() as (server, client):
            server.writer.transport.abort()
            await asyncio.wait_for(client.ended, PATIENCE_S)
            with pytest.raises(CallFailedError) as refused:
                await client.unary(FIELDS, (), b"", PATIENCE_S)
            assert (refused.value.status, refused.value.was_taken) == (14, False)

    asyncio.run(scenario())


def test_a_waiting_call_that_is_given_up_keeps_no_place() -> None:
    async def scenario() -> None:
        async with by_hand(ONE_AT_ONCE) as (server, client):
            first = asked(client)
            await until(lambda: server.of_kind(Kind.HEADERS))
            given_up, late, kept = asked(client), asked(client, 0.05), asked(client)
            await asyncio.sleep(0)
            given_up.cancel()
            with pytest.raises(CallFailedError):
                await late
            server.say(answer(1))
            await first
            await until(lambda: len(server.of_kind(Kind.HEADERS)) == 2)
            server.say(answer(3))
            assert await kept == b"yes"
            assert not client._slots

    asyncio.run(scenario())
