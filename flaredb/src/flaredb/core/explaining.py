"""What there is to say of a key: what it is now, how it came to that, and why a transaction that compares it fails."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

CHANGES_TOLD = 10
"""Changes of a key that are told, the newest; a key that is written each second is not more interesting before."""


@dataclass(frozen=True, slots=True)
class Changed:
    """A change of the key that history has. `value_bytes` is None where it was deleted, or ended."""

    version: int
    value_bytes: int | None


@dataclass(frozen=True, slots=True)
class Seen:
    """A key as a reader sees it.

    Attributes:
        version: Of its value; 0 where there is none.
        floor: History goes back to here.
        read_version: Everything is as of this.
        changes: Those after the floor, the oldest first.
        is_all: Whether these are all of them; otherwise history was too long to look through.
    """

    version: int
    floor: int
    read_version: int
    changes: tuple[Changed, ...] = ()
    is_all: bool = True


@dataclass(frozen=True, slots=True)
class Verdict:
    """What becomes of a transaction that compares the key."""

    holds: bool
    says: str
    remedy: str


def judge(seen: Seen, expected: int) -> Verdict:
    """What becomes of a transaction that expects a version of the key; 0 is that there is none."""
    if seen.version == expected:
        what = f"version {expected}" if expected else "no value"
        return Verdict(holds=True, says=f"It has {what}, as expected: the comparison holds.", remedy="")
    return Verdict(holds=False, says=f"{_state(seen, expected)}{_why(seen, expected)}.", remedy=_remedy(seen, expected))


def _state(seen: Seen, expected: int) -> str:
    what = f"version {expected}" if expected else "no value"
    has = f"it has version {seen.version}" if seen.version else "there is none"
    return f"A transaction that expects {what} of it fails: {has}"


def _why(seen: Seen, expected: int) -> str:
    if expected > seen.read_version:
        return f", and the newest of all is {seen.read_version}"
    since = [change for change in seen.changes if change.version > expected]
    if not since:
        return f"; history before version {seen.floor} is gone" if expected < seen.floor else ""
    told = ", ".join(map(describe, since[-CHANGES_TOLD:]))
    return (
        f"; since then {told}" if len(since) <= CHANGES_TOLD else f"; since then {len(since)} changes, at last {told}"
    )


def _remedy(seen: Seen, expected: int) -> str:
    if expected > seen.read_version:
        return "The version is of another store, or of one from before a restore: read the key here."
    if not expected:
        return "Somebody has made it: read it, and compare with the version that it has."
    return "Read it again, and decide anew by what it is now."


def describe(change: Changed) -> str:
    """A change in words."""
    if change.value_bytes is None:
        return f"deleted at {change.version}"
    return f"written at {change.version} ({change.value_bytes} bytes)"


def newest(changes: Sequence[Changed]) -> tuple[Changed, ...]:
    """Those that are told."""
    return tuple(changes[-CHANGES_TOLD:])
