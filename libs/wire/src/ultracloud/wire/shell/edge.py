"""The edge between the wire and methods: a call from its request to its status.

A plain method is answered before the next frame is looked at; a future is answered when it is done; everything else
runs in a task. What a method raises becomes a status here and nowhere else: a Fault as it says, anything else as
INTERNAL with an id that the log has too.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

from google.protobuf.message import DecodeError, EncodeError

from ultracloud.api.rpc import Call, Peer
from ultracloud.base.faults import (
    CancelledError,
    DataLossError,
    DeadlineExceededError,
    Fault,
    InternalError,
    InvalidArgumentError,
    ResourceExhaustedError,
    UnavailableError,
    UnimplementedError,
)
from ultracloud.wire.core.connection import Connection
from ultracloud.wire.core.events import (
    CallArrived,
    CallRefused,
    CallReset,
    CallStarted,
    MessageArrived,
    RequestEnded,
    StreamReady,
)
from ultracloud.wire.core.heads import Head
from ultracloud.wire.core.status import OK, OK_BLOCK
from ultracloud.wire.shell.calls import Inbox, ServerCall
from ultracloud.wire.shell.clock import now_s
from ultracloud.wire.shell.details import fault_trailers
from ultracloud.wire.shell.options import AroundInterceptor, Interceptor
from ultracloud.wire.shell.routes import Route

FLUSH_BYTES = 64 * 1024
"""Responses of a turn of the loop that are written at once instead of at its end."""
PUSHED_BYTES = 16 * 1024
"""The same of what is pushed: its client reads it while the next connection's is made."""
ERROR_ID_BYTES = 6
"""Enough that two errors in one log do not share an id."""
GIVEN_UP = "the server gave this call up; send it again"
_log = logging.getLogger("ultracloud.wire")


@dataclass(frozen=True, slots=True)
class Site:
    """What all connections of a server share."""

    routes: Mapping[str, Route]
    admits: Sequence[Callable[[Call], None]]
    dones: Sequence[Callable[[Call, int, float], None]]
    arounds: Sequence[AroundInterceptor]

    @classmethod
    def make(cls, routes: Mapping[str, Route], interceptors: Sequence[Interceptor | AroundInterceptor]) -> Site:
        """Sort out which interceptor does what."""
        return cls(
            routes=routes,
            admits=[each.admit for each in interceptors if hasattr(each, "admit")],
            dones=[each.done for each in reversed(interceptors) if hasattr(each, "done")],
            arounds=[each for each in interceptors if isinstance(each, AroundInterceptor)],
        )


