from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest
from checks.stories import Story, call, got, kv
from hypothesis import given, settings
from hypothesis import strategies as st

from ultracloud.testkit.checks import BrokenPromiseError, History, check_keys, check_linearizable
from ultracloud.testkit.checks.history import (
    Call,
    Compare,
    Delete,
    Deleted,
    Event,
    Get,
    Got,
    Kv,
    Lost,
    Put,
    Refused,
    Told,
    Txn,
    TxnDone,
    Watch,
    Wrote,
)
from ultracloud.testkit.checks.order import Expiry

SWAP = Txn((Compare("a", "value", "=", "one"),), (Put("a", "two"),), ())
seeds = st.integers(0, 10_000_000)

PUT_ONE = call(1, 0, 10, Put("a", "one"), Wrote(2))
PUT_TWO = call(2, 20, 30, Put("a", "two"), Wrote(3))
TWO = kv("a", "two", 3, 2, 2)

BROKEN = {
    "a stale read": (PUT_ONE, PUT_TWO, call(3, 40, 50, Get("a"), got(2, kv("a", "one", 2)))),
    "a wrong answer: #3 of c3 .* right is .a=two@3v2": (PUT_ONE, PUT_TWO, call(3, 40, 50, Get("a"), got(3))),
    "a write went back": (PUT_TWO, call(3, 40, 50, Put("b", "x"), Wrote(2))),
    "two writes at revision 2": (PUT_ONE, call(3, 0, 50, Put("b", "x"), Wrote(2))),
    "a write in the past": (
        PUT_ONE,
        call(2, 20, 30, Put("a", "two"), Wrote(4)),
        call(3, 40, None, Put("b", "x")),
        call(4, 60, 70, Get("b"), got(4, kv("b", "x", 3))),
    ),
    "a write was applied twice": (
        PUT_ONE,
        call(3, 20, 30, Get("a"), got(2, kv("a", "one", 2))),
        call(4, 40, 50, Get("a"), got(3, kv("a", "one", 3, 2, 2))),
    ),
    "a refused write is there": (
        call(1, 0, 10, Put("a", "one"), Refused("no space")),
        call(2, 20, 30, Get("a"), got(2, kv("a", "one", 2))),
    ),
    "a value from nowhere": (call(1, 0, 10, Get("a"), got(2, kv("a", "one", 2))),),
    "nothing that was asked explains revision 2: nobody saw it": (call(2, 20, 30, Put("a", "two"), Wrote(3)),),
    "two histories": (
        PUT_ONE,
        call(2, 5, 30, Get("a"), got(2, kv("a", "one", 2))),
        call(3, 5, 30, Get("a"), got(2, kv("a", "one", 2, lease=7))),
    ),
    "a wrong answer: #2 of c2 .* right is failure at 2": (
        call(1, 0, 10, Put("a", "other"), Wrote(2)),
        call(2, 20, 30, SWAP, TxnDone(3, succeeded=True, results=(Wrote(3),))),
    ),
    "a wrong answer: #2 .* right is 1 deleted at 3": (PUT_ONE, call(2, 20, 30, Delete("a"), Deleted(2, 0))),
    "a wrong change": (PUT_ONE, PUT_TWO, call(3, 40, 50, Get("a"), got(3, kv("a", "two", 3, 3, 2)))),
}


@pytest.mark.parametrize("sentence", BROKEN)
def test_a_broken_promise_is_named(sentence: str) -> None:
    with pytest.raises(BrokenPromiseError, match=sentence):
        check_linearizable(History(BROKEN[sentence]))


def test_calls_that_overlap_may_have_happened_in_either_order() -> None:
    slow = call(3, 5, 60, Get("a"), got(2, kv("a", "one", 2)))
    order = check_linearizable(History((PUT_ONE, PUT_TWO, slow)))
    assert [step.cause for step in order.steps] == [PUT_ONE, PUT_TWO]


def test_a_lost_write_may_have_happened_or_not() -> None:
    lost = call(3, 40, None, Put("a", "three"))
    after = call(4, 50, 60, Get("a"), got(4, kv("a", "three", 4, 3, 2)))
    assert check_linearizable(History((PUT_ONE, PUT_TWO, lost))).last_revision == 3
    assert check_linearizable(History((PUT_ONE, PUT_TWO, lost, after))).at(4).cause == lost


def test_a_gap_is_filled_with_what_explains_the_answers_around_it() -> None:
    lost = [call(number, 0, None, op) for number, op in enumerate((Delete("b"), Put("b", "x"), Delete("a")), 10)]
    after = call(3, 40, 50, Get("a", "z"), got(4, kv("b", "x", 3)))
    order = check_linearizable(History((PUT_ONE, *lost, after)))
    assert [str(step.cause)[:3] for step in order.steps] == ["#1 ", "#11", "#12"]


