"""Page tokens: where a list goes on, at the version its first page was read at. Pure.

A token is bound to its question (kind, place, selection), so that one used with another question is refused instead of
giving a list with holes.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from dataclasses import dataclass

from ultracloud.base.faults import InvalidArgumentError
from ultracloud.servicekit.resources.selectors import Selection

PAGE_SIZE_DEFAULT = 100
PAGE_SIZE_MAX = 1000
"""A page of records stays below a few MB."""
_QUESTION_BYTES = 8
_FORMAT = 2
"""Of the cursor: a token made before a change of it is refused like one of another list."""


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where a list stands.

    Attributes:
        version: Version of the store that all pages are read at; 0 before the first.
        after: Ending of the last key that was looked at, behind the prefix of its range; empty before the first.
        public: Whether the place's own records are done and the public ones of others follow.
    """

    version: int = 0
    after: bytes = b""
    public: bool = False


def question(kind: str, place: str | None, selection: Selection) -> bytes:
    """A digest of what was asked."""
    parts = [(one.key, one.operator.value, one.values) for one in (*selection.labels, *selection.fields)]
    text = repr((_FORMAT, kind, place, len(selection.labels), parts))
    return hashlib.sha256(text.encode()).digest()[:_QUESTION_BYTES]


def page_size(wanted: int) -> int:
    """The size to use; 0 means the default.

    Raises:
        InvalidArgumentError: Out of 0 to PAGE_SIZE_MAX.
    """
    if not 0 <= wanted <= PAGE_SIZE_MAX:
        raise InvalidArgumentError(
            f"page_size is {wanted}; accepted: 1 to {PAGE_SIZE_MAX}, or 0 for {PAGE_SIZE_DEFAULT}",
            reason="PAGE_SIZE_INVALID",
        )
    return wanted or PAGE_SIZE_DEFAULT


def render(cursor: Cursor, asked: bytes) -> str:
    """The token that leads back to `cursor`."""
    raw = asked + cursor.version.to_bytes(8, "big") + (b"p" if cursor.public else b"o") + cursor.after
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def parse(token: str, asked: bytes) -> Cursor:
    """The cursor in a token; the empty token is the beginning.

    Raises:
        InvalidArgumentError: It is no token of ours, or belongs to another question.
    """
    if not token:
        return Cursor()
    try:
        raw = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raw = b""
    body = raw[_QUESTION_BYTES:]
    if len(body) < 9 or body[8:9] not in (b"o", b"p"):  # noqa: PLR2004 - version and phase
        raise InvalidArgumentError(
            f"page_token {token[:40]!a} is none that a list gave; leave it empty for the first page",
            reason="PAGE_TOKEN_INVALID",
        )
    if raw[:_QUESTION_BYTES] != asked:
        raise InvalidArgumentError(
            "page_token belongs to a list with another project, selector or filter; repeat the first request's",
            reason="PAGE_TOKEN_INVALID",
        )
    return Cursor(int.from_bytes(body[:8], "big"), body[9:], public=body[8:9] == b"p")
