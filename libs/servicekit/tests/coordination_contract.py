"""What every coordination store must do, as functions of one that others use too: each keeps to a prefix of its own."""

from __future__ import annotations

import asyncio
import itertools
import os
from collections.abc import AsyncIterator
from contextlib import aclosing, suppress

import pytest

from ultracloud.base.faults import FailedPreconditionError, InvalidArgumentError, NotFoundError, OutOfRangeError
from ultracloud.servicekit.clock import SystemClock
from ultracloud.servicekit.coordination import (
    Batch,
    CompactedError,
    Coordinator,
    Delete,
    Deleted,
    Election,
    Event,
    Get,
    LeaseLostError,
    Lock,
    Put,
    Range,
    Session,
    SortBy,
    Txn,
    Written,
    below,
    create_revision,
    leader,
    lease,
    mod_revision,
    observe,
    value,
    version,
)

CLOCK = SystemClock()
NUMBERS = itertools.count()


def fresh() -> bytes:
    """A prefix nobody has used."""
    return b"/contract/%d/%d/" % (os.getpid(), next(NUMBERS))


async def events_of(watch: AsyncIterator[object], count: int) -> list[Event]:
    found: list[Event] = []
    while len(found) < count:
        found += await anext(watch)  # type: ignore[call-overload]
    return found


async def a_pair_tells_its_revisions_version_and_lease(kv: Coordinator) -> None:
    p = fresh()
    assert await kv.get(p) is None
    first = await kv.put(p, b"1")
    second = await kv.put(p, b"2")
    pair = await kv.get(p)
    assert pair is not None
    assert (pair.value, pair.create_revision, pair.mod_revision, pair.version, pair.lease) == (
        b"2",
        first,
        second,
        2,
        0,
    )


async def a_put_can_keep_value_or_lease_and_give_back_what_was_there(kv: Coordinator) -> None:
    p = fresh()
    granted = await kv.grant(60)
    assert await kv.write(Put(key=p, value=b"1", lease=granted, previous=True)) == Written(
        (await kv.get(p)).mod_revision  # type: ignore[union-attr]
    )
    kept_lease = await kv.write(Put(key=p, value=b"2", lease=None, previous=True))
    assert kept_lease.previous is not None
    assert kept_lease.previous.value == b"1"
    await kv.write(Put(key=p, value=None, lease=0))
    pair = await kv.get(p)
    assert pair is not None
    assert (pair.value, pair.lease, pair.version) == (b"2", 0, 3)
    with pytest.raises(InvalidArgumentError):
        await kv.write(Put(key=p + b"none", value=None))


async def a_range_is_sorted_limited_counted_and_filtered(kv: Coordinator) -> None:
    p = fresh()
    revisions = [await kv.put(p + key, content) for key, content in ((b"b", b"1"), (b"a", b"3"), (b"c", b"2"))]
    start, end = below(p).key, below(p).end
    assert [pair.key[len(p) :] for pair in (await kv.range(p)).pairs] == [b"a", b"b", b"c"]
    by_value = await kv.read(Get(key=start, end=end, sort_by=SortBy.VALUE, descending=True))
    assert [pair.value for pair in by_value.pairs] == [b"3", b"2", b"1"]
    first = await kv.read(Get(key=start, end=end, sort_by=SortBy.CREATE_REVISION, limit=2))
    assert ([pair.key[len(p) :] for pair in first.pairs], first.count, first.more) == ([b"b", b"a"], 3, True)
    only = await kv.read(below(p, keys_only=True))
    assert {pair.value for pair in only.pairs} == {b""}
    counted = await kv.read(Get(key=start, end=end, count_only=True))
    assert (counted.pairs, counted.count) == ((), 3)
    late = await kv.read(Get(key=start, end=end, min_mod_revision=revisions[1]))
    assert [pair.key[len(p) :] for pair in late.pairs] == [b"a", b"c"]
    early = await kv.read(Get(key=start, end=end, max_create_revision=revisions[1], serializable=True))
    assert [pair.key[len(p) :] for pair in early.pairs] == [b"a", b"b"]


