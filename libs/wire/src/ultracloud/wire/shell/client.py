"""One connection to a server: calls that are answered by futures, and streams, over one transport.

What is sent in one turn of the loop goes out in two writes at most: the first at once, because a lone caller waits for
it, and all others together. One timer serves the deadlines of all futures; whoever stops waiting resets the call.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from typing import cast

from ultracloud.wire.core.client import CLIENT_LIMITS, ClientConnection
from ultracloud.wire.core.client_blocks import Fields
from ultracloud.wire.core.client_events import CallAnswered, CallEnded, ClientEvent, Greeted, Leaving
from ultracloud.wire.core.events import Closed, MessageArrived, StreamReady
from ultracloud.wire.core.limits import Limits
from ultracloud.wire.core.status import DEADLINE_EXCEEDED, UNAVAILABLE
from ultracloud.wire.errors import CallFailedError, ConnectionFault
from ultracloud.wire.shell.client_calls import Asked, Exchange
from ultracloud.wire.shell.clock import now_s
from ultracloud.wire.shell.closing import shut

TICK_S = 1.0
"""How often silence is looked for."""
UNSENT_BYTES_MAX = 1024 * 1024
"""What the transport may hold back before streams wait, whatever their windows allow."""
LINGER_S = 1.0
"""How long a server has to take our last words, and to say goodbye where TLS wants that: one that has vanished or does
not read would keep the socket for a quarter of an hour."""


class ClientProtocol(asyncio.Protocol):
    """One connection. Give it to `loop.create_connection`; it is of use once `greeted` is done.

    Args:
        limits: Its bounds.
    """

    def __init__(self, limits: Limits = CLIENT_LIMITS) -> None:
        self._loop = asyncio.get_running_loop()
        self._machine = ClientConnection(limits, now_s())
        self._calls: dict[int, Asked | Exchange] = {}
        self._expiry: asyncio.TimerHandle | None = None
        self._expires_at = math.inf
        """When the calls are looked at for deadlines: at the first of them, or before."""
        self._slots: deque[asyncio.Future[None]] = deque()
        self._transport: asyncio.Transport | None = None
        self._was_closed = self._is_full = False
        self._is_flushing = False
        self._ticking: asyncio.TimerHandle | None = None
        self._aborting: asyncio.TimerHandle | None = None
        self.greeted: asyncio.Future[bool] = self._loop.create_future()
        """True once the server has spoken; False if it ends before."""
        self.ended: asyncio.Future[None] = self._loop.create_future()
        """Done when the transport is gone."""
        self.loss: Exception | None = None
        """Why it ended, once it has: OSError of the socket or of TLS, EOFError if the server ended it without a word,
        ConnectionFault if what it says is no HTTP/2. None if we ended it."""

    @property
    def is_usable(self) -> bool:
        """Whether calls may begin here, now or when others have ended."""
        return self._transport is not None and not self._machine.is_leaving

    # Calls.

    async def unary(self, fields: Fields, passing: Fields, message: bytes, timeout_s: float) -> bytes:
        """Send one message, get one.

        Args:
            fields: Header fields that may come again; pseudo-header fields first.
            passing: Header fields of this call alone.
            message: Serialised.
            timeout_s: After which the call is given up.

        Raises:
            CallFailedError: What the server said, or that it cannot be reached, or that time is over.
        """
        if not self._machine.can_begin:
            ends_at = now_s() + timeout_s
            await self._slot(timeout_s)
            timeout_s = ends_at - now_s()
        return await self.ask(fields, passing, message, timeout_s)

    @property
    def can_ask(self) -> bool:
        """Whether a call can be sent now."""
        return self.is_usable and self._machine.can_begin

    def ask(self, fields: Fields, passing: Fields, message: bytes, timeout_s: float) -> Asked:
        """As `unary`, without a task that waits; `can_ask` must hold."""
        asked = Asked(loop=self._loop)
        asked.client, asked.message = self, None
        asked.stream_id = self._machine.begin(fields, passing, message)
        asked.ends_at = ends_at = now_s() + timeout_s
        self._calls[asked.stream_id] = asked
        if ends_at < self._expires_at:
            self._look_for_deadlines(ends_at)
        self._flush_soon()
        return asked

    async def stream(
        self, fields: Fields, passing: Fields, message: bytes | None, timeout_s: float | None = None
    ) -> Exchange:
        """Open a stream; `message` is the whole request, or None where messages follow.

        Raises:
            CallFailedError: The connection is lost, or the server takes no other call in time.
        """
        if not self._machine.can_begin:
            began_s = now_s()
            await self._slot(timeout_s)
            timeout_s = None if timeout_s is None else max(0.0, began_s + timeout_s - now_s())
        exchange = Exchange(self)
        exchange.stream_id = self._machine.begin(fields, passing, message)
        self._calls[exchange.stream_id] = exchange
        if timeout_s is not None:
            exchange.timer = self._loop.call_later(timeout_s, self._expire, exchange.stream_id)
        self._flush_soon()
        return exchange

    def cancel(self, stream_id: int) -> None:
        """Give a call up."""
        if self._calls.pop(stream_id, None) is not None:
            self._machine.cancel(stream_id)
            self._flush_soon()
            self._after_call()

    def consume(self, stream_id: int, size: int) -> None:
        """A message of a stream has been taken."""
        self._machine.consume(stream_id, size)
        if self._machine.sender.out_bytes:
            self._flush_soon()

    def send(self, stream_id: int, message: bytes) -> bool:
        """Send a message of a stream; whether its caller should wait for `Exchange.go_on`."""
        self._machine.sender.send(stream_id, message)
        self._flush_soon()
        if self._machine.sender.out_bytes > UNSENT_BYTES_MAX:
            self._flush()  # or whoever sends without waiting would fill this turn with all it has
        return self._machine.sender.is_backed_up(stream_id) or self._is_full

    def finish(self, stream_id: int) -> None:
        """End the requests of a stream."""
        self._machine.sender.finish(stream_id, b"")
        self._flush_soon()

    def retire(self, grace_s: float) -> None:
        """Begin no more calls; end the connection when those that are open have ended, or after `grace_s`."""
        self._machine.is_leaving = True
        if not self._machine.open_calls:
            self.close()
        else:
            self._loop.call_later(grace_s, self.close)
            self._pass_on()

    def close(self) -> None:
        """End the connection; calls that are open fail."""
        self._was_closed = True
        self._end_with("the connection was closed")

    # What asyncio calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Say our preface."""
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(high=UNSENT_BYTES_MAX)
        self._ticking = self._loop.call_later(TICK_S, self._tick)
        self._flush()

    def data_received(self, data: bytes) -> None:
        """Take what the server says."""
        for event in self._machine.receive(data, now_s()):
            if isinstance(event, CallAnswered):
                self._take_answer(event)
            else:
                self._take(event)
        if self._machine.sender.out_bytes:
            self._flush_soon()
        self._after_call()

    def pause_writing(self) -> None:
        """The server's windows are wider than the way to it: whoever sends more waits."""
        self._is_full = True

    def resume_writing(self) -> None:
        """The transport has room again."""
        self._is_full = False
        for call in self._calls.values():
            if isinstance(call, Exchange):
                call.go_on()

    def connection_lost(self, error: Exception | None) -> None:
        """The transport is gone."""
        if self.loss is None and not self._was_closed:
            self.loss = error or EOFError("the server ended it")
        if self._aborting is not None:
            self._aborting.cancel()
        self._lose(f"the connection was lost: {self._machine.farewell or error or 'the server ended it'}")
        if not self.ended.done():
            self.ended.set_result(None)

    # Within.

    def _take(self, event: ClientEvent) -> None:
        """Give an event to whom it concerns."""
        match event:
            case MessageArrived(stream_id, message):
                self._take_message(stream_id, message)
            case CallEnded():
                ended = self._calls.pop(event.stream_id, None)
                if ended is not None:
                    ended.end(event)
            case StreamReady(stream_id):
                call = self._calls.get(stream_id)
                if isinstance(call, Exchange):
                    call.go_on()
            case Greeted():
                if not self.greeted.done():
                    self.greeted.set_result(True)
            case Leaving():
                pass  # the machine begins no more; `_after_call` tells whoever waits
            case Closed(code, reason):
                self.loss = ConnectionFault(code, reason)
                self._end_with(reason)

    def _take_answer(self, event: CallAnswered) -> None:
        """End a call that went well."""
        stream_id, message = event
        call = self._calls.pop(stream_id, None)
        if call is not None:
            call.answer(message)

    def _take_message(self, stream_id: int, message: bytes) -> None:
        """Give a message to its call."""
        call = self._calls.get(stream_id)
        if call is not None:
            if isinstance(call, Asked):
                self._machine.consume(stream_id, len(message))
            call.take(message)

    def _end_with(self, reason: str) -> None:
        """The connection is over: write the last words, and end."""
        self._flush()
        self._lose(reason)
        self._shut()

    def _shut(self) -> None:
        """Close the transport, and see to it that it is gone soon."""
        if self._transport is not None and not self._transport.is_closing():
            shut(self._transport)
            self._aborting = self._loop.call_later(LINGER_S, self._transport.abort)

    async def _slot(self, timeout_s: float | None) -> None:
        """Wait until the server takes another call.

        Raises:
            CallFailedError: The connection ends before, or time is over.
        """
        slot: asyncio.Future[None] = self._loop.create_future()
        self._slots.append(slot)
        try:
            async with asyncio.timeout(timeout_s):
                while not self._machine.can_begin:
                    if not self.is_usable:
                        raise CallFailedError(UNAVAILABLE, "the connection takes no more calls", was_taken=False)
                    if slot.done():
                        # Somebody was quicker; whoever has waited longest is still the next.
                        slot = self._loop.create_future()
                        self._slots.appendleft(slot)
                    await slot
        except TimeoutError:
            sentence = "the server took no other call in time"
            raise CallFailedError(DEADLINE_EXCEEDED, sentence, was_taken=False) from None
        finally:
            if slot in self._slots:
                self._slots.remove(slot)
            elif self._slots:
                # After this one has begun its call, or because it begins none.
                self._loop.call_soon(self._pass_on)

    def _pass_on(self) -> None:
        """Let whoever waits for a slot look again, as far as there are any."""
        while self._slots and (self._machine.can_begin or not self.is_usable):
            waiting = self._slots.popleft()
            if not waiting.done():
                waiting.set_result(None)
                return

    def _after_call(self) -> None:
        """Calls may have ended: somebody may begin one, or this connection may end."""
        if self._slots:
            self._pass_on()
        if self._machine.is_leaving and self._transport is not None and not self._machine.open_calls:
            self._flush()
            self._shut()

    def _look_for_deadlines(self, at: float) -> None:
        """Look at the deadlines of unary calls at a time: a timer for each would cost as much as the rest of a call."""
        if self._expiry is not None:
            self._expiry.cancel()
        self._expires_at = at
        self._expiry = self._loop.call_later(max(0.0, at - now_s()), self._expire_asked)

    def _expire_asked(self) -> None:
        """End the calls whose time is over, and look again at the next deadline of those that are open."""
        self._expiry, self._expires_at, now, first = None, math.inf, now_s(), math.inf
        for stream_id, call in list(self._calls.items()):
            if isinstance(call, Asked):
                if call.ends_at <= now:
                    self._expire(stream_id)
                else:
                    first = min(first, call.ends_at)
        if first < self._expires_at:
            self._look_for_deadlines(first)

    def _expire(self, stream_id: int) -> None:
        """A call's deadline has passed."""
        call = self._calls.pop(stream_id, None)
        if call is not None:
            self._machine.cancel(stream_id)
            self._flush_soon()
            call.end(CallEnded(stream_id, DEADLINE_EXCEEDED, "no answer in time"))
            self._after_call()

    def _tick(self) -> None:
        """Look at the clock."""
        self._ticking = self._loop.call_later(TICK_S, self._tick)
        for event in self._machine.tick(now_s()):
            self._take(event)
        self._flush()

    def _flush_soon(self) -> None:
        """Write now if this turn has written nothing yet, with all others of the turn otherwise."""
        if not self._is_flushing:
            self._is_flushing = True
            self._loop.call_soon(self._end_turn)
            self._flush()

    def _end_turn(self) -> None:
        """Write what came after the turn's first write."""
        self._is_flushing = False
        self._flush()

    def _flush(self) -> None:
        """Write what there is."""
        sender = self._machine.sender
        if sender.out_bytes and self._transport is not None and not self._transport.is_closing():
            self._transport.write(sender.take())

    def _lose(self, why: str) -> None:
        """End every call: the connection is gone."""
        self._machine.is_leaving = True
        for timer in (self._ticking, self._expiry):
            if timer is not None:
                timer.cancel()
        if not self.greeted.done():
            self.greeted.set_result(False)
        calls, self._calls = self._calls, {}
        for stream_id, call in calls.items():
            call.end(CallEnded(stream_id, UNAVAILABLE, why))
        self._pass_on()
