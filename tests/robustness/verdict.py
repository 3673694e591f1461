"""Was everything kept? The checks over the history, and what the members themselves say in the end."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

from ultracloud.testkit.checks import (
    History,
    LeaseBounds,
    Order,
    check_keys,
    check_leases,
    check_linearizable,
    check_serializable,
    check_watch_complete,
    check_watches,
)
from ultracloud.testkit.checks.history import BrokenPromiseError, Call, Lost, Refused, has_written

LEASE_EARLY_MS = 150.0
"""One tick of 100 ms, and what a busy machine adds to the measurement."""
LEASE_LATE_MS = 8000.0
"""An election, a tick, a revocation through the log, and a busy machine."""


@dataclass(frozen=True, slots=True)
class Summary:
    """What a round came to."""

    calls: int
    accepted: int
    refused: int
    lost: int
    revisions: int
    told: int
    gap_ms: float

    def __str__(self) -> str:
        return (
            f"{self.calls} calls: {self.accepted} writes done, {self.refused} refused, {self.lost} lost; "
            f"{self.revisions} revisions, {self.told} events told; longest time without a write {self.gap_ms:.0f} ms"
        )


def check(history: History, quiet_from_ms: float) -> Order:
    """Check every promise, and give the order of all writes.

    Args:
        history: All calls and watches; its last calls read everything, after all was well again.
        quiet_from_ms: From when on all was well.

    Raises:
        BrokenPromiseError: One is broken; the sentence says which.
    """
    order = check_linearizable(history)
    check_serializable(history)
    check_watches(history.watches, order)
    for watch in history.watches:
        if watch.created_revision is None:
            raise BrokenPromiseError(f"{watch} never began")
        check_watch_complete(watch, order, order.last_revision)
    bounds = LeaseBounds(early_ms=LEASE_EARLY_MS, late_ms=LEASE_LATE_MS, quiet_from_ms=quiet_from_ms)
    check_leases(history, order, bounds)
    check_keys(history)
    return order


def summary(history: History, order: Order, accepted_ms: list[float]) -> Summary:
    """Figures for people."""
    calls = history.calls
    gaps = [later - earlier for earlier, later in itertools.pairwise(accepted_ms)]
    return Summary(
        calls=len(calls),
        accepted=sum(_is_accepted(call) for call in calls),
        refused=sum(isinstance(call.result, Refused) for call in calls),
        lost=sum(isinstance(call.result, Lost) for call in calls),
        revisions=order.last_revision,
        told=sum(len(message.events) for watch in history.watches for message in watch.messages),
        gap_ms=max(gaps, default=0.0),
    )


def _is_accepted(call: Call) -> bool:
    return has_written(call.result)