async def the_past_can_be_read_and_the_future_cannot(kv: Coordinator) -> None:
    p = fresh()
    old = await kv.put(p, b"old")
    await kv.delete(p)
    new = await kv.put(p, b"new")
    then = await kv.read(Get(key=p, revision=old))
    assert [pair.value for pair in then.pairs] == [b"old"]
    assert (await kv.read(Get(key=p, revision=old + 1))).pairs == ()
    with pytest.raises(OutOfRangeError):
        await kv.read(Get(key=p, revision=new + 1_000_000))


async def pages_are_of_one_revision(kv: Coordinator) -> None:
    p = fresh()
    for number in range(7):
        await kv.put(p + b"%d" % number, b"old")
    seen: list[tuple[bytes, bytes]] = []
    revisions = set()
    async for page in kv.pages(below(p), page=3):
        seen += [(pair.key[len(p) :], pair.value) for pair in page.pairs]
        revisions.add(page.revision)
        await kv.put(p + b"6", b"new")
        await kv.put(p + b"7", b"new")
    assert seen == [(b"%d" % number, b"old") for number in range(7)]
    assert len(revisions) == 1
    limited = [len(page.pairs) async for page in kv.pages(below(p, limit=5), page=3)]
    assert limited == [3, 2]


async def a_range_is_deleted_at_one_revision(kv: Coordinator) -> None:
    p = fresh()
    for key in (b"a", b"b", b"c"):
        await kv.put(p + key, key)
    gone = await kv.remove(Delete(key=p + b"a", end=p + b"c", previous=True))
    assert (gone.count, [pair.value for pair in gone.previous]) == (2, [b"a", b"b"])
    assert not await kv.delete(p + b"a")
    assert await kv.delete(p + b"c")


async def a_transaction_compares_everything_a_key_has(kv: Coordinator) -> None:
    p = fresh()
    granted = await kv.grant(60)
    revision = await kv.put(p, b"5", granted)
    holding = (
        (version(p).equal(1), version(p).greater(0), version(p).less(2), version(p + b"none").equal(0)),
        (create_revision(p).equal(revision), create_revision(p + b"none").equal(0)),
        (mod_revision(p).equal(revision), mod_revision(p).not_equal(revision + 1)),
        (value(p).equal(b"5"), value(p).greater(b"4"), value(p).less(b"6"), value(p).not_equal(b"")),
        (lease(p).equal(granted), lease(p + b"none").equal(0)),
        (version(p, below(p).end).greater(0),),
    )
    for compares in holding:
        assert (await kv.perform(Txn().when(*compares))).succeeded, compares
    for compare in (version(p).equal(2), value(p + b"none").equal(b""), value(p).less(b"5"), lease(p).equal(0)):
        assert not (await kv.perform(Txn().when(compare))).succeeded, compare
    await kv.revoke(granted)


async def a_transaction_does_one_branch_at_one_revision(kv: Coordinator) -> None:
    p = fresh()
    make = (
        Txn()
        .when(version(p + b"a").equal(0))
        .then(Put(key=p + b"a", value=b"1"), Put(key=p + b"b", value=b"2"), Get(key=p + b"a"))
        .otherwise(Get(key=p + b"a"), Delete(key=p + b"b"))
    )
    made = await kv.perform(make)
    assert made.succeeded
    _, _, seen = made.results
    assert isinstance(seen, Range)
    assert [(pair.value, pair.mod_revision) for pair in seen.pairs] == [(b"1", made.revision)]
    other = await kv.perform(make)
    assert not other.succeeded
    read, gone = other.results
    assert isinstance(read, Range)
    assert isinstance(gone, Deleted)
    assert (read.pairs[0].value, gone.count) == (b"1", 1)
    inner = Txn().when(version(p + b"a").equal(1)).then(Put(key=p + b"c", value=b"3"))
    assert (await kv.perform(Txn().then(inner))).succeeded
    assert await kv.get(p + b"c") is not None


async def the_short_transaction_writes_if_nothing_changed(kv: Coordinator) -> None:
    p = fresh()
    assert await kv.txn({p: 0}, {p: b"1", p + b"other": b"x"})
    assert not await kv.txn({p: 0}, {p: b"2"})
    pair = await kv.get(p)
    assert pair is not None
    assert await kv.txn({p: pair.mod_revision}, {}, deletes=[p + b"other"])
    assert await kv.get(p + b"other") is None


