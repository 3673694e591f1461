"""Watches: messages of a service as they come, as lines or events, with a sign of life in between.

A refusal comes within milliseconds, and is then answered with its status; a watch with nothing to tell begins after
FIRST_S all the same, so that its client knows it is heard. What fails later is the stream's last word.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from typing import Any

from google.protobuf.message import Message

from apigateway.core.problems import problem_of
from apigateway.core.streaming import Form, Mark, render, render_beat, render_failure
from apigateway.core.traffic import Watches
from apigateway.core.writing import Writers
from ultracloud.api.rest.descriptors import descriptor_of, fields_by_name
from ultracloud.api.rpc import Method
from ultracloud.base.faults import Fault, ResourceExhaustedError
from ultracloud.wire import HttpStream

FIRST_S = 0.25
"""How long the head of an answer waits for a refusal."""
BEAT_S = 15.0
"""Silence after which a sign of life is sent: proxies cut off after 30 to 60 s."""


class Streams:
    """Those that are open.

    Args:
        writers: Write messages.
    """

    def __init__(self, writers: Writers) -> None:
        self._writers = writers
        self._limits = Watches()
        self._open: Counter[str] = Counter()
        self._count = 0

    def use(self, limits: Watches) -> None:
        """Use other limits for streams that begin from now on."""
        self._limits = limits

    @property
    def open_count(self) -> int:
        """Streams that are open."""
        return self._count

    async def open(
        self, messages: AsyncIterator[Message], rpc: Method, form: Form, who: str, trace: str, fields: Mapping[str, str]
    ) -> HttpStream:
        """Begin a stream.

        Raises:
            Fault: The service refuses it, or this caller has too many.
        """
        self._admit(who)
        first = asyncio.ensure_future(_next(messages))
        try:
            await asyncio.wait([first], timeout=FIRST_S)
            if first.done():
                first.result()
        except BaseException:
            self._leave(who)
            first.cancel()
            raise
        parts = self._parts(messages, first, rpc, form, who, trace)
        return HttpStream(parts, 200, form.value, {**fields, "x-accel-buffering": "no"})

    async def _parts(
        self, messages: AsyncIterator[Message], first: Any, rpc: Method, form: Form, who: str, trace: str
    ) -> AsyncGenerator[bytes, None]:
        """What is sent."""
        write, tells = self._writers.of(rpc.response_type), _marks(rpc)
        coming: asyncio.Future[Message | None] = first
        try:
            while True:
                await asyncio.wait([coming], timeout=BEAT_S)
                if not coming.done():
                    yield render_beat(form)
                    continue
                message = coming.result()
                if message is None:
                    return
                yield render(form, write(message), _mark(message) if tells else Mark())
                coming = asyncio.ensure_future(_next(messages))
        except Fault as fault:
            yield render_failure(form, problem_of(fault, trace).body)
        finally:
            self._leave(who)
            coming.cancel()
            await asyncio.wait([coming])
            if not coming.cancelled():
                coming.exception()
            if isinstance(messages, AsyncGenerator):
                await messages.aclose()

    def _admit(self, who: str) -> None:
        if self._open[who] >= self._limits.each or self.open_count >= self._limits.total:
            raise ResourceExhaustedError(
                f"too many streams are open; at most {self._limits.each} of one principal are accepted",
                hint="close one, or watch more in one",
                reason="WATCHES_TOO_MANY",
            )
        self._open[who] += 1
        self._count += 1

    def _leave(self, who: str) -> None:
        self._open[who] -= 1
        self._count -= 1
        if not self._open[who]:
            del self._open[who]


async def _next(messages: AsyncIterator[Message]) -> Message | None:
    """The next message; None behind the last."""
    return await anext(messages, None)


def _marks(rpc: Method) -> bool:
    """Whether messages are events with a version."""
    return {"type", "version"} <= set(fields_by_name(descriptor_of(rpc.response_type)))


def _mark(message: Any) -> Mark:
    kind = type(message).DESCRIPTOR.fields_by_name["type"].enum_type.values_by_number[message.type].name
    return Mark(str(message.version) if message.version else "", kind)