class Edge:
    """The calls of one connection.

    Args:
        site: The server's.
        connection: The machine.
        peer: The client.
        flush: Writes now what the machine has to send.
        flush_soon: Writes it once this turn of the loop is over.
        flush_last: Writes it now: no other call waits for an answer that could go with it.
    """

    def __init__(
        self,
        site: Site,
        connection: Connection,
        peer: Peer,
        flush: Callable[[], None],
        flush_soon: Callable[[], None],
        flush_last: Callable[[], None],
    ) -> None:
        self.peer = peer
        self.is_paused = False
        """The transport takes no more for now."""
        self._site = site
        self._routes = site.routes
        self._admits = site.admits
        self._dones = site.dones
        self._is_direct = not site.arounds
        self._connection = connection
        self._sender = connection.sender
        self._flush = flush
        self._flush_soon = flush_soon
        self._flush_last = flush_last
        self._running: dict[int, ServerCall] = {}
        self._waiting: dict[int, asyncio.Future[None]] = {}

    @property
    def has_calls(self) -> bool:
        """Whether a call waits for its answer."""
        return bool(self._running)

    # What the machine reports.

    def arrive(self, event: CallArrived) -> None:
        """Serve a call that arrived whole."""
        stream_id, head, message = event
        route = self._routes.get(head.path)
        if route is None or not route.is_unary:
            self.start(stream_id, head)
            self.put(stream_id, message)
            self.end(stream_id)
        else:
            self._serve(ServerCall(self, stream_id, head, now_s()), route, message)

    def take(self, event: CallStarted | MessageArrived | RequestEnded | CallReset | CallRefused | StreamReady) -> None:
        """Take any other event of a call."""
        match event:
            case CallStarted(stream_id, head):
                self.start(stream_id, head)
            case MessageArrived(stream_id, message):
                self.put(stream_id, message)
            case RequestEnded(stream_id):
                self.end(stream_id)
            case StreamReady(stream_id):
                self._wake(stream_id)
            case CallReset(stream_id):
                self._drop(stream_id, CancelledError.code)
            case CallRefused(stream_id, status):
                self._drop(stream_id, status)

    def start(self, stream_id: int, head: Head) -> None:
        """Begin a call whose messages follow."""
        call = ServerCall(self, stream_id, head, now_s())
        route = self._routes.get(head.path)
        if route is None:
            self._fail(call, UnimplementedError(f"this server has no method {head.path[:200]!a}"))
            return
        call.route = route
        call.inbox = Inbox(route.parse, partial(self._consume, stream_id))
        self._running[stream_id] = call
        self._arm(call)
        self._serve(call, route, None)

    def put(self, stream_id: int, message: bytes) -> None:
        """Take one message of a request."""
        call = self._running.get(stream_id)
        if call is not None and call.inbox is not None:
            call.inbox.put(message)

    def end(self, stream_id: int) -> None:
        """Take the end of a request: what waited for it begins."""
        call = self._running.get(stream_id)
        if call is None or call.inbox is None or call.route is None:
            return
        call.inbox.end()
        if call.route.client_streaming:
            return
        if len(call.inbox) != 1:
            self._fail(call, InvalidArgumentError(f"{len(call.inbox)} request messages; this method takes one"))
        else:
            self._serve(call, call.route, call.inbox.take())

    def resume(self) -> None:
        """The transport takes more: let methods go on that waited for it."""
        self.is_paused = False
        for stream_id in list(self._waiting):
            self._wake(stream_id)

    def stop(self, fault: Fault | None) -> list[asyncio.Task[Any]]:
        """End all calls, with an answer if one can still be sent; give the tasks that will now end."""
        calls = list(self._running.values())
        for call in calls:
            if fault is None:
                self._done(call, CancelledError.code)
            else:
                self._fail(call, fault)
            call.cancel()
        return [call.work for call in calls if isinstance(call.work, asyncio.Task)]

    # A call's way.

    def _serve(self, call: ServerCall, route: Route, message: bytes | None) -> None:
        """Admit a call and run its method; a plain unary one is answered on the spot.

        Without a message, a method that takes one is not run yet: whoever may not call is told before the rest is read.
        """
        try:
            if not call.is_admitted:
                if self._connection.is_clogged:
                    raise ResourceExhaustedError("this connection does not read its responses")  # noqa: TRY301
                for admit in self._admits:
                    admit(call)
            if message is None and not route.client_streaming:
                call.is_admitted = True
                return
            if route.serve_octets is not None and message is not None and self._is_direct:
                octets = route.serve_octets(message, call)
                if octets is not None:
                    self._take_octets(call, route, octets)
                    return
            response = self._begin(call, route, message)
            if type(response) is route.response_type:
                self._sender.reply(call.stream_id, response.SerializeToString())
                self._done(call, OK)
            else:
                self._defer(call, route, response)
        except Exception as error:  # noqa: BLE001 - the one place: see above
            self._fail(call, error)

    def _begin(self, call: ServerCall, route: Route, message: bytes | None) -> object:
        """Run a method; its answer, or what will have it."""
        if not self._is_direct:
            return self._surround(call, route, message)
        if route.is_unary and message is not None:
            return route.serve(route.parse(message), call)
        return self._run(call, route, message)

    def _take_octets(
        self, call: ServerCall, route: Route, octets: bytes | asyncio.Future[bytes] | Literal[True]
    ) -> None:
        """Answer a call with bytes that are there, or will be."""
        if type(octets) is bytes:
            self._sender.reply(call.stream_id, octets)
            self._done(call, OK)
        elif octets is True:
            self._keep(call, route)
        else:
            self._defer(call, route, octets)

    def _keep(self, call: ServerCall, route: Route) -> None:
        """Let a call wait for its answer."""
        if call.route is None:
            self._running[call.stream_id] = call
            self._arm(call)
        call.route = route

    def reply(self, call: ServerCall, octets: bytes) -> None:
        """Answer a call that waits, unless it was ended before."""
        if self._running.get(call.stream_id) is call:
            self._sender.reply(call.stream_id, octets)
            self._done(call, OK)
            if self._running:
                self._flush_soon()
            else:
                self._flush_last()

    def refuse(self, call: ServerCall, fault: Fault) -> None:
        """The same with a fault."""
        if self._running.get(call.stream_id) is call:
            self._fail(call, fault)
            self._flush_soon()

    def _defer(self, call: ServerCall, route: Route, response: object) -> None:
        """Answer a call later, when a future or coroutine is done."""
        if asyncio.iscoroutine(response):
            work: asyncio.Future[Any] = asyncio.get_running_loop().create_task(response, name=route.path)
        elif isinstance(response, asyncio.Future):
            work = response
        else:
            raise TypeError(_wrong_response(route, response))
        self._keep(call, route)
        call.work = work
        work.add_done_callback(call.settled)

    def settle(self, call: ServerCall, work: asyncio.Future[Any]) -> None:
        """Answer a call whose work is done, unless it was ended before."""
        error = None if work.cancelled() else work.exception()
        route = call.route
        assert route is not None, call.path
        if self._running.get(call.stream_id) is not call:
            if error is not None and not isinstance(error, Fault):
                _log.warning("%s failed after its end", call.path, exc_info=error)
            return
        if work.cancelled():
            error = UnavailableError(GIVEN_UP)
        if error is None:
            try:
                self._answer(call, route, work.result())
            except (TypeError, EncodeError) as defect:
                error = defect
        if error is not None:
            self._fail(call, error)
        self._flush_soon()

    def _answer(self, call: ServerCall, route: Route, response: object) -> None:
        """End a call that went well.

        Raises:
            TypeError: This is not what the method's proto says.
            EncodeError: It cannot be serialised.
        """
        if route.server_streaming:
            self._sender.finish(call.stream_id, OK_BLOCK)
        elif type(response) is bytes and route.serve_octets is not None:
            self._sender.reply(call.stream_id, response)
        elif type(response) is route.response_type:
            self._sender.reply(call.stream_id, response.SerializeToString())
        else:
            raise TypeError(_wrong_response(route, response))
        self._done(call, OK)

    async def _surround(self, call: ServerCall, route: Route, message: bytes | None) -> object:
        """Run a method inside the interceptors that stand around it; its one response, None if it streams."""
        result: object = None

        async def innermost() -> None:
            nonlocal result
            result = await self._run(call, route, message)

        proceed: Callable[[], Awaitable[None]] = innermost
        for each in reversed(self._site.arounds):
            proceed = partial(each.intercept, call, proceed)
        await proceed()
        return result

    async def _run(self, call: ServerCall, route: Route, message: bytes | None) -> object:
        """Run a method of any shape to its end; its one response, None if it streams."""
        response = route.serve(call.inbox if message is None else route.parse(message), call)
        if not route.server_streaming:
            return await response if isinstance(response, Awaitable) else response
        assert isinstance(response, AsyncGenerator), _wrong_response(route, response)
        async with aclosing(response):
            async for each in response:
                await self._send(call, route, each)
        return None

    def push(self, call: ServerCall, message: bytes) -> bool:
        """Send one message of a stream now, unless its call has ended or what it has sent is not read."""
        stream_id, sender = call.stream_id, self._sender
        if self.is_paused or self._running.get(stream_id) is not call or sender.is_backed_up(stream_id):
            return False
        sender.send(stream_id, message)
        if sender.out_bytes < PUSHED_BYTES:
            self._flush_soon()
        else:
            self._flush()
        return True

    async def _send(self, call: ServerCall, route: Route, response: object) -> None:
        """Send one message of a stream; wait while the client or the transport does not keep up."""
        if type(response) is not route.response_type:
            raise TypeError(_wrong_response(route, response))
        self._sender.send(call.stream_id, response.SerializeToString())
        if self._sender.out_bytes < FLUSH_BYTES:
            self._flush_soon()
        else:
            self._flush()
            # A method that never waits would keep the loop from everybody else.
            await asyncio.sleep(0)
        while self.is_paused or self._sender.is_backed_up(call.stream_id):
            turn = asyncio.get_running_loop().create_future()
            self._waiting[call.stream_id] = turn
            await turn

    def _arm(self, call: ServerCall) -> None:
        """Start the clock of a call with a deadline."""
        if call.head.timeout_s is not None:
            call.timer = asyncio.get_running_loop().call_later(call.head.timeout_s, self._expire, call)

    def _expire(self, call: ServerCall) -> None:
        """End a call whose time is over; its work is cancelled, what it has done stays done."""
        self._fail(call, DeadlineExceededError(f"the deadline of {call.head.timeout_s:g} s has passed"))
        call.cancel()
        self._flush_soon()

    def _fail(self, call: ServerCall, error: BaseException) -> None:
        """End a call with a status."""
        fault = fault_of(error, call.path)
        self._sender.finish(call.stream_id, fault_trailers(fault))
        self._done(call, fault.code)

    def _drop(self, stream_id: int, code: int) -> None:
        """End a call that can no longer be answered."""
        call = self._running.get(stream_id)
        if call is not None:
            self._done(call, code)
            call.cancel()

    def _done(self, call: ServerCall, code: int) -> None:
        """Forget a call and tell the interceptors."""
        if call.route is not None:
            self._running.pop(call.stream_id, None)
            self._waiting.pop(call.stream_id, None)
            if call.timer is not None:
                call.timer.cancel()
        for done in self._dones:
            done(call, code, now_s() - call.started_s)

    def _wake(self, stream_id: int) -> None:
        """Let a method go on that waits to send."""
        turn = self._waiting.pop(stream_id, None)
        if turn is not None and not turn.done():
            turn.set_result(None)

    def _consume(self, stream_id: int, size: int) -> None:
        """Note that a method took a message."""
        self._connection.consume(stream_id, size)
        if self._sender.out_bytes:
            self._flush_soon()