async def keys_go_with_their_lease(kv: Coordinator) -> None:
    p = fresh()
    granted = await kv.grant(60)
    await kv.put(p, b"v", granted)
    left = await kv.time_to_live(granted, keys=True)
    assert (left.granted_s, left.keys, granted in await kv.leases()) == (60, (p,), True)
    assert await kv.renew(granted) == 60
    await kv.revoke(granted)
    assert await kv.get(p) is None
    for gone in (kv.put(p, b"v", granted), kv.renew(granted), kv.time_to_live(granted), kv.revoke(granted)):
        with pytest.raises(NotFoundError):
            await gone


async def a_lease_id_can_be_chosen_once(kv: Coordinator) -> None:
    chosen = 0x70000000 + os.getpid() * 1000 + next(NUMBERS)
    assert await kv.grant(60, chosen) == chosen
    with pytest.raises(FailedPreconditionError):
        await kv.grant(60, chosen)
    await kv.revoke(chosen)


async def a_lease_that_nobody_keeps_ends(kv: Coordinator) -> None:
    p = fresh()
    granted = await kv.grant(1)
    revision = await kv.put(p, b"v", granted)
    async with aclosing(kv.watch(p, revision + 1, end=b"")) as watch, asyncio.timeout(15):
        (gone,) = await events_of(watch, 1)
    assert gone.pair is None
    with pytest.raises(NotFoundError):
        await kv.renew(granted)


async def a_watch_tells_what_happens_from_a_revision_on(kv: Coordinator) -> None:
    p = fresh()
    revision = await kv.put(p + b"a", b"1")
    async with aclosing(kv.watch(p, revision, previous=True)) as watch:
        assert len(await anext(watch)) == 0
        await kv.perform(Txn().then(Put(key=p + b"b", value=b"2"), Put(key=p + b"c", value=b"3")))
        await kv.put(b"/elsewhere", b"")
        await kv.remove(Delete(key=p + b"a"))
        batches: list[Batch] = []
        while sum(map(len, batches)) < 4:
            batches.append(await anext(watch))
    events = [event for batch in batches for event in batch]
    told = [(event.key[len(p) :], event.pair.value if event.pair else None) for event in events]
    assert told == [(b"a", b"1"), (b"b", b"2"), (b"c", b"3"), (b"a", None)]
    assert events[1].revision == events[2].revision
    assert events[3].previous is not None
    assert events[3].previous.value == b"1"
    assert batches[-1].revision >= events[3].revision


async def a_watch_from_now_tells_nothing_of_before(kv: Coordinator) -> None:
    p = fresh()
    await kv.put(p, b"before")
    async with aclosing(kv.watch(p)) as watch:
        begun = await anext(watch)
        after = await kv.put(p, b"after")
        (event,) = await events_of(watch, 1)
    assert event.revision == after
    assert begun.revision < after


async def what_is_compacted_can_be_neither_read_nor_watched(kv: Coordinator) -> None:
    p = fresh()
    old = await kv.put(p, b"1")
    await kv.put(p, b"2")
    new = await kv.put(p, b"3")
    await kv.compact(new, physical=True)
    with pytest.raises(CompactedError):
        await kv.read(Get(key=p, revision=old))
    async with aclosing(kv.watch(p, old)) as watch, asyncio.timeout(10):
        with pytest.raises(CompactedError) as caught:
            await events_of(watch, 1)
    assert caught.value.compact_revision >= new
    with pytest.raises(OutOfRangeError):
        await kv.compact(old)
    async with aclosing(kv.watch(p, new)) as watch:
        assert (await events_of(watch, 1))[0].revision == new


async def a_lock_is_held_by_one_and_fences_grow(kv: Coordinator) -> None:
    p, inside, fences = fresh(), 0, []

    async def worker() -> None:
        nonlocal inside
        async with Session(kv, CLOCK, ttl_s=5) as session:
            for _ in range(3):
                async with Lock(session, p + b"lock") as lock:
                    inside += 1
                    assert inside == 1
                    fences.append(lock.fence)
                    held = await kv.perform(Txn().when(lock.held()).then(Put(key=p + b"work", value=b"")))
                    assert held.succeeded
                    inside -= 1

    async with asyncio.TaskGroup() as tasks:
        for _ in range(3):
            tasks.create_task(worker())
    assert len(fences) == 9
    assert fences == sorted(fences)
    assert (await kv.range(p + b"lock/")).pairs == ()


