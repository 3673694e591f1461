from __future__ import annotations

from dataclasses import replace

import pytest
from checks.stories import Story, call, kv
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from ultracloud.testkit.checks import BrokenPromiseError, History, check_linearizable
from ultracloud.testkit.checks.history import Event, Put, Told, Txn, TxnDone, Watch, Wrote
from ultracloud.testkit.checks.watches import check_watch_complete, check_watches

BOTH = Txn((), (Put("a", "two"), Put("b", "three")), ())
ORDER = check_linearizable(
    History(
        (
            call(1, 0, 10, Put("a", "one"), Wrote(2)),
            call(2, 20, 30, BOTH, TxnDone(3, succeeded=True, results=(Wrote(3), Wrote(3)))),
            call(3, 40, 50, Put("b", "four"), Wrote(4)),
        )
    )
)
ONE, TWO = Event(kv("a", "one", 2)), Event(kv("a", "two", 3, 2, 2))
THREE, FOUR = Event(kv("b", "three", 3)), Event(kv("b", "four", 4, 2, 3))
ALL = (Told(60, 4, (ONE, TWO, THREE)), Told(61, 4, (FOUR,)), Told(62, 4))


def watch(*messages: Told, start: int = 2, prev_kv: bool = False) -> Watch:
    return Watch(7, "w", "m1", "a", "z", start, prev_kv, 0, 1, messages)


BROKEN = {
    "a gap: b=four@4v2 comes before a=two": watch(Told(60, 4, (ONE, FOUR))),
    "out of order, or told again": watch(Told(60, 4, (TWO, THREE, ONE)), start=3),
    "told twice: a=one": watch(Told(60, 4, (ONE,)), Told(61, 4, (ONE,))),
    "revision 3 is torn: b=three": watch(Told(60, 4, (ONE, TWO)), Told(61, 4, (THREE,))),
    "all up to 4 was told, but b=four@4v2 was not": watch(Told(60, 4, (ONE, TWO, THREE)), Told(62, 4)),
    "never happened": watch(Told(60, 4, (ONE, replace(TWO, kv=kv("a", "2", 3, 2, 2))))),
    "comes with nothing as what was there before; right is a=one": watch(Told(60, 4, (ONE, TWO, THREE)), prev_kv=True),
}


@pytest.mark.parametrize("sentence", BROKEN)
def test_a_broken_watch_is_named(sentence: str) -> None:
    with pytest.raises(BrokenPromiseError, match=sentence):
        check_watches([BROKEN[sentence]], ORDER)


def test_a_watch_that_tells_everything_once_passes() -> None:
    check_watches([watch(*ALL), watch(), watch(ALL[1], start=4)], ORDER)
    with_previous = (ONE, replace(TWO, previous=ONE.kv), THREE)
    check_watches([watch(Told(60, 3, with_previous), prev_kv=True)], ORDER)


def test_what_was_compacted_may_be_missing_as_previous() -> None:
    check_watches([watch(Told(60, 4, (ONE, TWO, THREE)), prev_kv=True)], ORDER, compacted=3)


def test_a_watch_goes_on_where_the_one_before_stopped() -> None:
    first = watch(ALL[0])
    check_watches([first, replace(watch(ALL[1], start=4), number=8, resumes=7)], ORDER)
    with pytest.raises(BrokenPromiseError, match=r"goes on from 3, but watch 7 .* stopped before 4"):
        check_watches([first, replace(watch(Told(60, 4, (TWO, THREE)), start=3), number=8, resumes=7)], ORDER)


def test_a_watch_that_stops_early_is_not_complete() -> None:
    check_watch_complete(watch(*ALL), ORDER, 4)
    with pytest.raises(BrokenPromiseError, match=r"never told revision 4: #3 of c3"):
        check_watch_complete(watch(ALL[0]), ORDER, 4)


@given(st.integers(0, 10_000_000), st.sampled_from(["drop", "repeat", "swap"]))
@settings(max_examples=60, deadline=None)
def test_watches_of_a_right_store_pass_and_changed_ones_do_not(seed: int, kind: str) -> None:
    history = Story(seed, 40).history()
    order = check_linearizable(history)
    check_watches(history.watches, order)
    broken = [each for each in (changed(found, kind, seed) for found in history.watches) if each is not None]
    assume(broken)
    with pytest.raises(BrokenPromiseError):
        check_watches(broken, order)


def changed(found: Watch, kind: str, seed: int) -> Watch | None:
    """The same watch with one message left out, repeated, or exchanged with the next; None if it has too few."""
    told = list(found.messages)
    if len(told) < 3:
        return None
    at = seed % (len(told) - 2)
    match kind:
        case "drop":
            del told[at]
        case "repeat":
            told.insert(at, told[at])
        case _:
            told[at], told[at + 1] = told[at + 1], told[at]
    return replace(found, messages=tuple(told))
