"""Calls of a client's connection: one that is a future of its answer, and one whose messages follow each other."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING

from ultracloud.wire.core.client_events import CallEnded
from ultracloud.wire.core.status import CANCELLED, INTERNAL, OK
from ultracloud.wire.errors import CallFailedError

if TYPE_CHECKING:
    from ultracloud.wire.shell.client import ClientProtocol


class Exchange:
    """A stream's answers, and the way for its requests. Use it in the task that made it; end it with `cancel`."""

    def __init__(self, client: ClientProtocol) -> None:
        self._client = client
        self.stream_id = 0
        self._messages: deque[bytes] = deque()
        self._ended: CallEnded | None = None
        self._news: asyncio.Future[None] | None = None
        self._ready: asyncio.Future[None] | None = None
        self.timer: asyncio.TimerHandle | None = None

    async def read(self) -> bytes | None:
        """The next message; None after the last one of a call that went well.

        Raises:
            CallFailedError: It did not.
        """
        while not self._messages:
            if self._ended is not None:
                if self._ended.status:
                    raise failure_of(self._ended)
                return None
            self._news = asyncio.get_running_loop().create_future()
            await self._news
        message = self._messages.popleft()
        self._client.consume(self.stream_id, len(message))
        return message

    async def send(self, message: bytes) -> bool:
        """Send a message, waiting while the server does not keep up; False if the call has ended."""
        if self._ended is not None:
            return False
        if self._client.send(self.stream_id, message):
            self._ready = asyncio.get_running_loop().create_future()
            await self._ready
        return self._ended is None

    def finish(self) -> None:
        """Say that no more messages come."""
        if self._ended is None:
            self._client.finish(self.stream_id)

    def cancel(self) -> None:
        """Give the call up, unless it has ended."""
        if self._ended is None:
            self._client.cancel(self.stream_id)
            self.end(CallEnded(self.stream_id, CANCELLED, "the call was cancelled"))

    def take(self, message: bytes) -> None:
        """An answer came."""
        self._messages.append(message)
        _wake(self._news)

    def answer(self, message: bytes) -> None:
        """One answer came, and nothing will follow."""
        self.take(message)
        self.end(CallEnded(self.stream_id, OK, ""))

    def end(self, ended: CallEnded) -> None:
        """The call is over."""
        self._ended = ended
        if self.timer is not None:
            self.timer.cancel()
        _wake(self._news)
        _wake(self._ready)

    def go_on(self) -> None:
        """The server keeps up again."""
        _wake(self._ready)


class Asked(asyncio.Future[bytes]):
    """A call that is answered by one message, which is its result; cancelling it gives the call up."""

    __slots__ = ("client", "ends_at", "is_plural", "message", "stream_id")

    client: ClientProtocol
    ends_at: float
    message: bytes | None
    is_plural: bool
    """Set with the message."""
    stream_id: int

    def take(self, message: bytes) -> None:
        """The answer came; its status has not."""
        self.is_plural = self.message is not None
        self.message = message

    def answer(self, message: bytes) -> None:
        """The whole answer came."""
        if not self.done():
            self.set_result(message)

    def end(self, ended: CallEnded) -> None:
        """The call is over."""
        if self.done():
            return
        if ended.status:
            self.set_exception(failure_of(ended))
        elif self.message is None:
            self.set_exception(CallFailedError(INTERNAL, "the answer has no message"))
        elif self.is_plural:
            self.set_exception(CallFailedError(INTERNAL, "the answer has more than one message"))
        else:
            self.set_result(self.message)

    def cancel(self, msg: object = None) -> bool:
        """Tell the server that nobody waits."""
        was_waited_for = super().cancel(msg)
        if was_waited_for:
            self.client.cancel(self.stream_id)
        return was_waited_for


def failure_of(ended: CallEnded) -> CallFailedError:
    """A call that did not go well, as an exception."""
    return CallFailedError(ended.status, ended.message, ended.details, was_taken=ended.was_taken)


def _wake(waiting: asyncio.Future[None] | None) -> None:
    """Let a waiter go on."""
    if waiting is not None and not waiting.done():
        waiting.set_result(None)
