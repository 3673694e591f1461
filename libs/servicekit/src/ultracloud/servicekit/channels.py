"""Ways to other services: every call has a deadline; what may be sent again is sent again here and nowhere else.

A channel connects when first used and goes on trying as long as it lives, so a service starts while its peers are down.
A call waits for the connection for at most CONNECT_S, then says Unavailable. Only Unavailable is retried, only for
calls that are harmless twice, and only inside the caller's deadline. A certificate that was replaced on disk is used
from the next connection on.

Source: gRPC status codes and their retry advice; google.rpc.Status in `grpc-status-details-bin`.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import random
import secrets
import time
from collections.abc import AsyncIterable, AsyncIterator, Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from google.protobuf.message import Message

from ultracloud.api.rpc import Channel
from ultracloud.base.faults import FAULT_OF_CODE, Fault, InvalidArgumentError, UnavailableError, UnknownError
from ultracloud.servicekit import deadlines, pki
from ultracloud.servicekit.diagnosis import diagnose
from ultracloud.servicekit.pki import TlsIdentity
from ultracloud.servicekit.streams import closing

if TYPE_CHECKING:
    import grpc.aio

ResponseT = TypeVar("ResponseT", bound=Message)
Headers = Sequence[tuple[str, str]]
"""Names in lower case."""

DEADLINE_S = 5.0
"""A call without a deadline of its own gets this: longer than any healthy answer, shorter than patience."""
CONNECT_S = 2.0
"""A peer that restarts is back in about a second; one that is not back in two is down."""
RETRY_FIRST_S, RETRY_MAX_S = 0.05, 1.0
"""Pause before the first retry, doubled up to the last: a peer restarts within a few of them."""
MESSAGE_BYTES_MAX = 64 * 1024 * 1024
"""A policy snapshot of a large cloud fits; a defect does not fill the memory."""
LOST_IN_CORE = "Internal error from Core"
"""What grpcio says, as INTERNAL, of a stream whose connection was lost while something was being sent."""
STAMP_CHECK_S = 5.0
"""How often the identity's files are looked at."""
DIAGNOSIS_S = 30.0
"""How often a peer that cannot be reached is looked into."""
CLOSE_GRACE_S = 30.0
"""Calls on a connection with the old certificate get this long to finish."""

# grpcio writes lines of its own to stderr, where our log is; what goes wrong we say ourselves. It reads this at import.
os.environ.setdefault("GRPC_VERBOSITY", "NONE")

IDEMPOTENT_METHODS = frozenset(
    {"Get", "BatchGet", "List", "Scan", "Range", "Explain", "WhoAmI", "ReportHost", "Check", "Status"}
)
"""RPC names that are harmless twice wherever they occur."""


def connect(
    target: str,
    identity: TlsIdentity | None = None,
    expect: str = "",
    *,
    deadline_s: float = DEADLINE_S,
    idempotent: Sequence[str] = (),
) -> PeerChannel:
    """Make a channel; nothing is sent before the first call.

    Args:
        target: ``host:port`` or ``unix:/path``.
        identity: Who we are; None speaks plaintext, which servers accept on loopback and unix sockets only.
        expect: SPIFFE URI, or DNS name, that the server's certificate must have; needed with `identity`.
        deadline_s: For calls that bring none.
        idempotent: Paths or RPC names that may be sent twice, besides IDEMPOTENT_METHODS.

    Raises:
        InvalidArgumentError: `target` is no address.
    """
    if not target.startswith("unix:/") and (not target.rpartition(":")[2].isdigit() or "," in target):
        raise InvalidArgumentError(f"'{target}' is no address; accepted: host:port or unix:/path")
    assert identity is None or expect, "a channel with an identity must say whom it expects"
    connection = _Connection(target, identity, expect)
    return PeerChannel(connection, deadline_s, IDEMPOTENT_METHODS.union(idempotent), token="")


class NotSentError(UnavailableError):
    """There was no connection: the request surely was not sent."""


