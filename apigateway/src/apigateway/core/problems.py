"""Faults as RFC 9457 problem details."""

from __future__ import annotations

import json
from dataclasses import dataclass, field

from ultracloud.api.rest.problems import TITLES, problem_type, status_of
from ultracloud.base.faults import Fault

PROBLEM_TYPE = "application/problem+json"
ETAG_MISMATCH = "ETAG_MISMATCH"
PRECONDITION_FAILED = 412


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
    if known == 503:  # noqa: PLR2004 - a peer that restarts is back in a second
        fields["retry-after"] = "1"
    return Problem(known, body, fields)


def problem_status(fault: Fault) -> int:
    """The HTTP status of a fault."""
    return PRECONDITION_FAILED if fault.reason == ETAG_MISMATCH else status_of(fault.code_name, fault.reason)


def _challenge(fault: Fault) -> str:
    """RFC 6750 3.1: a request without a token gets no error code."""
    return "" if fault.reason == "NO_IDENTITY" else ', error="invalid_token"'
