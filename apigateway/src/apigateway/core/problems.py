"""Faults as RFC 9457 problem details."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from ultracloud.api.rest.problems import TITLES, problem_type, status_of
from ultracloud.base.faults import Fault, InvalidArgumentError, UnavailableError, UnimplementedError

PROBLEM_TYPE = "application/problem+json"
ETAG_MISMATCH = "ETAG_MISMATCH"
PRECONDITION_FAILED = 412
UNTOLD = ("OPERATION_CLOSED", "SERVICE_ABSENT")
"""Reasons that an operator ends, nobody knows when."""


@dataclass(frozen=True, slots=True)
class Problem:
    """What a caller is told.

    Attributes:
        status: HTTP status.
        body: JSON.
        fields: Header fields that belong to it.
    """

    status: int
    body: bytes
    fields: dict[str, str] = field(default_factory=dict)


def problem_of(fault: Fault, request_id: str, status: int = 0) -> Problem:
    """The problem that a fault is; `status` where HTTP has a better one than the fault's code."""
    known = status or problem_status(fault)
    said: dict[str, object] = {
        "type": problem_type(fault.code_name, fault.reason),
        "title": TITLES[fault.code_name],
        "status": known,
        "detail": fault.public,
        "code": fault.code_name,
    }
    if fault.reason:
        said["reason"] = fault.reason
    if fault.hint:
        said["hint"] = fault.hint
    said["request_id"] = request_id
    if fault.metadata:
        said["metadata"] = fault.metadata
    body = json.dumps(said, ensure_ascii=False, separators=(",", ":")).encode(errors="replace")
    fields = {}
    if known == 401:  # noqa: PLR2004 - RFC 9110 15.5.2 demands the challenge
        fields["www-authenticate"] = f'Bearer realm="ultracloud"{_challenge(fault)}'
    if known == 503 and fault.reason not in UNTOLD:  # noqa: PLR2004 - a peer that restarts is back in a second
        fields["retry-after"] = "1"
    return Problem(known, body, fields)


REFUSALS: Mapping[int, tuple[type[Fault], str]] = {
    400: (InvalidArgumentError, "REQUEST_MALFORMED"),
    408: (InvalidArgumentError, "REQUEST_TOO_SLOW"),
    413: (InvalidArgumentError, "BODY_TOO_LARGE"),
    417: (InvalidArgumentError, "EXPECTATION_UNKNOWN"),
    426: (InvalidArgumentError, "WEBSOCKET_VERSION_UNKNOWN"),
    431: (InvalidArgumentError, "HEAD_TOO_LARGE"),
    501: (UnimplementedError, "CODING_UNKNOWN"),
    503: (UnavailableError, "SERVER_STOPPING"),
}
"""What the server below us refuses by itself, by status."""


def refused(status: int, sentence: str, request_id: str) -> Problem:
    """The problem of a request that never was one."""
    make, reason = REFUSALS.get(status, REFUSALS[400])
    return problem_of(make(sentence, reason=reason), request_id, status)


def problem_status(fault: Fault) -> int:
    """The HTTP status of a fault."""
    return PRECONDITION_FAILED if fault.reason == ETAG_MISMATCH else status_of(fault.code_name, fault.reason)


def _challenge(fault: Fault) -> str:
    """RFC 6750 3.1: a request without a token gets no error code."""
    return "" if fault.reason == "NO_IDENTITY" else ', error="invalid_token"'
