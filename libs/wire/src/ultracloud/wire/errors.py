"""What goes wrong on a connection: HTTP/2 error codes, and the two scopes an error has.

A `ConnectionFault` ends the connection with GOAWAY, a `StreamFault` ends one call with RST_STREAM. Both stay inside the
core: callers of the core see events and bytes.

Source: RFC 9113 sections 5.4 and 7.
"""

from __future__ import annotations

from enum import IntEnum


class ErrorCode(IntEnum):
    """Error codes of RST_STREAM and GOAWAY."""

    NO_ERROR = 0
    PROTOCOL_ERROR = 1
    INTERNAL_ERROR = 2
    FLOW_CONTROL_ERROR = 3
    SETTINGS_TIMEOUT = 4
    STREAM_CLOSED = 5
    FRAME_SIZE_ERROR = 6
    REFUSED_STREAM = 7
    CANCEL = 8
    COMPRESSION_ERROR = 9
    CONNECT_ERROR = 10
    ENHANCE_YOUR_CALM = 11
    INADEQUATE_SECURITY = 12
    HTTP_1_1_REQUIRED = 13


class ConnectionFault(Exception):  # noqa: N818 - "fault" is this project's word for what a peer is told
    """The whole connection must end.

    Args:
        code: What GOAWAY says.
        reason: One sentence for GOAWAY's debug text and for the log.
    """

    def __init__(self, code: ErrorCode, reason: str) -> None:
        super().__init__(f"{code.name}: {reason}")
        self.code = code
        self.reason = reason


class StreamFault(Exception):  # noqa: N818 - as above
    """One stream must end; the others go on.

    Args:
        stream_id: Which.
        code: What RST_STREAM says.
        reason: One sentence for the log.
    """

    def __init__(self, stream_id: int, code: ErrorCode, reason: str) -> None:
        super().__init__(f"stream {stream_id}: {code.name}: {reason}")
        self.stream_id = stream_id
        self.code = code
        self.reason = reason


class CallFailedError(Exception):
    """A call that we made did not go well.

    Args:
        status: gRPC's code, not 0.
        message: For people: the server's, or ours if it said nothing.
        details: Serialised google.rpc.Status; empty without one.
        was_taken: False if the server surely did nothing with the call.
    """

    def __init__(self, status: int, message: str, details: bytes = b"", *, was_taken: bool = True) -> None:
        super().__init__(f"status {status}: {message}")
        self.status = status
        self.message = message
        self.details = details
        self.was_taken = was_taken
