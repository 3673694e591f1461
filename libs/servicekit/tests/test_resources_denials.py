"""Refusals in the audit trail: each kind of them is there, and a flood costs next to nothing."""

from __future__ import annotations

import asyncio

from ultracloud.base.faults import NotFoundError, PermissionDeniedError
from ultracloud.servicekit.resources.denials import (
    FOLDED_MAX,
    MANY,
    RECORDS_AT_ONCE,
    Denials,
    Fold,
    Refused,
    note_asked,
)
from ultracloud.servicekit.resources.trail import LANES, Trail
from ultracloud.servicekit.store import MemoryStore
from ultracloud.servicekit.testing import FakeCall, SetClock

MINUTE_MS = 60_000


def refused(number: int) -> Refused:
    return Refused(f"user:{number}", "10.0.0.1", "/a.B/C", "blue", "PERMISSION_DENIED")


def test_what_is_alike_is_one_record_with_a_count() -> None:
    fold = Fold()
    for moment in (1000, 2000, 3000):
        fold.add(refused(1), "trace", moment)
    (record,) = fold.take(4000)
    assert (record.count, record.refusal, record.resource) == (3, "PERMISSION_DENIED", "blue")
    assert (record.time.seconds, record.last_time.seconds) == (1, 3)
    assert fold.take(5000) == []


def test_a_flood_of_names_leaves_a_record_a_minute_and_loses_no_count() -> None:
    fold, written = Fold(), []
    for number in range(10_000):
        fold.add(refused(number), "", number)
    assert len(fold.waiting) == FOLDED_MAX + 1
    for minute in range(60):
        written.extend(fold.take(10_000 + minute * MINUTE_MS))
    assert len(written) == RECORDS_AT_ONCE + 59
    written.extend(fold.take(10_000 + 10_000 * MINUTE_MS))
    for minute in range(10_001, 10_400):
        written.extend(fold.take(10_000 + minute * MINUTE_MS))
    assert sum(record.count for record in written) == 10_000
    assert [record.principal for record in written].count(MANY) == 1


def test_tokens_come_back_up_to_the_most_there_are() -> None:
    fold = Fold(tokens=0, filled_ms=0)
    for number in range(200):
        fold.add(refused(number), "", 0)
    assert len(fold.take(MINUTE_MS - 1)) == 0
    assert len(fold.take(3 * MINUTE_MS)) == 3
    assert len(fold.take(10_000 * MINUTE_MS)) == RECORDS_AT_ONCE


def test_a_deed_that_is_no_kinds_is_in_the_trail_too() -> None:
    async def play() -> None:
        trail = Trail(MemoryStore())
        denials = Denials(trail, SetClock(), ["/ultracloud.iam.v1.Tokens/Issue"])
        call = FakeCall(path="/ultracloud.iam.v1.Tokens/Issue")
        note_asked(call, "blue", "web")
        denials.done(call, 0, 0.1)
        denials.done(FakeCall(path="/ultracloud.iam.v1.Tokens/WhoAmI"), 0, 0.1)
        denials.done(call, NotFoundError.code, 0.1)
        await denials.flush()
        found = [record for lane in range(LANES) for record in await trail.read(lane)]
        assert [(one.permission, one.resource, one.refusal) for one in found] == [("iam.tokens.issue", "blue/web", "")]

    asyncio.run(play())


def test_a_refused_call_is_in_the_trail_with_what_it_asked_for() -> None:
    async def play() -> None:
        trail = Trail(MemoryStore())
        denials = Denials(trail, SetClock())
        call = FakeCall(path="/ultracloud.iam.v1.Projects/Get")
        note_asked(call, "acme", "blue")
        denials.admit(call)
        denials.done(call, NotFoundError.code, 0.1)
        denials.done(call, PermissionDeniedError.code, 0.1)
        denials.done(call, 0, 0.1)
        await denials.flush()
        await denials.flush()
        found = [record for lane in range(LANES) for record in await trail.read(lane)]
        assert [(one.permission, one.resource, one.refusal, one.count) for one in found] == [
            ("/ultracloud.iam.v1.Projects/Get", "acme/blue", "PERMISSION_DENIED", 1)
        ]

    asyncio.run(play())
