"""Several members behind one name: stay with one that answers, turn to another when it does not, send nothing twice.

A request goes to the member that answered last. When it cannot be reached, has no leader or lets a request time out, it
is left alone for COOL_S and whichever other member connects first is next. What happens to the request then:

- it was surely not done (no connection, no leader): it is sent to the next member, whatever it is;
- nobody knows, and it is harmless twice: it is sent to the next member;
- nobody knows, and it is not: the caller is told, with reason UNCERTAIN or PEER_DOWN or as DeadlineExceeded.

All of it inside the caller's deadline. Requests ask for a member that has a leader (`hasleader`), unless they may be
stale: a member that is cut off from the others says so instead of letting them wait.

Source: etcd 3.5, client/v3 retry_interceptor.go (which calls may be repeated), api/v3rpc/rpctypes/md.go (header names).
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import AsyncIterable, AsyncIterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from google.protobuf.message import Message

from ultracloud.api.rpc import Headers
from ultracloud.base.faults import DeadlineExceededError, Fault, UnavailableError
from ultracloud.servicekit.channels import (
    DEADLINE_S,
    RETRY_FIRST_S,
    RETRY_MAX_S,
    NotSentError,
    PeerChannel,
)
from ultracloud.servicekit.connections import CONNECT_S
from ultracloud.servicekit.coordination.errors import TOKEN, is_elsewhere, is_not_done, translate
from ultracloud.servicekit.coordination.tokens import Tokens
from ultracloud.servicekit.streams import closing

ResponseT = TypeVar("ResponseT", bound=Message)

ATTEMPT_S = 2.0
"""A harmless request waits this long for one of several members: an election is over by then, and three members fit
into DEADLINE_S."""
COOL_S = 5.0
"""A member that failed is asked again after this, or at once if no other is there."""
LEADER_HEADER = ("hasleader", "true")


@dataclass(slots=True)
class Endpoint:
    """One member; `cool_until` in monotonic seconds."""

    channel: PeerChannel
    cool_until: float = 0.0


class Endpoints:
    """See the module."""

    def __init__(self, channels: Sequence[PeerChannel], tokens: Tokens | None = None) -> None:
        assert channels, "no endpoint"
        self._endpoints = [Endpoint(channel) for channel in channels]
        # Clients that are told the same list spread over it.
        self._current = random.choice(self._endpoints)  # noqa: S311 - spreads load, guards nothing
        self._tokens = tokens

    @property
    def channels(self) -> tuple[PeerChannel, ...]:
        """One a member, in the order given."""
        return tuple(endpoint.channel for endpoint in self._endpoints)

    async def unary(
        self,
        path: str,
        request: Message,
        response_type: type[ResponseT],
        *,
        harmless_twice: bool,
        timeout_s: float = DEADLINE_S,
        needs_leader: bool = True,
        headers: Headers = (),
    ) -> ResponseT:
        """Send one message to one member, get one; see the module for when it is sent again.

        Raises:
            Fault: What the last member said, with its own sentence.
        """
        ends_at = time.monotonic() + self._current.channel.budget_s(timeout_s)
        pause_s, has_new_token = RETRY_FIRST_S, False
        while True:
            endpoint = await self._pick(ends_at)
            left_s = ends_at - time.monotonic()
            wait_s = min(left_s, ATTEMPT_S) if harmless_twice and len(self._endpoints) > 1 else left_s
            try:
                ours = await self._headers(endpoint, needs_leader=needs_leader, timeout_s=left_s)
                return await endpoint.channel.once(path, request, response_type, wait_s, (*ours, *headers))
            except Fault as error:
                fault = translate(error)
            if fault.reason in TOKEN and self._tokens is not None and not has_new_token:
                has_new_token = True
                self._tokens.forget()
                continue
            self._note(endpoint, fault)
            if not is_elsewhere(fault) or not (is_not_done(fault) or harmless_twice):
                raise fault
            if ends_at - time.monotonic() <= pause_s:
                raise fault
            # Half of the pause is random, or all clients of a lost member come to the next in step.
            await asyncio.sleep(pause_s * (0.5 + random.random() / 2))  # noqa: S311 - spreads load, guards nothing
            pause_s = min(pause_s * 2, RETRY_MAX_S)

    async def stream(
        self,
        path: str,
        requests: Message | AsyncIterable[Message],
        response_type: type[ResponseT],
        *,
        timeout_s: float | None = None,
        needs_leader: bool = True,
        headers: Headers = (),
    ) -> AsyncIterator[ResponseT]:
        """Send one message or many to one member, get many. Who wants it to go on after a fault opens it again.

        Raises:
            Fault: What the member said, with its own sentence.
        """
        endpoint = await self._pick(time.monotonic() + CONNECT_S)
        try:
            ours = await self._headers(endpoint, needs_leader=needs_leader, timeout_s=timeout_s or DEADLINE_S)
            every = (*ours, *headers)
            async with closing(endpoint.channel.stream(path, requests, response_type, timeout_s, every)) as answers:
                async for answer in answers:
                    yield answer
        except Fault as error:
            fault = translate(error)
            if fault.reason in TOKEN:
                self.forget_token()
            self._note(endpoint, fault)
            raise fault from error

    def prefer(self, place: int) -> None:
        """Ask the member next whose address has this place in the list, as long as it answers."""
        self._current = self._endpoints[place]
        self._current.cool_until = 0.0

    def turn_away(self) -> None:
        """Leave the member that was asked last alone for a while: it is connected, and says nothing."""
        self._current.cool_until = time.monotonic() + COOL_S

    def forget_token(self) -> None:
        """Ask for another token before the next request."""
        if self._tokens is not None:
            self._tokens.forget()

    async def token_headers(self, channel: PeerChannel, timeout_s: float) -> tuple[tuple[str, str], ...]:
        """What a request to one member carries to say who we are."""
        return () if self._tokens is None else await self._tokens.headers(channel, timeout_s)

    async def close(self) -> None:
        """End all connections."""
        for endpoint in self._endpoints:
            await endpoint.channel.close()

    def _note(self, endpoint: Endpoint, fault: Fault) -> None:
        """Leave a member alone for a while that did not do what another might."""
        if is_elsewhere(fault):
            endpoint.cool_until = time.monotonic() + COOL_S

    async def _headers(
        self, endpoint: Endpoint, *, needs_leader: bool, timeout_s: float
    ) -> tuple[tuple[str, str], ...]:
        """What goes with a request."""
        token = await self.token_headers(endpoint.channel, timeout_s)
        return (*token, LEADER_HEADER) if needs_leader else token

    async def _pick(self, until: float) -> Endpoint:
        """A member to ask: the one that answered last, or the first that connects among those that did not fail.

        Raises:
            NotSentError: No member can be reached until then (monotonic seconds).
        """
        now = time.monotonic()
        if len(self._endpoints) == 1 or (
            self._current.cool_until <= now and await self._current.channel.is_connected(0)
        ):
            return self._current
        until = min(until, now + CONNECT_S)
        fresh = [endpoint for endpoint in self._endpoints if endpoint.cool_until <= now]
        # Among the failed, the one that failed first has had the most time.
        tired = sorted((e for e in self._endpoints if e.cool_until > now), key=lambda endpoint: endpoint.cool_until)
        found = await self._first_connected(fresh, now + (until - now) / 2 if tired else until)
        found = found or await self._first_connected(tired, until)
        if found is None:
            raise NotSentError(
                f"none of {len(self._endpoints)} members answers",
                detail=f"no connection to any of {', '.join(channel.target for channel in self.channels)}",
                reason="PEER_DOWN",
            )
        self._current = found
        return found

    async def _first_connected(self, candidates: Sequence[Endpoint], until: float) -> Endpoint | None:
        """Whichever connects first; the earliest in the list if several are connected already."""
        for candidate in candidates:
            if await candidate.channel.is_connected(0):
                return candidate
        tasks = {
            asyncio.create_task(candidate.channel.is_connected(max(0.0, until - time.monotonic()))): candidate
            for candidate in candidates
        }
        pending = set(tasks)
        try:
            while pending:
                done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    if task.result():
                        return tasks[task]
        finally:
            for task in pending:
                task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.gather(*pending, return_exceptions=True)
        return None


def is_lost(fault: Fault) -> bool:
    """Whether a stream that ended so may be opened again."""
    return isinstance(fault, UnavailableError | DeadlineExceededError) or fault.reason in TOKEN or is_not_done(fault)
