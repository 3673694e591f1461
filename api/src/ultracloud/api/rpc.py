"""What generated clients and servers need of a transport: three Protocols and three records.

The stubs know nothing of grpcio or of `ultracloud.wire`; they are written against these.
`ultracloud.servicekit.channels` implements `Channel`, `ultracloud.wire` implements `Call`.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar, runtime_checkable

from google.protobuf.message import Message

ResponseT = TypeVar("ResponseT", bound=Message)
Headers = Sequence[tuple[str, str]]
"""Header fields that one call adds; names in lower case."""


@dataclass(frozen=True, slots=True)
class Peer:
    """Who is on the other side of a connection.

    Attributes:
        address: ``host:port`` or ``unix:``.
        identity: SPIFFE URI of the client certificate, None without one.
        common_name: CommonName of the client certificate, empty if it has none; None without a certificate, and for
            calls that a gateway makes for somebody.
    """

    address: str
    identity: str | None
    common_name: str | None = None


@dataclass(frozen=True, slots=True)
class Method:
    """One RPC of a service.

    Attributes:
        name: As in the proto, ``DeleteRange``.
        path: ``/package.Service/DeleteRange``.
        attribute: The Python method that serves it, ``delete_range``.
    """

    name: str
    path: str
    attribute: str
    request_type: type[Message]
    response_type: type[Message]
    client_streaming: bool
    server_streaming: bool


@dataclass(frozen=True, slots=True)
class ServiceDescriptor:
    """A service and its RPCs, in the order of the proto; `file` is the proto's registered file name."""

    name: str
    file: str
    methods: tuple[Method, ...]


class Channel(Protocol):
    """A way to a server: knows its address, its identity, deadlines and retries."""

    async def unary(
        self,
        path: str,
        request: Message,
        response_type: type[ResponseT],
        timeout_s: float | None = None,
        headers: Headers = (),
    ) -> ResponseT:
        """Send one message, get one. Raises a Fault; the channel's own deadline holds where `timeout_s` is None."""
        ...

    def stream(
        self,
        path: str,
        requests: Message | AsyncIterable[Message],
        response_type: type[ResponseT],
        timeout_s: float | None = None,
        headers: Headers = (),
    ) -> AsyncIterator[ResponseT]:
        """Send one message or many, get many. Closing the iterator cancels the call."""
        ...


class Call(Protocol):
    """One RPC as its server sees it."""

    @property
    def path(self) -> str:
        """``/package.Service/Method``."""
        ...

    @property
    def metadata(self) -> Mapping[str, str]:
        """Request headers in lower case; ``-bin`` values in base64 as they came."""
        ...

    @property
    def peer(self) -> Peer:
        """Who calls."""
        ...

    @property
    def context(self) -> dict[object, object]:
        """What interceptors leave for the method: the principal, the trace."""
        ...

    def time_remaining(self) -> float | None:
        """Seconds until the caller's deadline, None without one; never below 0."""
        ...

    def is_cancelled(self) -> bool:
        """Whether the caller has gone."""
        ...


@runtime_checkable
class DirectCall(Call, Protocol):
    """A call with ways past its method, which cost less than waking it; calls made by other means do not have them."""

    def push(self, message: bytes) -> bool:
        """Send one message of a stream's answer at once, rendered, while its method waits and has nothing to send.

        False if it cannot be sent now: the call has ended, or its client does not keep up. Then the method gives it.
        """
        ...

    def attend(self, taker: Callable[[Any], bool]) -> None:
        """Give `taker` each request of the stream that comes while the method waits for one.

        It raises nothing; where it gives False the method gets the request.
        """
        ...
