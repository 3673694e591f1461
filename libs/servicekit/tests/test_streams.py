"""A stream ends when whoever reads it loses the right to it, also while it says nothing."""

import asyncio
from collections.abc import AsyncGenerator

import pytest

from ultracloud.base.faults import PermissionDeniedError
from ultracloud.servicekit.streams import while_allowed


class Door:
    def __init__(self) -> None:
        self.is_open = True
        self.ended = False

    def check(self) -> None:
        if not self.is_open:
            raise PermissionDeniedError("no more")

    async def said(self, *words: str, silent: bool = False) -> AsyncGenerator[str, None]:
        try:
            for word in words:
                yield word
            if silent:
                await asyncio.Event().wait()
        finally:
            self.ended = True


def test_what_is_said_comes_through_whole() -> None:
    async def scenario() -> None:
        door = Door()
        assert [word async for word in while_allowed(door.said("a", "b"), door.check)] == ["a", "b"]
        assert door.ended

    asyncio.run(scenario())


def test_a_silent_stream_ends_with_the_right_to_it() -> None:
    async def scenario() -> None:
        door = Door()
        stream = while_allowed(door.said("a", silent=True), door.check, every_s=0.001)
        assert await anext(stream) == "a"
        door.is_open = False
        with pytest.raises(PermissionDeniedError):
            await asyncio.wait_for(anext(stream), 5)
        assert door.ended

    asyncio.run(scenario())


def test_a_reader_who_goes_ends_it() -> None:
    async def scenario() -> None:
        door = Door()
        stream = while_allowed(door.said("a", silent=True), door.check)
        assert await anext(stream) == "a"
        reading = asyncio.ensure_future(anext(stream))
        await asyncio.sleep(0)
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
        await stream.aclose()
        assert door.ended

    asyncio.run(scenario())
