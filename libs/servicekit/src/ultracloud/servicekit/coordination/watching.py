"""A watch that outlives the member it asks: it knows the next revision it needs and goes on from there elsewhere.

A stream that says nothing is asked how far it has come; one that does not even answer that is dead, whatever TCP says.

Source: etcd's Watch API; progress answers mean that everything up to the header's revision has been sent.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import AsyncGenerator, AsyncIterator

from ultracloud.api.etcd import kv_pb2, rpc_pb2
from ultracloud.base.faults import Fault, PermissionDeniedError, UnavailableError
from ultracloud.servicekit.channels import RETRY_FIRST_S, RETRY_MAX_S
from ultracloud.servicekit.coordination.codec import parse_event
from ultracloud.servicekit.coordination.endpoints import Endpoints, is_lost
from ultracloud.servicekit.coordination.errors import REASONS, TOKEN, CompactedError
from ultracloud.servicekit.coordination.words import Batch
from ultracloud.servicekit.streams import closing

PATH = "/etcdserverpb.Watch/Watch"
SILENCE_S = 4.0
"""A watch that hears nothing for so long asks whether anybody is there, and after as long again goes elsewhere."""


class Watching:
    """One watch, over as many streams as it takes."""

    def __init__(self, endpoints: Endpoints, key: bytes, end: bytes, from_revision: int, *, previous: bool) -> None:
        self._endpoints = endpoints
        self._next = from_revision
        self._key, self._end, self._previous = key, end, previous
        self._has_begun = False
        self._parts: list[kv_pb2.Event] = []
        self._pause_s = RETRY_FIRST_S

    async def run(self) -> AsyncGenerator[Batch, None]:
        """See `Coordinator.watch`."""
        while True:
            try:
                async with closing(self._stream()) as batches:
                    async for batch in batches:
                        self._pause_s = RETRY_FIRST_S
                        yield batch
            except Fault as fault:
                if not is_lost(fault):
                    raise
                logging.getLogger(__name__).debug("watch goes on elsewhere", exc_info=fault)
            # Half of the pause is random, or all watches of a lost member come to the next in step.
            await asyncio.sleep(self._pause_s * (0.5 + random.random() / 2))  # noqa: S311 - spreads load
            self._pause_s = min(self._pause_s * 2, RETRY_MAX_S)

    async def _stream(self) -> AsyncGenerator[Batch, None]:
        """Watch on one stream, until it ends or falls silent."""
        self._parts.clear()
        asked = asyncio.Event()
        stream = self._endpoints.stream(PATH, self._requests(asked), rpc_pb2.WatchResponse)
        async with closing(stream) as answers:
            while True:
                answer = await self._answer(answers, asked)
                batch = None if answer is None else self._take(answer)
                if batch is not None:
                    yield batch

    async def _requests(self, asked: asyncio.Event) -> AsyncGenerator[rpc_pb2.WatchRequest, None]:
        """What goes to the member: the watch, then a question whenever it is `asked`."""
        yield rpc_pb2.WatchRequest(
            create_request=rpc_pb2.WatchCreateRequest(
                key=self._key,
                range_end=self._end,
                start_revision=self._next,
                prev_kv=self._previous,
                progress_notify=True,
                fragment=True,
            )
        )
        while True:  # the stream lives as long as its request side
            await asked.wait()
            asked.clear()
            yield rpc_pb2.WatchRequest(progress_request=rpc_pb2.WatchProgressRequest())

    async def _answer(
        self, answers: AsyncIterator[rpc_pb2.WatchResponse], asked: asyncio.Event
    ) -> rpc_pb2.WatchResponse | None:
        """The next answer.

        Raises:
            UnavailableError: The stream ended, or says nothing.
        """
        pending = asyncio.ensure_future(anext(answers, None))
        try:
            done, _ = await asyncio.wait([pending], timeout=SILENCE_S)
            if not done:
                asked.set()
                done, _ = await asyncio.wait([pending], timeout=SILENCE_S)
            if not done:
                self._endpoints.turn_away()
                raise UnavailableError("the watch hears nothing", reason="SILENT")
            answer = await pending
        finally:
            if not pending.done():
                pending.cancel()
                await asyncio.wait([pending])
        if answer is None:
            raise UnavailableError("the watch was ended", reason="ENDED")
        return answer

    def _take(self, answer: rpc_pb2.WatchResponse) -> Batch | None:
        """What an answer tells; None if nothing that the reader has to know."""
        if answer.canceled:
            raise self._cancelled(answer)
        if answer.created:
            # A watch from now on begins after the revision it was made at, also if its first stream is lost at once.
            self._next = self._next or answer.header.revision + 1
            if self._has_begun:
                return None
            self._has_begun = True
            return Batch((), self._next - 1)
        self._parts.extend(answer.events)
        if answer.fragment:
            return None
        events = tuple(parse_event(event) for event in self._parts if event.kv.mod_revision >= self._next)
        has_parts = bool(self._parts)
        self._parts.clear()
        if events:
            self._next = events[-1].revision + 1
        elif not has_parts and answer.watch_id >= 0:
            # A progress answer of this watch. Those to a question (watch_id -1) count for the whole stream, and old
            # servers send them while a watch still catches up, so they only show that somebody is there.
            self._next = max(self._next, answer.header.revision + 1)
        else:
            return None
        return Batch(events, self._next - 1)

    def _cancelled(self, answer: rpc_pb2.WatchResponse) -> Fault:
        """Why the member does not watch for us."""
        if answer.compact_revision:
            return CompactedError(self._next, answer.compact_revision)
        reason = answer.cancel_reason
        if "permission denied" in reason:
            return PermissionDeniedError(reason, reason="PERMISSION_DENIED")
        known = next((ours for sentence, ours in REASONS.items() if sentence in reason), "")
        if known in TOKEN:
            self._endpoints.forget_token()
        return UnavailableError(f"the watch was cancelled: {reason or 'no reason given'}", reason=known)
