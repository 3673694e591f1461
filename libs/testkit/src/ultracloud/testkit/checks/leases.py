"""Leases: none dies before its time as its client saw it, and none lives much past it.

A client that was told that its lease lives may rely on it until the time to live has passed since it *asked*. The
store may give it longer: after a change of leader, and while nobody leads.
"""

from __future__ import annotations

from dataclasses import dataclass

from ultracloud.testkit.checks.history import (
    BrokenPromiseError,
    Call,
    Get,
    Got,
    Grant,
    History,
    LeaseDone,
    Lost,
    Renew,
    Revoke,
    revision_of,
)
from ultracloud.testkit.checks.order import Expiry, Order

MS_PER_S = 1000


@dataclass(frozen=True, slots=True)
class LeaseBounds:
    """What the store may do with the time of leases.

    Attributes:
        early: How much too fast its clocks may run: 0.05 lets a lease of 10 s die after 9.5 s.
        early_ms: What it may be early besides: one tick.
        late_ms: What it may take past the end: one election, one tick, one write.
        quiet_from_ms: From when on the store has a leader and nothing disturbs it. Before that leases may live on.
    """

    early: float = 0.0
    early_ms: float = 0.0
    late_ms: float = 5000.0
    quiet_from_ms: float = 0.0


def check_leases(history: History, order: Order, bounds: LeaseBounds) -> None:
    """Check the life of every lease whose grant was acknowledged.

    Raises:
        BrokenPromiseError: One died early, or lived on.
    """
    sightings = _Sightings(history, order)
    for call in history.calls:
        if isinstance(call.op, Grant) and isinstance(call.result, LeaseDone):
            _check_lease(call, history, sightings, bounds)


@dataclass(frozen=True, slots=True)
class _Seen:
    """Somebody saw that a lease was dead by `at_ms`, or alive at some time after `at_ms`."""

    at_ms: float
    by: str


class _Sightings:
    """When the death of leases was first seen, and when they were last seen alive."""

    def __init__(self, history: History, order: Order) -> None:
        self.deaths: dict[int, _Seen] = {}
        self.lives: dict[int, _Seen] = {}
        self._ends = {step.cause.lease: step.revision for step in order.steps if isinstance(step.cause, Expiry)}
        for call in history.calls:
            self._note_call(call)
        for watch in history.watches:
            for message in watch.messages:
                self._note_revision(message.revision, message.at_ms, f"{watch}, at {message.at_ms:g} ms")

    def _note_call(self, call: Call) -> None:
        ended = call.ended_ms
        if revision_of(call.result):
            self._note_revision(revision_of(call.result), ended, str(call))
        if isinstance(call.op, Renew) and isinstance(call.result, LeaseDone):
            if call.result.ttl_s:
                self._note_life(call.op.lease, call)
            else:
                self._note_death(call.op.lease, ended, str(call))
        if isinstance(call.op, Get) and isinstance(call.result, Got) and not (call.op.serializable or call.op.revision):
            for kv in call.result.kvs:
                self._note_life(kv.lease, call)

    def _note_revision(self, revision: int, at_ms: float, by: str) -> None:
        for lease, end in self._ends.items():
            if revision >= end:
                self._note_death(lease, at_ms, by)

    def _note_death(self, lease: int, at_ms: float, by: str) -> None:
        if lease not in self.deaths or at_ms < self.deaths[lease].at_ms:
            self.deaths[lease] = _Seen(at_ms, by)

    def _note_life(self, lease: int, call: Call) -> None:
        if lease not in self.lives or call.invoked_ms > self.lives[lease].at_ms:
            self.lives[lease] = _Seen(call.invoked_ms, str(call))


def _check_lease(granted: Call, history: History, sightings: _Sightings, bounds: LeaseBounds) -> None:
    assert isinstance(granted.op, Grant)
    assert isinstance(granted.result, LeaseDone)
    lease, ttl_ms = granted.op.lease, granted.result.ttl_s * MS_PER_S
    asked = [call for call in history.calls if isinstance(call.op, Renew | Revoke) and call.op.lease == lease]
    revoked_ms = min((call.invoked_ms for call in asked if isinstance(call.op, Revoke)), default=float("inf"))
    renewals = [granted, *(call for call in asked if isinstance(call.op, Renew))]
    dead = sightings.deaths.get(lease)
    if dead is not None and dead.at_ms < revoked_ms:
        _check_death(lease, ttl_ms, renewals, dead, bounds)
    _check_end(lease, ttl_ms, renewals, sightings, bounds)


def _check_death(lease: int, ttl_ms: int, renewals: list[Call], dead: _Seen, bounds: LeaseBounds) -> None:
    """Check that every acknowledged renewal gave the lease its whole time from when it was asked for."""
    for call in renewals:
        if not isinstance(call.result, LeaseDone) or not call.result.ttl_s:
            continue
        until_ms = call.invoked_ms + ttl_ms * (1 - bounds.early) - bounds.early_ms
        if dead.at_ms < call.invoked_ms:
            raise BrokenPromiseError(f"lease {lease} was renewed when it was dead: {call}; seen dead by {dead.by}")
        if dead.at_ms < until_ms:
            raise BrokenPromiseError(
                f"lease {lease} died early, before {until_ms:g} ms: {call}; seen dead by {dead.by}"
            )


def _check_end(lease: int, ttl_ms: int, renewals: list[Call], sightings: _Sightings, bounds: LeaseBounds) -> None:
    """Check that it was not seen alive long after its last renewal; a lost one may have come at any time."""
    alive = sightings.lives.get(lease)
    if alive is None or any(isinstance(call.result, Lost) for call in renewals):
        return
    last_ms = max(call.ended_ms for call in renewals if isinstance(call.result, LeaseDone) and call.result.ttl_s)
    end_ms = max(last_ms, bounds.quiet_from_ms) + ttl_ms + bounds.late_ms
    if alive.at_ms > end_ms:
        raise BrokenPromiseError(f"lease {lease} lived on, past {end_ms:g} ms: {alive.by}")
