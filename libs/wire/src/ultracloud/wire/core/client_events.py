"""What a client's machine tells its shell. Each event is final: the machine has already moved on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

from ultracloud.wire.core.events import Closed, MessageArrived, StreamReady


@dataclass(frozen=True, slots=True)
class CallEnded:
    """A call is over.

    Attributes:
        status: gRPC's; 0 is OK.
        message: For people.
        details: Serialised google.rpc.Status; empty without one.
        was_taken: False if the server surely did nothing with the call.
    """

    stream_id: int
    status: int
    message: str
    details: bytes = b""
    was_taken: bool = True


class CallAnswered(NamedTuple):
    """A call is over, and went well: this is the one message of its answer. Most events are this one."""

    stream_id: int
    message: bytes


@dataclass(frozen=True, slots=True)
class Greeted:
    """The server's first SETTINGS have come: it speaks HTTP/2 and has accepted us."""


@dataclass(frozen=True, slots=True)
class Leaving:
    """The server takes no more calls on this connection; those that are open may still be answered."""


ClientEvent: TypeAlias = CallAnswered | MessageArrived | CallEnded | StreamReady | Greeted | Leaving | Closed