class PeerChannel(Channel):
    """A `Channel` over grpcio."""

    def __init__(self, connection: _Connection, deadline_s: float, idempotent: frozenset[str], token: str) -> None:
        self._connection = connection
        self._deadline_s = deadline_s
        self._idempotent = idempotent
        self._token = token

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
        self, path: str, request: Message, response_type: type[ResponseT], timeout_s: float | None = None
    ) -> ResponseT:
        """Send one message, get one.

        Raises:
            Fault: What the server said, or Unavailable when it cannot be reached, or DeadlineExceeded.
        """
        ends_at = time.monotonic() + self.budget_s(timeout_s)
        pause_s = RETRY_FIRST_S
        while True:
            try:
                return await self._attempt(path, request, response_type, ends_at)
            except UnavailableError:
                left_s = ends_at - time.monotonic()
                if not self.is_idempotent(path) or left_s <= pause_s:
                    raise
            # Half of the pause is random, or all callers of a restarted server come back in step.
            await asyncio.sleep(pause_s * (0.5 + random.random() / 2))  # noqa: S311 - spreads load, guards nothing
            pause_s = min(pause_s * 2, RETRY_MAX_S)

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
        """Send once."""
        import grpc

        channel = await self._connection.ready(min(ends_at, time.monotonic() + CONNECT_S))
        method = channel.unary_unary(
            path, request_serializer=_serialise, response_deserializer=response_type.FromString
        )
        left_s = max(0.001, ends_at - time.monotonic())
        try:
            with self._connection.closing_told():
                return await method(request, timeout=left_s, metadata=(*self._metadata(), *headers))
        except grpc.aio.AioRpcError as error:
            raise fault_of(error, self._connection.name) from None

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
        import grpc

        channel = await self._connection.ready(time.monotonic() + min(timeout_s or CONNECT_S, CONNECT_S))
        codec: dict[str, Any] = {"request_serializer": _serialise, "response_deserializer": response_type.FromString}
        options: dict[str, Any] = {"timeout": timeout_s, "metadata": (*self._metadata(), *headers)}
        call: Any
        sending: asyncio.Task[None] | None = None
        if isinstance(requests, Message):
            call = channel.unary_stream(path, **codec)(requests, **options)
        else:
            call = channel.stream_stream(path, **codec)(**options)
            # grpcio's own task that reads `requests` outlives a call that fails, and waits for the next one for ever.
            sending = asyncio.create_task(_send_all(call, requests), name=f"requests of {path}")
        try:
            with self._connection.closing_told():
                async for response in call:
                    yield response
        except grpc.aio.AioRpcError as error:
            raise fault_of(error, self._connection.name) from None
        finally:
            call.cancel()
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

    def _metadata(self) -> tuple[tuple[str, str], ...]:
        """Headers: the token if there is one, and the trace."""
        trace = deadlines.TRACE.get() or deadlines.new_trace()
        headers = (("traceparent", f"00-{trace}-{secrets.token_hex(8)}-01"),)
        return (*headers, ("authorization", f"Bearer {self._token}")) if self._token else headers


class _Connection:
    """The grpcio channel, made anew when the identity's files change."""

    def __init__(self, target: str, identity: TlsIdentity | None, expect: str) -> None:
        self.target = target
        self.name = expect.rpartition("/")[2] if expect else "the peer"
        self._identity = identity
        self._expect = expect
        self._channel: grpc.aio.Channel | None = None
        self._stamp: tuple[int, ...] = ()
        self._checked_at = 0.0
        self._diagnosed_at = -DIAGNOSIS_S
        self._diagnosis = ""
        self._closing: set[asyncio.Task[None]] = set()

    async def ready(self, until: float) -> grpc.aio.Channel:
        """The channel, connected.

        Raises:
            NotSentError: It is not connected at `until` (monotonic seconds).
        """
        channel = await self.wait(until)
        if channel is None:
            raise NotSentError(
                f"{self.name} does not answer",
                detail=f"no connection to {self.target}: {await self._why()}",
                reason="PEER_DOWN",
            )
        return channel

    async def wait(self, until: float) -> grpc.aio.Channel | None:
        """The channel, connected; None if it is not at `until` (monotonic seconds)."""
        import grpc

        channel = self._current()
        state = channel.get_state(try_to_connect=True)
        while state is not grpc.ChannelConnectivity.READY:
            try:
                async with asyncio.timeout_at(asyncio.get_running_loop().time() + max(0.0, until - time.monotonic())):
                    await channel.wait_for_state_change(state)
            except (TimeoutError, grpc.aio.UsageError):
                # The latter says that it was closed meanwhile.
                return None
            state = channel.get_state(try_to_connect=True)
        return channel

    @contextlib.contextmanager
    def closing_told(self) -> Iterator[None]:
        """Turn the end of the channel under a call into a fault: grpcio cancels whoever waits for an answer.

        Raises:
            UnavailableError: The channel was closed.
        """
        try:
            yield
        except asyncio.CancelledError as error:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            raise UnavailableError(f"the connection to {self.name} was closed", reason="PEER_DOWN") from error

    async def _why(self) -> str:
        """Why there is no connection; looked into, and logged, at most every DIAGNOSIS_S."""
        now = time.monotonic()
        if now >= self._diagnosed_at + DIAGNOSIS_S:
            self._diagnosed_at = now
            self._diagnosis = await diagnose(self.target, self._identity, self._expect)
            logging.getLogger(__name__).warning("no connection to %s: %s", self.name, self._diagnosis)
        return self._diagnosis

    def _current(self) -> grpc.aio.Channel:
        """The newest channel; opens one if there is none or the identity changed."""
        now = time.monotonic()
        if self._channel is not None and now < self._checked_at + STAMP_CHECK_S:
            return self._channel
        self._checked_at = now
        stamp = pki.file_stamp(self._identity) if self._identity else ()
        if self._channel is None or stamp != self._stamp:
            old, self._channel, self._stamp = self._channel, self._open(), stamp
            if old is not None:
                task = asyncio.get_running_loop().create_task(old.close(CLOSE_GRACE_S), name="close old channel")
                self._closing.add(task)
                task.add_done_callback(self._closing.discard)
        return self._channel

    def _open(self) -> grpc.aio.Channel:
        """A new grpcio channel."""
        import grpc
        import grpc.aio

        options: list[tuple[str, Any]] = [
            ("grpc.initial_reconnect_backoff_ms", 50),
            ("grpc.min_reconnect_backoff_ms", 50),
            ("grpc.max_reconnect_backoff_ms", 1000),
            ("grpc.enable_retries", 0),
            # A proxy from the environment is for the outside, never between our own services.
            ("grpc.enable_http_proxy", 0),
            ("grpc.use_local_subchannel_pool", 1),
            ("grpc.max_receive_message_length", MESSAGE_BYTES_MAX),
            ("grpc.max_send_message_length", MESSAGE_BYTES_MAX),
            # A host that vanished without a FIN is noticed within 40 s on a stream that only listens.
            ("grpc.keepalive_time_ms", 30_000),
            ("grpc.keepalive_timeout_ms", 10_000),
        ]
        if self._identity is None:
            return grpc.aio.insecure_channel(self.target, options)
        options.append(("grpc.ssl_target_name_override", pki.expected_name(self._expect)))
        try:
            credentials = grpc.ssl_channel_credentials(
                self._identity.ca.read_bytes(), self._identity.key.read_bytes(), self._identity.certificate.read_bytes()
            )
        except OSError as error:
            raise UnavailableError(f"own certificate cannot be read: {error.strerror}", detail=str(error)) from error
        return grpc.aio.secure_channel(self.target, credentials, options)

    async def close(self) -> None:
        """Close for good."""
        for task in tuple(self._closing):
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        if self._channel is not None:
            await self._channel.close(None)
            self._channel = None


