"""What the connection machine tells its shell. Each event is final: the machine has already moved on.

A small call arrives whole (`CallArrived`); any other arrives in parts: `CallStarted`, `MessageArrived` for each
message, `RequestEnded`. Both mean the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

from ultracloud.wire.core.heads import Head
from ultracloud.wire.errors import ErrorCode


class CallArrived(NamedTuple):
    """A call whose request is one message, and here it is; nothing more follows on the stream.

    Most events are this one, and a tuple is made in a third of the time of a frozen dataclass.
    """

    stream_id: int
    head: Head
    message: bytes


@dataclass(frozen=True, slots=True)
class CallStarted:
    """The headers of a call; messages follow."""

    stream_id: int
    head: Head


@dataclass(frozen=True, slots=True)
class MessageArrived:
    """One whole message. The shell calls `Connection.consume` once its method has taken it."""

    stream_id: int
    message: bytes


@dataclass(frozen=True, slots=True)
class RequestEnded:
    """No more messages come."""

    stream_id: int


@dataclass(frozen=True, slots=True)
class CallReset:
    """The client gave the call up, or broke a rule on its stream; nothing can be answered."""

    stream_id: int
    code: ErrorCode


@dataclass(frozen=True, slots=True)
class CallRefused:
    """The machine itself answered: the request broke a limit. Work begun on it stops."""

    stream_id: int
    status: int


class PageRequested(NamedTuple):
    """A plain HTTP request over HTTP/2, for a page such as /healthz, with its whole body."""

    stream_id: int
    head: Head
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class PageRefused:
    """A plain HTTP request over HTTP/2 that breaks a limit; answer it, nothing more of it is read."""

    stream_id: int
    status: int
    reason: str


@dataclass(frozen=True, slots=True)
class StreamReady:
    """The responses of a stream that was backed up are on their way; it may produce more."""

    stream_id: int


@dataclass(frozen=True, slots=True)
class Closed:
    """The connection is over; write what is left to write, then close the transport."""

    code: ErrorCode
    reason: str


Event: TypeAlias = (
    CallArrived
    | CallStarted
    | MessageArrived
    | RequestEnded
    | CallReset
    | CallRefused
    | PageRequested
    | PageRefused
    | StreamReady
    | Closed
)