async def a_lock_that_is_taken_can_be_tried(kv: Coordinator) -> None:
    p = fresh()
    async with Session(kv, CLOCK, ttl_s=5) as one, Session(kv, CLOCK, ttl_s=5) as other:
        first, second = Lock(one, p), Lock(other, p)
        assert await first.try_acquire()
        assert not await second.try_acquire()
        await first.release()
        assert await second.try_acquire()
        with pytest.raises(FailedPreconditionError):
            _ = first.fence


async def a_lost_lease_cancels_what_the_lock_guards(kv: Coordinator) -> None:
    p = fresh()
    reached = False
    async with Session(kv, CLOCK, ttl_s=2) as session, asyncio.timeout(15):

        async def work() -> None:
            nonlocal reached
            async with Lock(session, p):
                await kv.revoke(session.lease)
                await asyncio.Event().wait()
                reached = True

        with pytest.raises(LeaseLostError):
            await work()
        assert session.lost.is_set()
        assert session.left_s == 0
        with pytest.raises(LeaseLostError):
            session.check()
    assert not reached


async def one_candidate_leads_and_all_can_see_who(kv: Coordinator) -> None:
    p, seen = fresh(), []

    async def look() -> None:
        async with aclosing(observe(kv, p)) as leaders:
            async for pair in leaders:
                seen.append(None if pair is None else pair.value)
                if pair is not None and pair.value == b"two":
                    return

    looking = asyncio.create_task(look())
    async with Session(kv, CLOCK, ttl_s=5) as one, Session(kv, CLOCK, ttl_s=5) as two:
        first, second = Election(one, p), Election(two, p)
        leadership = await first.campaign(b"one")
        waiting = asyncio.create_task(second.campaign(b"two"))
        found = await leader(kv, p)
        assert found is not None
        assert (found.value, found.create_revision) == (b"one", leadership.fence)
        await first.proclaim(leadership, b"one, still")
        found = await leader(kv, p)
        assert found is not None
        assert found.value == b"one, still"
        assert not waiting.done()
        await first.resign(leadership)
        after = await waiting
        assert after.fence > leadership.fence
        with pytest.raises(LeaseLostError):
            await first.proclaim(leadership, b"too late")
        async with asyncio.timeout(10):
            await looking
    assert seen[-1] == b"two"


async def a_session_that_ends_takes_its_keys_along(kv: Coordinator) -> None:
    p = fresh()
    async with Session(kv, CLOCK, ttl_s=3) as session:
        await kv.put(p, b"here", session.lease)
        await asyncio.sleep(1.2)
        assert session.left_s > 2
    assert await kv.get(p) is None


async def somebody_elses_cancellation_is_not_a_lost_lease(kv: Coordinator) -> None:
    p = fresh()
    async with Session(kv, CLOCK, ttl_s=5) as session:

        async def work() -> None:
            async with Lock(session, p):
                await asyncio.Event().wait()

        task = asyncio.create_task(work())
        while not (await kv.range(p)).pairs:  # noqa: ASYNC110 - the store tells no event of ours
            await asyncio.sleep(0.01)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        assert task.cancelled()


CONTRACT = [
    a_pair_tells_its_revisions_version_and_lease,
    a_put_can_keep_value_or_lease_and_give_back_what_was_there,
    a_range_is_sorted_limited_counted_and_filtered,
    the_past_can_be_read_and_the_future_cannot,
    pages_are_of_one_revision,
    a_range_is_deleted_at_one_revision,
    a_transaction_compares_everything_a_key_has,
    a_transaction_does_one_branch_at_one_revision,
    the_short_transaction_writes_if_nothing_changed,
    keys_go_with_their_lease,
    a_lease_id_can_be_chosen_once,
    a_lease_that_nobody_keeps_ends,
    a_watch_tells_what_happens_from_a_revision_on,
    a_watch_from_now_tells_nothing_of_before,
    what_is_compacted_can_be_neither_read_nor_watched,
    a_lock_is_held_by_one_and_fences_grow,
    a_lock_that_is_taken_can_be_tried,
    a_lost_lease_cancels_what_the_lock_guards,
    one_candidate_leads_and_all_can_see_who,
    a_session_that_ends_takes_its_keys_along,
    somebody_elses_cancellation_is_not_a_lost_lease,
]