class FaultsOnly:
    """Whatever is raised inside leaves as a Fault, logged as `fault_of` does. A class, as a generator costs thrice."""

    __slots__ = ("_path",)

    def __init__(self, path: str) -> None:
        self._path = path

    def __enter__(self) -> None:
        """Begin."""

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        """Tell what was raised."""
        if isinstance(error, Exception):
            fault = fault_of(error, self._path)
            if fault is not error:
                raise fault from error


def fault_of(error: BaseException, path: str) -> Fault:
    """What a client is told of an error. What it is not told is logged; what nobody expected, under an id it gets."""
    if isinstance(error, Fault):
        if error.code in (InternalError.code, DataLossError.code):
            _log.error("%s: %s", path, error, exc_info=error)
        elif error.detail:
            _log.warning("%s: %s", path, error)
        return error
    if isinstance(error, DecodeError):
        return InvalidArgumentError("the request is not a message of this method's request type")
    error_id = secrets.token_hex(ERROR_ID_BYTES)
    _log.error("%s: internal error %s", path, error_id, exc_info=error)
    return InternalError(f"internal error {error_id}", reason="INTERNAL", metadata={"error_id": error_id})


def _wrong_response(route: Route, response: object) -> str:
    """The sentence for a method that gave something else than its proto says."""
    return f"{route.path} gave a {type(response).__name__}; expected {route.response_type.__name__}"
