"""Refresh tokens: numbered, and good once. Pure.

Each says its session and its number under a MAC, so nothing but the newest number is kept. A number that has been used
comes again only if two have the token, the user and a thief: the session ends. Only the last one may be repeated for a
moment, because answers get lost.

Source: RFC 9700 2.2.2 and 4.14.2 (rotation of refresh tokens).
"""

from __future__ import annotations

import enum
import hmac
import re
from dataclasses import dataclass

from ultracloud.base.attenuation import encoded

PREFIX = "ucr_"
"""Of refresh tokens, so that scanners of source code find leaked ones."""
REPEAT_MS = 10_000
"""How long the token before may be sent again, by who did not get the answer."""
_TEXT = re.compile(r"ucr_(usr-[0-9a-z]{26})_(ses-[0-9a-z]{26})_([1-9][0-9]{0,9})_([A-Za-z0-9_-]{43})")


@dataclass(frozen=True, slots=True)
class RefreshToken:
    """What one says."""

    user: str
    session: str
    number: int


class Use(enum.Enum):
    """What a token that is presented is."""

    NEWEST = "newest"
    REPEATED = "repeated"
    REUSED = "reused"


def render_refresh(token: RefreshToken, key: bytes) -> str:
    """The text of a token, under a MAC with `key`."""
    said = f"{token.user}_{token.session}_{token.number}"
    return f"{PREFIX}{said}_{_mac(said, key)}"


def parse_refresh(text: str, key: bytes) -> RefreshToken | None:
    """What `text` says; None if we have not made it."""
    found = _TEXT.fullmatch(text)
    if found is None:
        return None
    user, session, number, mac = found.groups()
    if not hmac.compare_digest(mac, _mac(f"{user}_{session}_{number}", key)):
        return None
    return RefreshToken(user, session, int(number))


def judge(presented: int, newest: int, rotated_at_ms: int, now_ms: int) -> Use:
    """What a token with the number `presented` is, where `newest` is good since `rotated_at_ms`."""
    if presented == newest:
        return Use.NEWEST
    if presented == newest - 1 and now_ms < rotated_at_ms + REPEAT_MS:
        return Use.REPEATED
    return Use.REUSED


def _mac(said: str, key: bytes) -> str:
    return encoded(hmac.digest(key, b"refresh\0" + said.encode(), "sha256"))
