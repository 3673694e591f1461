"""One call's state on a connection, both directions.

The table maps an id to a `Stream`, or to None for a call that arrived whole and of which nothing has been
sent: most calls live and die as None, and need no object. An id that is absent is idle if it is above the last one the
client opened, and closed otherwise.

Source: RFC 9113 5.1.
"""

from __future__ import annotations

from collections import deque

from ultracloud.wire.core.heads import Head
from ultracloud.wire.core.messages import Assembler

MESSAGE_OVERHEAD_BYTES = 64
"""What a waiting message counts for besides its own bytes: an empty one costs an object and a place in a queue too."""


class Body:
    """The body of a plain HTTP request, as far as it has come."""

    __slots__ = ("head", "octets")

    def __init__(self, head: Head) -> None:
        self.head = head
        self.octets = bytearray()


class Stream:
    """An open stream."""

    __slots__ = (
        "assembler",
        "body",
        "ending",
        "has_begun",
        "held",
        "is_backed_up",
        "receive_window",
        "remote_closed",
        "send_window",
        "stream_id",
        "uncredited",
        "unread",
        "unsent",
        "unsent_bytes",
    )

    def __init__(self, stream_id: int, send_window: int, receive_window: int, *, remote_closed: bool) -> None:
        self.stream_id = stream_id
        self.send_window = send_window
        self.receive_window = receive_window
        self.remote_closed = remote_closed
        """The client has sent END_STREAM."""
        self.assembler: Assembler | None = None
        """Set while the request is a gRPC call whose messages are still coming."""
        self.body: Body | None = None
        """Set while the request is a plain one whose body is still coming."""
        self.unread = 0
        """What messages count for that the method has not taken: their bytes, and MESSAGE_OVERHEAD_BYTES each."""
        self.held = 0
        """What this stream counts for in `Streams.held_bytes`."""
        self.uncredited = 0
        """Bytes received for which the client has not been given new window."""
        self.has_begun = False
        """Response headers have been sent."""
        self.unsent: deque[bytes | memoryview] = deque()
        """Response bytes that wait for window."""
        self.unsent_bytes = 0
        self.ending: bytes | None = None
        """What ends the stream once nothing is unsent: a trailers block, or empty for a bare END_STREAM."""
        self.is_backed_up = False
        """The method was told to wait; `StreamReady` is owed."""


class Streams:
    """The streams of one connection, and what they hold together."""

    __slots__ = ("held_bytes", "open", "unsent_bytes")

    def __init__(self) -> None:
        self.open: dict[int, Stream | None] = {}
        """By id; None is a call that arrived whole."""
        self.held_bytes = 0
        """Bytes of requests that no method has taken yet."""
        self.unsent_bytes = 0
        """Bytes of responses that wait for window."""

    def drop(self, stream_id: int) -> None:
        """Take a stream out, with all it holds."""
        stream = self.open.pop(stream_id, None)
        if stream is not None:
            self.unsent_bytes -= stream.unsent_bytes
            self.held_bytes -= stream.held

    def hold(self, stream: Stream) -> None:
        """Count anew what a stream holds of its request."""
        held = stream.unread + (stream.assembler.unfinished_bytes if stream.assembler is not None else 0)
        held += len(stream.body.octets) if stream.body is not None else 0
        self.held_bytes += held - stream.held
        stream.held = held