async def _send_all(call: Any, requests: AsyncIterable[Message]) -> None:
    """Send the requests of a stream, then its end; whatever goes wrong with the call, its answers tell."""
    import grpc

    try:
        async with closing(aiter(requests)) as wanted:
            with contextlib.suppress(grpc.aio.AioRpcError, asyncio.InvalidStateError):
                async for request in wanted:
                    await call.write(request)
                await call.done_writing()
    except BaseException:
        call.cancel()  # who has no more requests because they failed gets no answers
        raise


def fault_of(error: grpc.aio.AioRpcError, peer: str) -> Fault:
    """The fault a server raised, as far as its status tells: class, sentence, reason, metadata, hint."""
    code = error.code().value[0]
    sentence = error.details() or error.code().name.lower().replace("_", " ")
    for key, value in error.trailing_metadata() or ():
        if key == "grpc-status-details-bin" and isinstance(value, bytes):
            return _fault_of_status(value, code, sentence)
    kind = FAULT_OF_CODE.get(code, UnknownError)
    if kind is UnavailableError or sentence == LOST_IN_CORE:
        # grpcio's own sentence names sockets and addresses, which are for the log only.
        return UnavailableError(f"{peer} does not answer", detail=sentence, reason="PEER_DOWN")
    return kind(sentence)


def _fault_of_status(serialised: bytes, code: int, sentence: str) -> Fault:
    """Read google.rpc.Status."""
    from google.protobuf.message import DecodeError
    from google.rpc import error_details_pb2, status_pb2  # type: ignore[import-untyped]

    kind = FAULT_OF_CODE.get(code, UnknownError)
    try:
        status = status_pb2.Status.FromString(serialised)
    except DecodeError:
        return kind(sentence)
    reason, hint, metadata = "", "", {}
    for packed in status.details:
        about, message, link = (
            error_details_pb2.ErrorInfo(),
            error_details_pb2.LocalizedMessage(),
            error_details_pb2.Help(),
        )
        if packed.Unpack(about):
            reason, metadata = about.reason, dict(about.metadata)
        elif packed.Unpack(message):
            hint = message.message
        elif packed.Unpack(link) and link.links:
            hint = link.links[0].description
    return kind(status.message or sentence, reason=reason, hint=hint, metadata=metadata)


def _serialise(message: Message) -> bytes:
    """What grpcio calls to get bytes."""
    return message.SerializeToString()
