"""What a method sees of its call, and the requests of a call that streams them."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from google.protobuf.message import DecodeError, Message

from ultracloud.api.rpc import Peer
from ultracloud.base.faults import Fault
from ultracloud.wire.core.heads import Head
from ultracloud.wire.shell.clock import now_s

if TYPE_CHECKING:
    from ultracloud.wire.shell.edge import Edge
    from ultracloud.wire.shell.routes import Route


class ServerCall:
    """One call; implements `ultracloud.api.rpc.DirectCall`.

    Most calls are answered before anything but the first five attributes is looked at, so the rest are class defaults.
    """

    timer: asyncio.TimerHandle | None = None
    work: asyncio.Future[Any] | None = None
    inbox: Inbox | None = None
    route: Route | None = None
    is_admitted = False
    _context: dict[object, object] | None = None
    _is_cancelled = False

    def __init__(self, edge: Edge, stream_id: int, head: Head, started_s: float) -> None:
        self.edge = edge
        self.stream_id = stream_id
        self.head = head
        self.path = head.path
        """``/package.Service/Method``."""
        self.started_s = started_s

    @property
    def metadata(self) -> Mapping[str, str]:
        """Request headers in lower case; ``-bin`` values in base64 as they came."""
        return self.head.metadata

    @property
    def peer(self) -> Peer:
        """Who calls."""
        return self.edge.peer

    @property
    def context(self) -> dict[object, object]:
        """What interceptors leave for the method."""
        if self._context is None:
            self._context = {}
        return self._context

    def time_remaining(self) -> float | None:
        """Seconds until the caller's deadline, None without one; never below 0."""
        if self.head.timeout_s is None:
            return None
        return max(0.0, self.started_s + self.head.timeout_s - now_s())

    def is_cancelled(self) -> bool:
        """Whether the caller has gone, or its deadline has passed."""
        return self._is_cancelled

    def cancel(self) -> None:
        """Stop the work: nobody waits for it. Work that is a bare future is somebody else's and is left alone."""
        self._is_cancelled = True
        if self.timer is not None:
            self.timer.cancel()
        if isinstance(self.work, asyncio.Task):
            self.work.cancel()

    def reply(self, octets: bytes, /) -> None:
        """Answer a call that was kept; see `routes.ShortCall`."""
        self.edge.reply(self, octets)

    def refuse(self, fault: Fault, /) -> None:
        """The same with a fault."""
        self.edge.refuse(self, fault)

    def push(self, message: bytes) -> bool:
        """Send one message of the answer at once; False if that is for the method to do."""
        return self.edge.push(self, message)

    def attend(self, taker: Callable[[Any], bool]) -> None:
        """Give `taker` each request that comes while the method waits for one."""
        if self.inbox is not None:
            self.inbox.taker = taker

    def settled(self, work: asyncio.Future[Any]) -> None:
        """Called when the work is done."""
        self.edge.settle(self, work)


class Inbox:
    """The requests of one call, as the async iterator its method reads.

    Args:
        parse: Makes a message of bytes.
        consumed: Called with the size of each message the method takes.

    Attributes:
        taker: See `ServerCall.attend`.
    """

    def __init__(self, parse: Callable[[bytes], Message], consumed: Callable[[int], None]) -> None:
        self.taker: Callable[[Message], bool] | None = None
        self._parse = parse
        self._consumed = consumed
        self._messages: deque[bytes] = deque()
        self._has_ended = False
        self._waiter: asyncio.Future[None] | None = None

    def __aiter__(self) -> Inbox:
        return self

    async def __anext__(self) -> Message:
        while not self._messages:
            if self._has_ended:
                raise StopAsyncIteration
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
        return self._parse(self.take())

    def take(self) -> bytes:
        """Take the first message, which must be there, unparsed."""
        message = self._messages.popleft()
        self._consumed(len(message))
        return message

    def put(self, message: bytes) -> None:
        """Add a message; how many may wait is bounded by the stream's window."""
        if self.taker is not None and self._is_taken(message, self.taker):
            self._consumed(len(message))
            return
        self._messages.append(message)
        self._wake()

    def end(self) -> None:
        """Note that no more come."""
        self._has_ended = True
        self._wake()

    def __len__(self) -> int:
        return len(self._messages)

    def _is_taken(self, message: bytes, taker: Callable[[Message], bool]) -> bool:
        """Whether the message was taken without the method, which waits: nothing that came before is still to do."""
        if self._waiter is None or self._waiter.done():
            return False
        try:
            request = self._parse(message)
        except DecodeError:
            # The method meets it, and the call ends with it.
            return False
        return taker(request)

    def _wake(self) -> None:
        """Let the method go on."""
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
