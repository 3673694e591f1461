"""The throttle: how long somebody waits who has been wrong too often. Pure.

A guess is counted before it is looked at, and taken back if it was right, so that many at once gain nothing. The pause
grows with each wrong guess. It is the same for users there are and those there are not.

Source: NIST SP 800-63B 5.2.2 (rate limiting); OWASP Authentication Cheat Sheet.
"""

from __future__ import annotations

from dataclasses import dataclass

from ultracloud.base.faults import ResourceExhaustedError

FORGET_MS = 3_600_000
"""Who has not tried for an hour begins anew."""


@dataclass(frozen=True, slots=True)
class Rule:
    """How patient we are with one sort of guessers.

    Attributes:
        free: Wrong guesses without a pause.
        pause_ms_max: The longest pause.
    """

    free: int
    pause_ms_max: int


PER_USER = Rule(free=5, pause_ms_max=60_000)
"""A minute at most: whoever guesses must not lock the user out for long; at that rate a password lasts for ever."""
PER_SOURCE = Rule(free=20, pause_ms_max=900_000)
"""An office behind one address mistypes now and then; one that tries a word with every user is stopped for long."""


@dataclass(frozen=True, slots=True)
class Tally:
    """What is remembered of one guesser."""

    failures: int = 0
    next_at_ms: int = 0


def counted(tally: Tally, rule: Rule, now_ms: int) -> Tally:
    """The tally with one more guess.

    Raises:
        ResourceExhaustedError: It comes too early; the sentence says when to come again.
    """
    if now_ms < tally.next_at_ms:
        wait_s = -(-(tally.next_at_ms - now_ms) // 1000)
        raise ResourceExhaustedError(
            f"too many attempts; try again in {wait_s} s",
            reason="TOO_MANY_ATTEMPTS",
            metadata={"retry_after_s": str(wait_s)},
        )
    failures = tally.failures + 1
    return Tally(failures, now_ms + pause_ms(failures, rule))


def pause_ms(failures: int, rule: Rule) -> int:
    """How long the next guess must wait after so many wrong ones: doubled each time, from one second on."""
    over = failures - rule.free
    return 0 if over < 0 else min(rule.pause_ms_max, 1000 << min(over, 32))


def forgiven(tally: Tally) -> Tally:
    """The tally without the last guess, which was right. What was wrong before it stays: others share the source."""
    return Tally(max(0, tally.failures - 1), 0)
