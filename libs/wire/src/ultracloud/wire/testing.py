"""The Echo service in each way a method can be written, for tests and the bench of this library."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator

from ultracloud.api.rpc import Call
from ultracloud.api.wire.v1.echo_pb2 import EchoRequest, EchoResponse
from ultracloud.base.faults import FAULT_OF_CODE


class PlainEcho:
    """Say as a plain method, which is answered inline."""

    def say(self, request: EchoRequest, _call: Call, /) -> EchoResponse:
        """Give the payload back, or fail as asked."""
        if request.fail_code:
            raise failure(request.fail_code)
        return EchoResponse(payload=request.payload)


class DeferredEcho:
    """Say as a plain method that gives a future: all calls of one turn of the loop are answered in the next."""

    def __init__(self) -> None:
        self._pending: list[tuple[asyncio.Future[EchoResponse], EchoRequest]] = []

    def say(self, request: EchoRequest, _call: Call, /) -> asyncio.Future[EchoResponse]:
        """Promise the payload."""
        loop = asyncio.get_running_loop()
        promise: asyncio.Future[EchoResponse] = loop.create_future()
        if not self._pending:
            loop.call_soon(self._settle)
        self._pending.append((promise, request))
        return promise

    def _settle(self) -> None:
        """Keep all promises, as a group commit does."""
        pending, self._pending = self._pending, []
        for promise, request in pending:
            promise.set_result(EchoResponse(payload=request.payload))


class AsyncEcho:
    """All four shapes as coroutines and generators. `cancelled` counts the methods that were cancelled."""

    def __init__(self) -> None:
        self.cancelled = 0
        self.sent = 0
        """Responses that streams have produced."""
        self.times_remaining: list[float | None] = []

    async def say(self, request: EchoRequest, call: Call, /) -> EchoResponse:
        """Give the payload back after a while."""
        self.times_remaining.append(call.time_remaining())
        await self._wait(request)
        return EchoResponse(payload=request.payload)

    async def repeat(self, request: EchoRequest, _call: Call, /) -> AsyncGenerator[EchoResponse, None]:
        """Give the payload back `count` times."""
        for number in range(request.count):
            await self._wait(request)
            self.sent += 1
            yield EchoResponse(payload=request.payload, number=number)

    async def gather(self, requests: AsyncIterator[EchoRequest], _call: Call, /) -> EchoResponse:
        """Join all payloads."""
        payloads = []
        async for request in requests:
            await self._wait(request)
            payloads.append(request.payload)
        return EchoResponse(payload=b"".join(payloads), number=len(payloads))

    async def chat(self, requests: AsyncIterator[EchoRequest], _call: Call, /) -> AsyncGenerator[EchoResponse, None]:
        """Give each payload back."""
        number = 0
        async for request in requests:
            await self._wait(request)
            self.sent += 1
            yield EchoResponse(payload=request.payload, number=number)
            number += 1

    async def _wait(self, request: EchoRequest) -> None:
        """Wait and fail as asked."""
        try:
            if request.delay_s:
                await asyncio.sleep(request.delay_s)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        if request.fail_code:
            raise failure(request.fail_code)


def failure(code: int) -> Exception:
    """The fault of a code, with everything a fault can carry; a code that is none makes a defect."""
    kind = FAULT_OF_CODE.get(code)
    if kind is None:
        return RuntimeError("secret: a defect of the service")
    return kind("asked to fail: ü %", detail="for the log", hint="ask for less", reason="ASKED", metadata={"k": "v"})
