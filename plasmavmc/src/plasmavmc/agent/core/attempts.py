"""How often something failed, and when it may be tried again: exponential pauses, forgotten after a calm stretch."""

from __future__ import annotations

from dataclasses import dataclass

from plasmavmc.core.reasons import Reason

PAUSE_MS_FIRST = 1_000
"""The first retry comes soon: most first failures are a device or a daemon that is about to be there."""
PAUSE_MS_MAX = 60_000
"""A start that fails for ever costs one QEMU a minute, and a repaired cause is noticed within one."""
CALM_MS = 300_000
"""A VM that ran this long since its last failure starts again with the first pause."""
DOUBLINGS_MAX = 16
"""Beyond it the pause is PAUSE_MS_MAX anyway; it keeps the shift small."""
MESSAGE_LENGTH_MAX = 500
"""Characters of a failure's sentence: it is stored with every report."""


@dataclass(frozen=True, slots=True)
class Attempts:
    """What happened to something that failed."""

    count: int
    last_ms: int
    reason: Reason
    message: str

    @property
    def retry_at_ms(self) -> int:
        """When it may be tried again."""
        return self.last_ms + pause_ms(self.count)


@dataclass(frozen=True, slots=True)
class Stopping:
    """A guest that was asked to switch itself off: when first, and when last."""

    asked_at_ms: int
    repeated_at_ms: int


def pause_ms(count: int) -> int:
    """The pause after the `count`-th failure in a row, `count` from 1."""
    return min(PAUSE_MS_MAX, PAUSE_MS_FIRST << min(count - 1, DOUBLINGS_MAX))


def failed(before: Attempts | None, now_ms: int, reason: Reason, message: str) -> Attempts:
    """Record one more failure at `now_ms`."""
    is_new = before is None or now_ms - before.last_ms > CALM_MS + pause_ms(before.count)
    count = 1 if is_new or before is None else before.count + 1
    return Attempts(count, now_ms, reason, " ".join(message.split())[:MESSAGE_LENGTH_MAX])
