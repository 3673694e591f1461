"""google.rpc codes as HTTP, and the problem details that an error is told in.

Two codes differ from Google's own table, which answers 400: a failed precondition is 409, since RFC 9110 has that for a
conflict with the resource's state; out of range is 410, since here it means that a version or a page is compacted away.

Source: google/rpc/code.proto; RFC 9457; RFC 9110 section 15.
"""

from __future__ import annotations

from collections.abc import Mapping

STATUS_OF_CODE: Mapping[str, int] = {
    "CANCELLED": 499,
    "UNKNOWN": 500,
    "INVALID_ARGUMENT": 400,
    "DEADLINE_EXCEEDED": 504,
    "NOT_FOUND": 404,
    "ALREADY_EXISTS": 409,
    "PERMISSION_DENIED": 403,
    "RESOURCE_EXHAUSTED": 429,
    "FAILED_PRECONDITION": 409,
    "ABORTED": 409,
    "OUT_OF_RANGE": 410,
    "UNIMPLEMENTED": 501,
    "INTERNAL": 500,
    "UNAVAILABLE": 503,
    "DATA_LOSS": 500,
    "UNAUTHENTICATED": 401,
}
"""By the code's name."""

QUOTA = "QUOTA_EXCEEDED"
"""The reason of a full quota: nothing that waiting helps, so it is told as a conflict and not as 429."""

TITLES: Mapping[str, str] = {
    "CANCELLED": "The caller went away",
    "UNKNOWN": "A service failed in a way it did not name",
    "INVALID_ARGUMENT": "The request is wrong",
    "DEADLINE_EXCEEDED": "It took too long",
    "NOT_FOUND": "There is no such thing",
    "ALREADY_EXISTS": "It exists already",
    "PERMISSION_DENIED": "The caller has no right to this",
    "RESOURCE_EXHAUSTED": "A limit is reached",
    "FAILED_PRECONDITION": "The state forbids it",
    "ABORTED": "Somebody else changed it meanwhile",
    "OUT_OF_RANGE": "It is no longer kept",
    "UNIMPLEMENTED": "This is not served",
    "INTERNAL": "A defect on our side",
    "UNAVAILABLE": "Not now; send it again",
    "DATA_LOSS": "Stored bytes are damaged",
    "UNAUTHENTICATED": "It is not known who calls",
}
"""One sentence for each code, the same for every problem of it (RFC 9457 section 3.1.3)."""


def problem_type(code: str, reason: str) -> str:
    """The URI that names a kind of problem."""
    return f"urn:ultracloud:problem:{(reason or code).lower()}"


def status_of(code: str, reason: str) -> int:
    """The HTTP status of a fault."""
    return 409 if reason == QUOTA else STATUS_OF_CODE[code]
