"""When a request is sent again, and after how long.

Only what is harmless twice is sent again, and only where the server or the network says "not now". The wait doubles,
with a jitter of its half, so that many clients that failed at one moment do not come back at one moment; Retry-After is
obeyed. What got a 429 is sent again whatever it is: nothing was done.

Source: RFC 9110 10.2.3 (Retry-After); the AWS builders' library on jitter.
"""

from __future__ import annotations

from dataclasses import dataclass

ATTEMPTS_MAX = 5
WAIT_S_FIRST = 0.2
WAIT_S_MAX = 10.0
RETRY_AFTER_S_MAX = 60.0
"""A server that wants more is answered by the person, not by waiting."""
BUDGET_S = 60.0
"""All waits of one request together."""
DIGITS_MAX = 7
"""Of seconds: 115 days."""
TOO_MANY = 429
NOT_NOW = frozenset({TOO_MANY, 502, 503, 504})


LASTING = frozenset({"SERVICE_ABSENT"})
"""Reasons that a person must change: asking again changes nothing."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one attempt ended.

    Attributes:
        status: Of the answer; 0 if none came.
        sent: Whether the server may have got the request.
        retry_after_s: What the answer asks for; None if nothing.
        reason: The server's word for it.
    """

    status: int
    sent: bool
    retry_after_s: float | None = None
    reason: str = ""


def next_wait_s(attempt: int, outcome: Outcome, *, repeatable: bool, waited_s: float, jitter: float) -> float | None:
    """Seconds until the next attempt; None to give up.

    Args:
        attempt: How many were made, from 1.
        outcome: Of the last one.
        repeatable: Whether it may happen twice.
        waited_s: By all waits so far.
        jitter: 0 to 1, random.
    """
    if attempt >= ATTEMPTS_MAX or not _may_repeat(outcome, repeatable=repeatable):
        return None
    wait_s = min(WAIT_S_MAX, WAIT_S_FIRST * 2 ** (attempt - 1)) * (0.5 + jitter / 2)
    if outcome.retry_after_s is not None:
        if outcome.retry_after_s > RETRY_AFTER_S_MAX:
            return None
        wait_s = max(wait_s, outcome.retry_after_s)
    return wait_s if waited_s + wait_s <= BUDGET_S else None


def parse_retry_after(text: str) -> float | None:
    """Seconds of a Retry-After header; a date, or nonsense, is nothing."""
    stripped = text.strip()
    return float(stripped) if stripped.isdigit() and len(stripped) <= DIGITS_MAX else None


def _may_repeat(outcome: Outcome, *, repeatable: bool) -> bool:
    if outcome.status == 0:
        return repeatable or not outcome.sent
    if outcome.reason in LASTING:
        return False
    if outcome.status == TOO_MANY:
        return True
    return outcome.status in NOT_NOW and repeatable
