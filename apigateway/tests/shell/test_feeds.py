"""Messages of a stream: in their order, not too far ahead, the failure behind the last, closed with the feed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from google.protobuf.message import Message

from apigateway.shell.feeds import AHEAD_MAX, Feed
from ultracloud.api.plasmavmc.v1.plasmavmc_pb2 import ConsoleOutput
from ultracloud.base.faults import UnavailableError


class Stream:
    """Gives `count` messages, then fails or waits for ever."""

    def __init__(self, count: int, *, fails: bool = False) -> None:
        self.count, self.fails = count, fails
        self.given, self.is_closed = 0, False

    async def messages(self) -> AsyncIterator[Message]:
        try:
            while self.given < self.count:
                self.given += 1
                yield ConsoleOutput(text=str(self.given).encode())
            if self.fails:
                raise UnavailableError("the service is away")
            await asyncio.Event().wait()
        finally:
            self.is_closed = True


def play(stream: Stream, scenario: Callable[[Feed], Awaitable[None]]) -> None:
    async def run() -> None:
        feed = Feed(stream.messages())
        async with asyncio.timeout(5):
            await scenario(feed)
            await feed.close()

    asyncio.run(run())
    assert stream.is_closed


async def told(feed: Feed, count: int) -> list[bytes]:
    found = []
    for _ in range(count):
        assert await feed.wait(1)
        message = feed.next()
        assert isinstance(message, ConsoleOutput)
        found.append(message.text)
    return found


def test_messages_come_in_their_order_and_silence_is_told() -> None:
    async def scenario(feed: Feed) -> None:
        assert await told(feed, 100) == [str(number + 1).encode() for number in range(100)]
        assert not await feed.wait(0.01)

    play(Stream(100), scenario)


def test_a_reader_that_does_not_read_stops_the_stream() -> None:
    stream = Stream(10_000)

    async def scenario(feed: Feed) -> None:
        await asyncio.sleep(0.05)
        assert stream.given == AHEAD_MAX
        await told(feed, 1)
        await asyncio.sleep(0)
        assert stream.given == AHEAD_MAX + 1

    play(stream, scenario)


def test_a_failure_is_told_behind_the_last_message() -> None:
    async def scenario(feed: Feed) -> None:
        feed.check()
        assert await told(feed, 3) == [b"1", b"2", b"3"]
        assert await feed.wait(1)
        with pytest.raises(UnavailableError):
            feed.next()

    play(Stream(3, fails=True), scenario)


def test_a_stream_that_is_refused_is_known_before_it_is_read() -> None:
    async def scenario(feed: Feed) -> None:
        assert await feed.wait(1)
        with pytest.raises(UnavailableError):
            feed.check()

    play(Stream(0, fails=True), scenario)
