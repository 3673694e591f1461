"""The Watch service: one stream of watches for each call."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Iterator
from contextlib import suppress
from itertools import chain

from chainfire.core import render
from chainfire.core.watch import Answer, Change, Changes, Part, WatchStream, parts
from chainfire.errors import NoLeaderError
from chainfire.shell import requests
from chainfire.shell.encoded import Encoded
from chainfire.shell.guard import Guard
from chainfire.shell.node import Node
from chainfire.shell.standing import requires_leader
from ultracloud.api.etcd import rpc_pb2
from ultracloud.api.rpc import Call, DirectCall

ANSWER_BYTES_MAX = 2 << 20
"""etcd's limit of one watch response: its request limit and 512 KiB on top."""
WATCH_PATH = "/etcdserverpb.Watch/Watch"
RENDERED_KEPT = 16
"""Changes whose bytes are kept for the next watch that wants them: those of one small batch."""


class WatchService:
    """Serves etcdserverpb.Watch."""

    def __init__(self, node: Node, guard: Guard) -> None:
        self._node = node
        self._guard = guard
        self._rendered: dict[Change, bytes] = {}
        self._shown: tuple[Change | None, int, int] = (None, 0, 0)
        self._answer: list[Encoded] = []

    async def watch(
        self, requests_in: AsyncIterator[rpc_pb2.WatchRequest], call: Call, /
    ) -> AsyncGenerator[Encoded, None]:
        """Serve watches until the client goes. One that only stops sending still gets its changes."""
        outlet = _Outlet(self._node, self._render, call)
        stream, wake = outlet.stream, outlet.wake
        taken = asyncio.Event()
        reader = asyncio.create_task(self._read(requests_in, call, stream, wake, taken), name="watch requests")
        reader.add_done_callback(lambda _: wake.set())
        try:
            while True:
                await wake.wait()
                wake.clear()
                if reader.done():
                    # A request that was no message ends the call with its error.
                    reader.result()
                if self._node.is_leaderless and requires_leader(call):
                    raise NoLeaderError
                outlet.is_idle = False
                while outlet.unsent is not None or stream.has_answers:
                    for encoded in outlet.take():
                        yield encoded
                    taken.set()
                    if stream.has_answers:
                        # Watches that lag have more to read, and others want their turn.
                        await asyncio.sleep(0)
                outlet.is_idle = True
        finally:
            reader.cancel()
            with suppress(asyncio.CancelledError):
                await asyncio.wait([reader])
            self._node.close_stream(stream)

    async def _read(
        self,
        requests_in: AsyncIterator[rpc_pb2.WatchRequest],
        call: Call,
        stream: WatchStream,
        wake: asyncio.Event,
        taken: asyncio.Event,
    ) -> None:
        """Do what the client asks, until it asks no more. One that does not read its answers is not listened to."""
        async for request in requests_in:
            while stream.is_clogged:
                taken.clear()
                await taken.wait()
            match request.WhichOneof("request_union"):
                case "create_request":
                    wanted = requests.wanted_of(request.create_request)
                    refusal = await self._guard.watch_refusal(call, wanted.key, wanted.end)
                    if refusal:
                        stream.refuse(refusal)
                    else:
                        stream.create(wanted)
                case "cancel_request":
                    stream.cancel(request.cancel_request.watch_id)
                case "progress_request":
                    stream.request_progress()
                case None:
                    # etcd passes an empty request over, and so do we.
                    continue
            wake.set()

    def _render(self, answer: Answer) -> Iterable[Encoded]:
        header = self._node.headers.render(answer.revision)
        if not isinstance(answer, Changes):
            return [Encoded(render.watch_control(header, answer))]
        if len(answer.changes) > 1:
            return (self._part(header, answer, part) for part in parts(answer, _size, ANSWER_BYTES_MAX))
        # One change that a thousand streams see, mostly under the same id: the whole answer is the same.
        shown = (answer.changes[0], answer.revision, answer.watch_id)
        if shown[0] is not self._shown[0] or shown[1:] != self._shown[1:]:
            self._shown, self._answer = shown, [self._part(header, answer, Part(answer.changes, fragment=False))]
        return self._answer

    def _part(self, header: bytes, answer: Changes, part: Part) -> Encoded:
        events = b"".join([self._event(change) for change in part.changes])
        return Encoded(render.watch_changes(header, answer.watch_id, events, fragment=part.fragment))

    def _event(self, change: Change) -> bytes:
        """The bytes of a change; a thousand watches of one key share them."""
        found = self._rendered.get(change)
        if found is None:
            found = render.watch_event(change)
            if len(self._rendered) >= RENDERED_KEPT:
                self._rendered.clear()
            self._rendered[change] = found
        return found


class _Outlet:
    """Where the answers of one stream leave: what is pushed to it goes straight to the wire while its method waits.

    Waking the method costs more than the answer. A call that is made from inside, or on behalf of another method, is
    answered by its method alone.

    Attributes:
        stream: Its watches.
        wake: Set when the method has something to do.
        is_idle: The method waits, and everything before has been sent.
        unsent: What was taken from the stream and not by the wire, rendered as it is asked for.
    """

    def __init__(self, node: Node, rendered: Callable[[Answer], Iterable[Encoded]], call: Call) -> None:
        self.stream = node.open_stream(self._tell)
        self.wake = asyncio.Event()
        self.is_idle = False
        self.unsent: Iterator[Encoded] | None = None
        self._node = node
        self._rendered = rendered
        self._push = call.push if isinstance(call, DirectCall) and call.path == WATCH_PATH else None

    def take(self) -> Iterator[Encoded]:
        """What is to be sent now, in order."""
        unsent, self.unsent = self.unsent, None
        if unsent is not None:
            yield from unsent
        for answer in self.stream.take():
            yield from self._rendered(answer)

    def _tell(self) -> None:
        """The stream has something to take."""
        push = self._push
        if push is None or not self.is_idle or self._node.is_leaderless:
            self.wake.set()
            return
        answers = self.take()
        for encoded in answers:
            if not push(encoded.SerializeToString()):
                self.unsent = chain((encoded,), answers)
                break
        if self.unsent is not None or self.stream.has_answers:
            # From here on it is the method's to go on.
            self.is_idle = False
            self.wake.set()


def _size(change: Change) -> int:
    """About what a change takes in an answer."""
    previous = change.previous
    before = 0 if previous is None else len(previous.key) + len(previous.value)
    return len(change.record.key) + len(change.record.value) + before
