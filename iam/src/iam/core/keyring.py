"""The key ring: which signing key signs, which are published, when one is made and when one is dropped.

A new key is published before it signs, so that every service knows it when the first token arrives; an old one stays
published until the last token it signed has expired. So a rotation refuses nobody.

Source: RFC 7517 (a set of keys told apart by kid); OpenID Connect Core 10.1.1 (rotation of signing keys).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from ultracloud.base.tokens import CLOCK_SKEW_S, TTL_S_MAX

AHEAD_MS = 60_000
"""How long a key is published before it signs: policy copies follow in milliseconds; this is for their worst hour."""
LINGER_MS = (TTL_S_MAX + CLOCK_SKEW_S) * 1000
"""How long a key is published after the next one has begun to sign."""
KEYS_MAX = 16
"""Keys in the ring; rotating by hand more often than this in a day is refused."""


@dataclass(frozen=True, slots=True)
class SigningKey:
    """The public half, and when it was made."""

    kid: str
    ed25519: bytes
    created_at_ms: int


@dataclass(frozen=True, slots=True)
class KeyPlan:
    """What to do now.

    Attributes:
        signing: Kid that signs now; None while there is no key.
        published: Kids that services verify with.
        is_due: A new key must be made.
        dropped: Kids whose last token has expired.
    """

    signing: str | None
    published: tuple[str, ...]
    is_due: bool
    dropped: tuple[str, ...]


def plan_keys(keys: Sequence[SigningKey], now_ms: int, lifetime_ms: int) -> KeyPlan:
    """Say which key signs now, which are published, and whether the ring must change.

    Args:
        keys: The ring, in any order.
        now_ms: iam's clock.
        lifetime_ms: Age of the newest key at which the next one is made.
    """
    ring = sorted(keys, key=lambda key: (key.created_at_ms, key.kid))
    if not ring:
        return KeyPlan(None, (), is_due=True, dropped=())
    # The very first key signs at once: there is no token yet that anybody could be late to verify.
    begun = [ring[0], *(key for key in ring[1:] if key.created_at_ms + AHEAD_MS <= now_ms)]
    dropped = tuple(
        key.kid for key, successor in pairwise(begun) if successor.created_at_ms + AHEAD_MS + LINGER_MS <= now_ms
    )
    return KeyPlan(
        signing=begun[-1].kid,
        published=tuple(key.kid for key in ring if key.kid not in dropped),
        is_due=ring[-1].created_at_ms + lifetime_ms <= now_ms and len(ring) < KEYS_MAX,
        dropped=dropped,
    )


def next_change_ms(keys: Sequence[SigningKey], now_ms: int, lifetime_ms: int) -> int:
    """When `plan_keys` will next say something else, later than `now_ms`."""
    moments = [key.created_at_ms + after for key in keys for after in (AHEAD_MS, AHEAD_MS + LINGER_MS, lifetime_ms)]
    return min((moment for moment in moments if moment > now_ms), default=now_ms + lifetime_ms)
