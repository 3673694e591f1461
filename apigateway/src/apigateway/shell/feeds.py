"""Messages of a stream, taken by one task as they come: waiting for the next one costs no task of its own.

The task runs a few messages ahead and then waits for its reader, so that a client that does not read stops the service.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator

from google.protobuf.message import Message

AHEAD_MAX = 16
"""Messages that wait for a client; the service's window is full soon after."""


class Feed:
    """One stream's messages.

    Args:
        messages: The stream; it is closed with the feed.
    """

    __slots__ = ("_arrival", "_messages", "_ready", "_room", "_task")

    def __init__(self, messages: AsyncIterator[Message]) -> None:
        self._messages = messages
        self._ready: list[Message] = []
        # A list, since a deque takes 600 bytes while it is empty, and there are thousands of feeds.
        self._arrival: asyncio.Future[bool] | None = None
        self._room: asyncio.Future[None] | None = None
        self._task = asyncio.ensure_future(self._take())
        self._task.add_done_callback(self._ended)

    async def wait(self, seconds: float) -> bool:
        """Wait until there is a message, or the end; False if there is neither in time."""
        if self._ready or self._task.done():
            return True
        loop = asyncio.get_running_loop()
        arrival: asyncio.Future[bool] = loop.create_future()
        self._arrival = arrival
        timer = loop.call_later(seconds, _tell, arrival, False)
        try:
            return await arrival
        finally:
            timer.cancel()

    def next(self) -> Message | None:
        """The message that was waited for; None behind the last.

        Raises:
            Fault: The stream failed, behind the last message.
        """
        if not self._ready:
            self._task.result()
            return None
        message = self._ready.pop(0)
        if self._room is not None and not self._room.done():
            self._room.set_result(None)
        return message

    def check(self) -> None:
        """Return unless the stream has failed before its first message.

        Raises:
            Fault: It has.
        """
        if self._task.done() and not self._ready:
            self._task.result()

    def stop(self) -> None:
        """End the stream without waiting for its end."""
        self._task.cancel()

    async def close(self) -> None:
        """End the stream."""
        self._task.cancel()
        await asyncio.wait([self._task])

    async def _take(self) -> None:
        try:
            async for message in self._messages:
                self._ready.append(message)
                _tell(self._arrival, True)
                if len(self._ready) >= AHEAD_MAX:
                    self._room = asyncio.get_running_loop().create_future()
                    await self._room
        finally:
            if isinstance(self._messages, AsyncGenerator):
                await self._messages.aclose()

    def _ended(self, task: asyncio.Task[None]) -> None:
        """Tell the reader; what it does not hear any more is heard here."""
        if not task.cancelled():
            task.exception()
        _tell(self._arrival, True)


def _tell(waiting: asyncio.Future[bool] | None, has_come: bool) -> None:  # noqa: FBT001 - call_later takes no keywords
    if waiting is not None and not waiting.done():
        waiting.set_result(has_come)
