"""What an incoming call hands on to the calls it causes: how long is left, and which trace it belongs to.

Both travel in context variables, so that a channel finds them without every function passing them on. They are set in
the task of the call, never in code that several calls share.

Source: W3C Trace Context level 1 (traceparent).
"""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar

from ultracloud.api.rpc import Call

_TRACEPARENT = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}")
TRACE: ContextVar[str] = ContextVar("TRACE", default="")
"""32 hexadecimal digits, or empty outside a call."""
_ENDS_AT: ContextVar[float | None] = ContextVar("_ENDS_AT", default=None)


def trace_of(metadata: Mapping[str, str]) -> str:
    """The trace id that the ``traceparent`` header names; empty if there is none or it is malformed."""
    found = _TRACEPARENT.fullmatch(metadata.get("traceparent", ""))
    return found.group(1) if found and found.group(1) != "0" * 32 else ""


def new_trace() -> str:
    """A trace id nobody has."""
    return secrets.token_hex(16)


def time_left_s() -> float | None:
    """Seconds until the deadline of the call we are in; None if it has none or there is no call; never below 0."""
    ends_at = _ENDS_AT.get()
    return None if ends_at is None else max(0.0, ends_at - time.monotonic())


@contextmanager
def inside(call: Call) -> Iterator[None]:
    """Let what happens within belong to `call`: its trace (a new one if it brings none) and its deadline."""
    left = call.time_remaining()
    trace = TRACE.set(trace_of(call.metadata) or TRACE.get() or new_trace())
    ends = _ENDS_AT.set(None if left is None else time.monotonic() + left)
    try:
        yield
    finally:
        _ENDS_AT.reset(ends)
        TRACE.reset(trace)
