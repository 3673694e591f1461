from __future__ import annotations

from dataclasses import replace

import pytest
from checks.stories import call, got, kv

from ultracloud.testkit.checks import BrokenPromiseError, History, check_linearizable, check_serializable
from ultracloud.testkit.checks.history import Get, Put, Wrote

PUTS = (call(1, 0, 10, Put("a", "one"), Wrote(2)), call(2, 20, 30, Put("a", "two"), Wrote(3)))
OLD = call(3, 50, 60, Get("a", serializable=True), got(2, kv("a", "one", 2)))
NEW = call(4, 40, 45, Get("a", serializable=True), got(3, kv("a", "two", 3, 2, 2)))


def test_a_serializable_read_may_be_stale() -> None:
    history = History((*PUTS, OLD))
    check_linearizable(history)
    check_serializable(history)


def test_a_member_that_goes_back_is_found() -> None:
    with pytest.raises(BrokenPromiseError, match=r"m1 went back in time: #3 .* after #4"):
        check_serializable(History((*PUTS, OLD, NEW)))


def test_another_member_may_be_behind() -> None:
    check_serializable(History((*PUTS, NEW, replace(OLD, member="m2"))))


def test_a_state_that_never_was_is_found() -> None:
    with pytest.raises(BrokenPromiseError, match=r"a wrong answer: #3 .* right is \[a=one@2v1\]"):
        check_linearizable(History((*PUTS, replace(OLD, result=got(2)))))
