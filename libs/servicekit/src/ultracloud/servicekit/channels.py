"""Ways to other services: every call has a deadline; what may be sent again is sent again here and nowhere else.

A channel connects when first used and goes on trying as long as somebody waits, so a service starts while its peers
are down. A call waits for the connection for at most CONNECT_S, then says Unavailable. Only Unavailable is retried,
only for calls that are harmless twice, and only inside the caller's deadline.

Source: gRPC over HTTP2; gRPC status codes and their retry advice.
"""

from __future__ import annotations

import asyncio
import math
import random
import time
from collections.abc import AsyncIterable, AsyncIterator, Sequence
from typing import TypeVar

from google.protobuf.message import DecodeError, Message

from ultracloud.api.rpc import Channel, Headers
from ultracloud.base.faults import Fault, InternalError, InvalidArgumentError, UnavailableError
from ultracloud.servicekit import deadlines
from ultracloud.servicekit.connections import CONNECT_S, Connection, NotSentError, fault_of
from ultracloud.servicekit.pki import TlsIdentity
from ultracloud.servicekit.streams import closing
from ultracloud.wire import CallFailedError, Exchange

__all__ = ["DEADLINE_S", "NotSentError", "PeerChannel", "connect"]

ResponseT = TypeVar("ResponseT", bound=Message)
Fields = tuple[tuple[str, str], ...]

DEADLINE_S = 5.0
"""A call without a deadline of its own gets this: longer than any healthy answer, shorter than patience."""
RETRY_FIRST_S, RETRY_MAX_S = 0.05, 1.0
"""Pause before the first retry, doubled up to the last: a peer restarts within a few of them."""
REFUSALS_MAX = 3
"""Connections that may refuse a call, one after the other, because their server goes away or is full."""
TIMEOUT_STEP_MS = 10
"""Deadlines are told in these steps, so that most calls of a channel tell the same and their headers repeat."""

IDEMPOTENT_METHODS = frozenset(
    {"Get", "BatchGet", "List", "Scan", "Range", "Explain", "WhoAmI", "ReportHost", "Check", "Status"}
)
"""RPC names that are harmless twice wherever they occur."""


def connect(
    target: str,
    identity: TlsIdentity | None = None,
    expect: str = "",
    *,
    roots: str = "",
    deadline_s: float = DEADLINE_S,
    idempotent: Sequence[str] = (),
) -> PeerChannel:
    """Make a channel; nothing is sent before the first call.

    Args:
        target: ``host:port`` or ``unix:/path``.
        identity: Who we are; None speaks plaintext, which servers accept on loopback and unix sockets only.
        expect: SPIFFE URI, or DNS name, that the server's certificate must have; needed with `identity` and `roots`.
        roots: PEM of whom to trust where there is no `identity` yet: the server is verified, and nobody is shown.
        deadline_s: For calls that bring none.
        idempotent: Paths or RPC names that may be sent twice, besides IDEMPOTENT_METHODS.

    Raises:
        InvalidArgumentError: `target` is no address.
    """
    if not target.startswith("unix:/") and (not target.rpartition(":")[2].isdigit() or "," in target):
        raise InvalidArgumentError(f"'{target}' is no address; accepted: host:port or unix:/path")
    assert (identity is None and not roots) or expect, "a channel over TLS must say whom it expects"
    connection = Connection(target, identity, expect, roots)
    return PeerChannel(connection, deadline_s, IDEMPOTENT_METHODS.union(idempotent), token="")