def test_a_lease_that_ends_deletes_its_keys_at_one_revision() -> None:
    put = call(1, 0, 10, Put("a", "one", lease=7), Wrote(2))
    after = call(2, 20, 30, Get("a"), got(3))
    assert check_linearizable(History((put, after))).at(3).cause == Expiry(7)


def test_what_a_watch_told_makes_later_reads_stale() -> None:
    told = Watch(9, "w", "m1", "a", "", 0, False, 0, 1, (Told(35, 3),))
    read = call(3, 40, 50, Get("a"), got(2, kv("a", "one", 2)))
    lost = replace(PUT_TWO, result=Lost(), returned_ms=None)
    with pytest.raises(BrokenPromiseError, match="revision 3 was told before: watch 9"):
        check_linearizable(History((PUT_ONE, lost, read), (told,)))


def test_a_guess_does_not_change_what_a_watch_was_not_told_of() -> None:
    swap = Txn((), (Delete("a"), Put("b", "x")), ())
    lost = [call(10, 0, None, swap), call(11, 0, None, Delete("a"))]
    gone = Event(Kv("a", "", 0, 3, 0))
    watch = Watch(9, "w", "m1", "a", "z", 2, False, 0, 1, (Told(35, 3, (Event(kv("a", "one", 2)), gone)),))
    assert check_linearizable(History((PUT_ONE, *lost), (watch,))).at(3).cause == lost[1]


def test_values_must_be_unique() -> None:
    with pytest.raises(ValueError, match="values must be unique"):
        check_linearizable(History((PUT_ONE, call(2, 0, None, Put("a", "one")))))


@given(seeds)
@settings(max_examples=60, deadline=None)
def test_a_store_that_keeps_its_promises_passes(seed: int) -> None:
    story = Story(seed, 60)
    order = check_linearizable(story.history())
    assert order.last_revision == len(story.steps) + 1
    check_keys(story.history())


@given(seeds)
@settings(max_examples=60, deadline=None)
def test_a_changed_answer_is_found(seed: int) -> None:
    story, random = Story(seed, 60, lost=0), Random(seed)  # noqa: S311 - a test repeats itself
    at = random.choice([n for n, c in enumerate(story.calls) if isinstance(c.result, Got | Wrote | Deleted | TxnDone)])
    story.calls[at] = changed(story.calls[at], random)
    with pytest.raises(BrokenPromiseError):
        check_linearizable(story.history())


def changed(asked: Call, random: Random) -> Call:
    """The same call with another answer: an older revision, a missing or another key, another count."""
    result = asked.result
    assert isinstance(result, Got | Wrote | Deleted | TxnDone)
    if isinstance(result, Got) and result.kvs and random.random() < 0.7:
        first = result.kvs[0]
        others = (
            result.kvs[1:],
            (replace(first, version=first.version + 1), *result.kvs[1:]),
            (replace(first, value="nobody"), *result.kvs[1:]),
        )
        return replace(asked, result=replace(result, kvs=random.choice(others)))
    if isinstance(result, Deleted):
        return replace(asked, result=replace(result, count=result.count + 1))
    if isinstance(result, Got):
        return replace(asked, result=got(result.revision, kv("a", "nobody", 2)))
    if isinstance(result, TxnDone):
        return replace(asked, result=replace(result, succeeded=not result.succeeded))
    return replace(asked, result=replace(result, revision=result.revision - 1))


def test_what_a_watch_shows_of_before_tells_who_wrote_unseen() -> None:
    """Revision 3 is one of two lost calls; that a later deletion found the first value says which."""
    both = Txn((), (Put("a", "two"), Put("b", "two")), ())
    clear = Txn((), (Delete("a"), Delete("b")), ())
    calls = (
        PUT_ONE,
        call(2, 20, None, both),
        call(3, 20, None, Put("b", "three")),
        call(4, 40, 50, clear, TxnDone(4, True, (Deleted(4, 1), Deleted(4, 1)))),
    )
    gone = Event(Kv("a", "", 0, 4, 0), kv("a", "one", 2))
    watch = Watch(9, "w", "m1", "a", "b", 4, True, 0, 1, (Told(60, 4, (gone,)),))
    order = check_linearizable(History(calls, (watch,)))
    assert isinstance(cause := order.at(3).cause, Call)
    assert cause.number == 3


def test_nothing_is_written_at_the_revision_that_was_there_before() -> None:
    with pytest.raises(BrokenPromiseError, match="revision 1 was there before"):
        check_linearizable(History((call(1, 0, 10, Delete("a"), Deleted(1, 1)),)))
