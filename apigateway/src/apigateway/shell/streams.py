"""Watches: messages of a service as they come, as lines or events, with a sign of life in between.

A refusal comes within FIRST_S, and is then answered with its status; a watch with nothing to tell begins then
all the same, so that its client knows it is heard. What fails later is the stream's last word.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from google.protobuf.message import Message

from apigateway.core.problems import problem_of
from apigateway.core.streaming import Form, Mark, render, render_beat, render_failure
from apigateway.core.traffic import Watches
from apigateway.core.writing import Writers
from apigateway.shell.feeds import Feed
from ultracloud.api.rest.descriptors import descriptor_of, fields_by_name
from ultracloud.api.rpc import Method
from ultracloud.base.faults import Fault, ResourceExhaustedError
from ultracloud.wire import HttpStream

FIRST_S = 0.4
"""How long an answer waits for a refusal: a service itself waits a quarter of a second for a newer policy first."""
BOOKMARK = "BOOKMARK"
"""The event behind all that existed."""
BEAT_S = 15.0
"""Silence after which a sign of life is sent: proxies cut off after 30 to 60 s."""


@dataclass(frozen=True, slots=True)
class Way:
    """How a stream is answered, and to whom.

    Attributes:
        who: The principal that it counts for.
        trace: Names the request.
        goes_on: Whether the client has heard what existed before.
    """

    form: Form
    who: str
    trace: str
    goes_on: bool


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
        self, messages: AsyncIterator[Message], rpc: Method, way: Way, fields: Mapping[str, str]
    ) -> HttpStream:
        """Begin a stream.

        Raises:
            Fault: The service refuses it, or this caller has too many.
        """
        self._admit(way.who)
        feed = Feed(messages)
        try:
            await feed.wait(FIRST_S)
            feed.check()
        except BaseException:
            self._leave(way.who)
            feed.stop()
            raise
        parts = self._parts(feed, rpc, way)
        return HttpStream(parts, 200, way.form.value, {**fields, "x-accel-buffering": "no"})

    async def _parts(self, feed: Feed, rpc: Method, way: Way) -> AsyncGenerator[bytes, None]:
        """What is sent."""
        try:
            write, marks = self._writers.of(rpc.response_type), Marks(rpc, goes_on=way.goes_on)
            while True:
                if not await feed.wait(BEAT_S):
                    yield render_beat(way.form)
                elif (message := feed.next()) is not None:
                    yield render(way.form, write(message), marks.of(message))
                else:
                    return
        except Fault as fault:
            yield render_failure(way.form, problem_of(fault, way.trace).body)
        finally:
            self._leave(way.who)
            await feed.close()

    @contextmanager
    def counted(self, who: str) -> Iterator[None]:
        """Count a stream that somebody else keeps.

        Raises:
            ResourceExhaustedError: This caller has too many.
        """
        self._admit(who)
        try:
            yield
        finally:
            self._leave(who)

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


class Marks:
    """What is told beside the events of a watch.

    A version is a place to go on from only once everything that existed has been told: who goes on from one before
    the bookmark would never hear of the rest.

    Args:
        rpc: What is watched.
        goes_on: Whether the client has heard what existed before.
    """

    def __init__(self, rpc: Method, *, goes_on: bool) -> None:
        fields = fields_by_name(descriptor_of(rpc.response_type))
        self._names: Mapping[int, str] = {}
        # Not all that is watched is events of resources: the authority's roots have a version and no type.
        if {"version", "type"} <= set(fields) and (kinds := fields["type"].enum_type) is not None:
            self._names = {value.number: value.name for value in kinds.values}
        self._is_whole = goes_on

    def of(self, message: Any) -> Mark:
        """The mark of a message; an empty one where it is no event."""
        if not self._names:
            return Mark()
        kind = self._names.get(message.type, "")
        self._is_whole = self._is_whole or kind == BOOKMARK
        return Mark(str(message.version) if self._is_whole and message.version else "", kind)
