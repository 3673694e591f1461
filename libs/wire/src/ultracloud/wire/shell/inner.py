"""Calls of this server's own methods from inside: what a gateway makes of a plain HTTP request.

A call goes the way of one that came over the wire: the interceptors admit it and hear of its end, the method sees its
caller, and whatever it raises becomes a fault. Interceptors that stand around methods are not served here.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias

from google.protobuf.message import Message

from ultracloud.api.rpc import Peer
from ultracloud.base.faults import CancelledError, DeadlineExceededError, Fault, UnimplementedError
from ultracloud.wire.core.status import OK
from ultracloud.wire.shell.clock import now_s
from ultracloud.wire.shell.edge import FaultsOnly, Site
from ultracloud.wire.shell.options import HttpEndpoint


class Rendered(Protocol):
    """What a method answers: a message, or something else that knows its bytes."""

    def SerializeToString(self) -> bytes:  # noqa: N802 - protobuf's name
        """Its bytes."""
        ...


@dataclass(frozen=True, slots=True)
class Caller:
    """On whose behalf a call is made; `timeout_s` is what the caller has left, None for all the time there is."""

    metadata: Mapping[str, str]
    peer: Peer
    timeout_s: float | None = None


@dataclass(slots=True, eq=False)
class InnerCall:
    """One such call; implements `ultracloud.api.rpc.Call`."""

    path: str
    caller: Caller
    task: asyncio.Task[object] | None
    started_s: float = field(default_factory=now_s)
    context: dict[object, object] = field(default_factory=dict)
    _is_cancelled: bool = False

    @property
    def metadata(self) -> Mapping[str, str]:
        """Request headers in lower case."""
        return self.caller.metadata

    @property
    def peer(self) -> Peer:
        """Who calls."""
        return self.caller.peer

    def time_remaining(self) -> float | None:
        """Seconds until the caller's deadline, None without one; never below 0."""
        if self.caller.timeout_s is None:
            return None
        return max(0.0, self.started_s + self.caller.timeout_s - now_s())

    def is_cancelled(self) -> bool:
        """Whether the caller has gone."""
        return self._is_cancelled

    def cancel(self) -> None:
        """End the call."""
        self._is_cancelled = True
        if self.task is not None:
            self.task.cancel()


class InnerCalls:
    """Calls the methods of a server.

    Raises:
        ValueError: An interceptor of the server stands around methods.
    """

    def __init__(self, site: Site) -> None:
        if site.arounds:
            raise ValueError("inner calls know no interceptors that stand around methods; use admit and done")
        self._site = site

    def serves(self, path: str) -> bool:
        """Whether the server has a method; one that listens for pages alone has none."""
        return path in self._site.routes

    async def unary(self, path: str, request: Message, caller: Caller) -> bytes:
        """Call a method that gives one message; its bytes.

        Raises:
            Fault: What the call ended with.
        """
        async with aclosing(self.stream(path, [request], caller)) as answers:
            found = [answer async for answer in answers]
        assert len(found) == 1, path
        return found[0]

    async def stream(self, path: str, requests: Sequence[Message], caller: Caller) -> AsyncGenerator[bytes, None]:
        """Call a method of any shape with all its requests; the bytes of each answer. Closing it cancels the call.

        Raises:
            Fault: What the call ended with.
        """
        call = InnerCall(path, caller, asyncio.current_task())
        code = CancelledError.code
        try:
            with FaultsOnly(path):
                async with aclosing(self._run(call, requests)) as answers:
                    while (answer := await _next(answers, call)) is not None:
                        yield answer.SerializeToString()
            code = OK
        except Fault as fault:
            code = fault.code
            raise
        finally:
            for done in self._site.dones:
                done(call, code, now_s() - call.started_s)

    async def _run(self, call: InnerCall, requests: Sequence[Message]) -> AsyncGenerator[Rendered, None]:
        """Admit a call and run its method to its end."""
        route = self._site.routes.get(call.path)
        if route is None:
            raise UnimplementedError(f"this server has no method {call.path[:200]!a}")
        for admit in self._site.admits:
            admit(call)
        response: Any = route.serve(_each(requests) if route.client_streaming else requests[0], call)
        if isinstance(response, AsyncGenerator):
            async with aclosing(response):
                async for each in response:
                    yield each
        elif isinstance(response, asyncio.Future):
            # A bare future is somebody else's: whoever waits for it may go, it stays.
            yield await asyncio.shield(response)
        else:
            yield await response if isinstance(response, Awaitable) else response


Endpoints: TypeAlias = Callable[[InnerCalls], Mapping[str, HttpEndpoint]]
"""Makes endpoints by path, of a way to call the server's methods from inside."""


async def _each(requests: Sequence[Message]) -> AsyncIterator[Message]:
    for request in requests:
        yield request


async def _next(answers: AsyncGenerator[Rendered, None], call: InnerCall) -> Rendered | None:
    """The next answer; None at the end.

    Raises:
        DeadlineExceededError: The caller's time is over.
    """
    timeout_s = call.time_remaining()
    try:
        async with asyncio.timeout(timeout_s):
            return await anext(answers)
    except StopAsyncIteration:
        return None
    except TimeoutError as error:
        raise DeadlineExceededError(f"the deadline of {call.caller.timeout_s:g} s has passed") from error
