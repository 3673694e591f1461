"""Faults: one class per google.rpc.Code that a caller can be told about.

A fault is the only exception that crosses from a core to a shell and from a server to a client. Its class says what the
caller may do next: send it again (Unavailable), re-read first (Aborted), fix the state first (FailedPrecondition).

Source: google/rpc/code.proto; style.md 10 and 11.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

PUBLIC_LENGTH_MAX = 2000
"""Characters of the public sentence. It travels in an HTTP/2 header, whose block peers limit to 8 or 16 KiB."""


class Fault(Exception):  # noqa: N818 - the word of style.md 11; each subclass ends in Error
    """Something the caller is told about.

    Args:
        public: One sentence with the offending value and the accepted range. Names no host, path or other tenant.
        detail: What the log gets besides; never sent to a caller.
        hint: What to do next, one sentence or a command; empty if the sentence says it.
        reason: Stable upper-case word a program can match on, e.g. ``NAME_TAKEN``; empty if the code says it all.
        metadata: What the reason is about, e.g. ``{"field": "cidr"}``.
    """

    code: ClassVar[int] = 2
    code_name: ClassVar[str] = "UNKNOWN"

    def __init__(
        self,
        public: str,
        *,
        detail: str = "",
        hint: str = "",
        reason: str = "",
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(public)
        self.public = public[:PUBLIC_LENGTH_MAX]
        self.detail = detail
        self.hint = hint
        self.reason = reason
        self.metadata: dict[str, str] = dict(metadata or {})

    def __str__(self) -> str:
        """Everything there is, for logs: the public sentence, then the detail in brackets."""
        return f"{self.public} [{self.detail}]" if self.detail else self.public


class CancelledError(Fault):
    """The caller went away; nobody reads the answer."""

    code = 1
    code_name = "CANCELLED"


class UnknownError(Fault):
    """A peer failed in a way it did not name."""

    code = 2
    code_name = "UNKNOWN"


class InvalidArgumentError(Fault):
    """The request is wrong whatever the state; sending it again cannot help."""

    code = 3
    code_name = "INVALID_ARGUMENT"


class DeadlineExceededError(Fault):
    """The time the caller gave ran out; the change may or may not have happened."""

    code = 4
    code_name = "DEADLINE_EXCEEDED"


class NotFoundError(Fault):
    """No such thing, or none the caller may see."""

    code = 5
    code_name = "NOT_FOUND"


class AlreadyExistsError(Fault):
    """The name or claim is taken."""

    code = 6
    code_name = "ALREADY_EXISTS"


class PermissionDeniedError(Fault):
    """The caller is known and has no right to this."""

    code = 7
    code_name = "PERMISSION_DENIED"


class ResourceExhaustedError(Fault):
    """A quota, a limit or a queue is full."""

    code = 8
    code_name = "RESOURCE_EXHAUSTED"


class FailedPreconditionError(Fault):
    """The state forbids it; change the state first."""

    code = 9
    code_name = "FAILED_PRECONDITION"


class AbortedError(Fault):
    """Somebody else changed it meanwhile; read again, then decide again."""

    code = 10
    code_name = "ABORTED"


class OutOfRangeError(Fault):
    """Past the end, or compacted away."""

    code = 11
    code_name = "OUT_OF_RANGE"


class UnimplementedError(Fault):
    """This server does not do that."""

    code = 12
    code_name = "UNIMPLEMENTED"


class InternalError(Fault):
    """A defect on our side."""

    code = 13
    code_name = "INTERNAL"


class UnavailableError(Fault):
    """Not now; the same request may be sent again."""

    code = 14
    code_name = "UNAVAILABLE"


class DataLossError(Fault):
    """Stored bytes are gone or do not match their checksum."""

    code = 15
    code_name = "DATA_LOSS"


class UnauthenticatedError(Fault):
    """Who calls is not known: no token, an expired one, or one that does not verify."""

    code = 16
    code_name = "UNAUTHENTICATED"


FAULT_OF_CODE: Mapping[int, type[Fault]] = {
    fault.code: fault
    for fault in (
        CancelledError,
        UnknownError,
        InvalidArgumentError,
        DeadlineExceededError,
        NotFoundError,
        AlreadyExistsError,
        PermissionDeniedError,
        ResourceExhaustedError,
        FailedPreconditionError,
        AbortedError,
        OutOfRangeError,
        UnimplementedError,
        InternalError,
        UnavailableError,
        DataLossError,
        UnauthenticatedError,
    )
}
"""google.rpc.Code number -> fault class, all 16 of them."""
