"""Answers that do not end: as lines of JSON, or as server-sent events.

Source: ndjson.org; the HTML standard, section 9.2 (server-sent events).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

LINES_TYPE, EVENTS_TYPE = "application/x-ndjson", "text/event-stream"


class Form(Enum):
    """How messages are told apart."""

    LINES = LINES_TYPE
    EVENTS = EVENTS_TYPE


def form_of(accept: str) -> Form:
    """What a client wants: events if it says so, and lines otherwise."""
    return Form.EVENTS if EVENTS_TYPE in accept else Form.LINES


@dataclass(frozen=True, slots=True)
class Mark:
    """What is told beside a message: where a client goes on, and what it is."""

    version: str = ""
    kind: str = ""


def render(form: Form, text: str, mark: Mark) -> bytes:
    """One message."""
    if form is Form.LINES:
        return f"{text}\n".encode()
    # JSON has no raw line breaks, so data is one line.
    lines = [f"event: {mark.kind}\n" if mark.kind else "", f"id: {mark.version}\n" if mark.version else ""]
    return f"{''.join(lines)}data: {text}\n\n".encode()


def render_failure(form: Form, problem: bytes) -> bytes:
    """The last word of a stream that fails: an object with `error`, or an event of that name."""
    if form is Form.LINES:
        return b'{"error":' + problem + b"}\n"
    return b"event: error\ndata: " + problem + b"\n\n"


def render_beat(form: Form) -> bytes:
    """What says that both sides live: an empty line, or a comment."""
    return b"\n" if form is Form.LINES else b":\n\n"
