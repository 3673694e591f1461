"""The Watch service: one stream of watches for each call."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import suppress

from chainfire.core import render
from chainfire.core.watch import Answer, Change, Changes, WatchStream, parts
from chainfire.errors import NoLeaderError
from chainfire.shell import requests
from chainfire.shell.encoded import Encoded
from chainfire.shell.guard import Guard
from chainfire.shell.node import Node
from chainfire.shell.standing import requires_leader
from ultracloud.api.etcd import rpc_pb2
from ultracloud.api.rpc import Call

ANSWER_BYTES_MAX = 2 << 20
"""etcd's limit of one watch response: its request limit and 512 KiB on top."""
RENDERED_KEPT = 16
"""Changes whose bytes are kept for the next watch that wants them: those of one small batch."""


class WatchService:
    """Serves etcdserverpb.Watch."""

    def __init__(self, node: Node, guard: Guard) -> None:
        self._node = node
        self._guard = guard
        self._rendered: dict[Change, bytes] = {}

    async def watch(
        self, requests_in: AsyncIterator[rpc_pb2.WatchRequest], call: Call, /
    ) -> AsyncGenerator[Encoded, None]:
        """Serve watches until the client goes. One that only stops sending still gets its changes."""
        stream, wake = self._node.open_stream()
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
                while stream.has_answers:
                    for answer in stream.take():
                        for encoded in self._render(answer):
                            yield encoded
                    taken.set()
                    # Watches that lag have more to read, and others want their turn.
                    await asyncio.sleep(0)
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

    def _render(self, answer: Answer) -> Iterator[Encoded]:
        header = self._node.headers.render(answer.revision)
        if not isinstance(answer, Changes):
            yield Encoded(render.watch_control(header, answer))
            return
        for part in parts(answer, _size, ANSWER_BYTES_MAX):
            events = b"".join([self._event(change) for change in part.changes])
            yield Encoded(render.watch_changes(header, answer.watch_id, events, fragment=part.fragment))

    def _event(self, change: Change) -> bytes:
        """The bytes of a change; a thousand watches of one key share them."""
        found = self._rendered.get(change)
        if found is None:
            found = render.watch_event(change)
            if len(self._rendered) >= RENDERED_KEPT:
                self._rendered.clear()
            self._rendered[change] = found
        return found


def _size(change: Change) -> int:
    """About what a change takes in an answer."""
    previous = change.previous
    before = 0 if previous is None else len(previous.key) + len(previous.value)
    return len(change.record.key) + len(change.record.value) + before
