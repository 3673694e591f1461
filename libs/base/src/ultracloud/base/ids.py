"""Ids: a kind's prefix and a ULID, such as ``vm-01jdh4x0k3v8p7q2m9n5r6s7t8``.

Ids sort by the time they were made, are safe in paths, DNS labels and device names (lower case), and never repeat.
Time and randomness come in as arguments: a core that makes ids stays pure.

Source: the ULID specification (48 bits of milliseconds, 80 random bits, Crockford's base 32).
"""

from __future__ import annotations

from ultracloud.base.faults import InvalidArgumentError

ULID_LENGTH = 26
ENTROPY_BYTES = 10
TIME_MS_MAX = (1 << 48) - 1
_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_ALLOWED = frozenset(_ALPHABET)


def make_ulid(now_ms: int, entropy: bytes) -> str:
    """Make a ULID in lower case.

    Args:
        now_ms: Milliseconds since 1970, 0 to TIME_MS_MAX.
        entropy: Exactly ENTROPY_BYTES random bytes.
    """
    assert 0 <= now_ms <= TIME_MS_MAX, now_ms
    assert len(entropy) == ENTROPY_BYTES, len(entropy)
    number = (now_ms << 80) | int.from_bytes(entropy, "big")
    return "".join(_ALPHABET[(number >> shift) & 31] for shift in range(125, -1, -5))


def make_id(prefix: str, now_ms: int, entropy: bytes) -> str:
    """Make an id of the kind that `prefix` names, e.g. ``make_id("vm", ...)``."""
    return f"{prefix}-{make_ulid(now_ms, entropy)}"


def is_id(text: str, prefix: str) -> bool:
    """Tell whether `text` is an id of the kind with this prefix (a name may not look like one)."""
    head, _, tail = text.rpartition("-")
    return head == prefix and len(tail) == ULID_LENGTH and _ALLOWED.issuperset(tail)


def short(identifier: str, length: int) -> str:
    """The last `length` characters of an id: random ones, for device names that must be short.

    Raises:
        InvalidArgumentError: `length` is over the 16 random characters, or the id has no ULID.
    """
    ulid = identifier.rpartition("-")[2]
    if len(ulid) != ULID_LENGTH or not 0 < length <= 16:  # noqa: PLR2004 - 80 random bits are 16 characters
        raise InvalidArgumentError(f"'{identifier}' has no {length} random characters to shorten to")
    return ulid[-length:]