class PeerChannel(Channel):
    """A `Channel` over one connection."""

    def __init__(self, connection: Connection, deadline_s: float, idempotent: frozenset[str], token: str) -> None:
        self._connection = connection
        self._deadline_s = deadline_s
        self._idempotent = idempotent
        self._token = token
        self._fields_of_path: dict[str, Fields] = {}

    def with_token(self, token: str) -> PeerChannel:
        """The same connection, speaking for the holder of a bearer token.

        Raises:
            InvalidArgumentError: It is no token. An empty one would leave the connection's certificate to speak.
        """
        if not token or not token.isascii() or not token.isprintable() or " " in token:
            raise InvalidArgumentError(
                "the bearer token is empty or has characters that no token has; give the text that iam issued, alone"
            )
        return PeerChannel(self._connection, self._deadline_s, self._idempotent, token)

    async def close(self) -> None:
        """End the connection; calls in flight are cancelled."""
        await self._connection.close()

    async def unary(
        self,
        path: str,
        request: Message,
        response_type: type[ResponseT],
        timeout_s: float | None = None,
        headers: Headers = (),
    ) -> ResponseT:
        """Send one message, get one.

        Raises:
            Fault: What the server said, or Unavailable when it cannot be reached, or DeadlineExceeded.
        """
        ends_at = time.monotonic() + self.budget_s(timeout_s)
        pause_s = RETRY_FIRST_S
        while True:
            try:
                return await self._attempt(path, request, response_type, ends_at, headers)
            except UnavailableError:
                left_s = ends_at - time.monotonic()
                if not self.is_idempotent(path) or left_s <= pause_s:
                    raise
            # Half of the pause is random, or all callers of a restarted server come back in step.
            await asyncio.sleep(pause_s * (0.5 + random.random() / 2))  # noqa: S311 - spreads load, guards nothing
            pause_s = min(pause_s * 2, RETRY_MAX_S)

    def ask(
        self, path: str, message: bytes, timeout_s: float, trace: str, headers: Headers = ()
    ) -> asyncio.Future[bytes] | None:
        """Send one message now, and give a future of the one that answers: a call without a task of its own.

        Nothing is found in context variables, so what `unary` finds there is given; and nothing is sent again.

        Returns:
            None if a call would have to wait for the connection. The future fails with CallFailedError, which
            `fault_of` tells in our words; cancelling it gives the call up.
        """
        protocol = self._connection.usable()
        if protocol is None or not protocol.can_ask:
            return None
        return protocol.ask(self._fields(path), self._passing(timeout_s, headers, trace), message, timeout_s)

    def may_repeat(self, path: str, error: CallFailedError) -> bool:
        """Whether a call that failed may be sent again."""
        return not error.was_taken or (error.status == UnavailableError.code and self.is_idempotent(path))

    def fault_of(self, error: CallFailedError) -> Fault:
        """The fault that a call of `ask` ended with."""
        return fault_of(error, self._connection.name)

    async def once(
        self,
        path: str,
        request: Message,
        response_type: type[ResponseT],
        timeout_s: float,
        headers: Headers = (),
    ) -> ResponseT:
        """As `unary`, but sent at most once, whatever it is: for a caller that has other servers to turn to.

        Raises:
            NotSentError: It was not sent.
            Fault: As `unary`.
        """
        ends_at = time.monotonic() + self.budget_s(timeout_s)
        return await self._attempt(path, request, response_type, ends_at, headers)

    async def is_connected(self, within_s: float) -> bool:
        """Whether there is a connection, made if need be, within so many seconds."""
        return await self._connection.wait(time.monotonic() + within_s) is not None

    @property
    def target(self) -> str:
        """The address it was made with."""
        return self._connection.target

    async def _attempt(
        self,
        path: str,
        request: Message,
        response_type: type[ResponseT],
        ends_at: float,
        headers: Headers = (),
    ) -> ResponseT:
        """Send once; again only where the server surely did nothing with it."""
        fields, message = self._fields(path), request.SerializeToString()
        for refusals in range(REFUSALS_MAX):
            protocol = await self._connection.ready(min(ends_at, time.monotonic() + CONNECT_S))
            left_s = max(0.001, ends_at - time.monotonic())
            try:
                answer = await protocol.unary(fields, self._passing(left_s, headers), message, left_s)
            except CallFailedError as error:
                if not error.was_taken and refusals + 1 < REFUSALS_MAX and time.monotonic() < ends_at:
                    continue
                raise fault_of(error, self._connection.name) from None
            return self.parsed(path, answer, response_type)
        raise AssertionError(REFUSALS_MAX)

    def stream(
        self,
        path: str,
        requests: Message | AsyncIterable[Message],
        response_type: type[ResponseT],
        timeout_s: float | None = None,
        headers: Headers = (),
    ) -> AsyncIterator[ResponseT]:
        """Send one message or many, get many; without `timeout_s` it may last for ever. Closing cancels the call."""
        return self._stream(path, requests, response_type, timeout_s, headers)

    async def _stream(
        self,
        path: str,
        requests: Message | AsyncIterable[Message],
        response_type: type[ResponseT],
        timeout_s: float | None,
        headers: Headers,
    ) -> AsyncIterator[ResponseT]:
        """The generator behind `stream`."""
        protocol = await self._connection.ready(time.monotonic() + min(timeout_s or CONNECT_S, CONNECT_S))
        whole = requests.SerializeToString() if isinstance(requests, Message) else None
        exchange: Exchange | None = None
        sending: asyncio.Task[None] | None = None
        try:
            exchange = await protocol.stream(self._fields(path), self._passing(timeout_s, headers), whole, timeout_s)
            if not isinstance(requests, Message):
                sending = asyncio.create_task(_send_all(exchange, requests), name=f"requests of {path}")
            while (message := await exchange.read()) is not None:
                yield self.parsed(path, message, response_type)
        except CallFailedError as error:
            raise fault_of(error, self._connection.name) from None
        finally:
            if exchange is not None:
                exchange.cancel()
            if sending is not None:
                sending.cancel()
                await asyncio.wait([sending])
                if not sending.cancelled() and (failure := sending.exception()) is not None:
                    raise failure

    def is_idempotent(self, path: str) -> bool:
        """Whether `path` may be sent twice."""
        return path in self._idempotent or path.rpartition("/")[2] in self._idempotent

    def budget_s(self, timeout_s: float | None) -> float:
        """Seconds this call may take: its own deadline, and never longer than the call we are serving."""
        wanted_s = self._deadline_s if timeout_s is None else timeout_s
        left_s = deadlines.time_left_s()
        return wanted_s if left_s is None else min(wanted_s, left_s)

    def _fields(self, path: str) -> Fields:
        """The header fields that all calls of a method have."""
        fields = self._fields_of_path.get(path)
        if fields is None:
            token = (("authorization", f"Bearer {self._token}"),) if self._token else ()
            fields = self._fields_of_path[path] = (*self._connection.fields(path), *token)
        return fields

    def _passing(self, left_s: float | None, headers: Headers, trace: str = "") -> Fields:
        """The header fields of one call: its deadline, its trace, and what its caller adds."""
        trace = trace or deadlines.TRACE.get() or deadlines.new_trace()
        parent = ("traceparent", f"00-{trace}-{random.getrandbits(64):016x}-01")
        if left_s is None:
            return (parent, *headers)
        # Up to eight digits: a day in milliseconds is nine, and no call of ours with a deadline lasts so long.
        told_ms = min(math.ceil(left_s * 1000 / TIMEOUT_STEP_MS) * TIMEOUT_STEP_MS, 99_999_990)
        return (("grpc-timeout", f"{told_ms}m"), parent, *headers)

    def parsed(self, path: str, message: bytes, response_type: type[ResponseT]) -> ResponseT:
        """An answer as a message.

        Raises:
            InternalError: It is none of this type.
        """
        try:
            return response_type.FromString(message)
        except DecodeError as error:
            raise InternalError(f"{self._connection.name} answers what cannot be read", detail=path) from error


async def _send_all(exchange: Exchange, requests: AsyncIterable[Message]) -> None:
    """Send the requests of a stream, then its end; whatever goes wrong with the call, its answers tell."""
    try:
        async with closing(aiter(requests)) as wanted:
            async for request in wanted:
                if not await exchange.send(request.SerializeToString()):
                    return
            exchange.finish()
    except BaseException:
        exchange.cancel()  # who has no more requests because they failed gets no answers
        raise
