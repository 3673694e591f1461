from __future__ import annotations

import pytest
from checks.stories import call, got, kv

from ultracloud.testkit.checks import BrokenPromiseError, History, LeaseBounds, check_leases, check_linearizable
from ultracloud.testkit.checks.history import Call, Get, Grant, LeaseDone, Put, Renew, Revoke, Wrote
from ultracloud.testkit.checks.order import Expiry

BOUNDS = LeaseBounds(late_ms=2000)
GRANT = call(1, 0, 10, Grant(7, 5), LeaseDone(1, 5))
PUT = call(2, 20, 30, Put("a", "one", lease=7), Wrote(2))
RENEW = call(3, 3000, 3100, Renew(7), LeaseDone(2, 5))


def gone(number: int, at_ms: float) -> Call:
    return call(number, at_ms - 1, at_ms, Get("a"), got(3))


def alive(number: int, at_ms: float) -> Call:
    return call(number, at_ms - 1, at_ms, Get("a"), got(2, kv("a", "one", 2, lease=7)))


RIGHT = {
    "dies after its time": (GRANT, PUT, gone(4, 5100)),
    "dies after its renewed time": (GRANT, PUT, RENEW, gone(4, 8001)),
    "lives a little longer": (GRANT, PUT, alive(4, 6900)),
    "is revoked": (GRANT, PUT, call(3, 50, 60, Revoke(7), LeaseDone(3)), gone(4, 70)),
    "a renewal that was lost may have come": (GRANT, PUT, call(3, 4000, None, Renew(7)), alive(4, 60_000)),
    "is gone when it is renewed too late": (GRANT, call(3, 5500, 5600, Renew(7), LeaseDone(1, 0))),
}
WRONG = {
    "died early, before 5000 ms: #1": (GRANT, PUT, gone(4, 4900)),
    "died early, before 8000 ms: #3": (GRANT, PUT, RENEW, gone(4, 7900)),
    "died early, before 5000 ms: .* seen dead by #3": (GRANT, call(3, 100, 200, Renew(7), LeaseDone(1, 0))),
    "was renewed when it was dead": (GRANT, PUT, gone(4, 5100), call(5, 5200, 5300, Renew(7), LeaseDone(2, 5))),
    "lived on, past 7010 ms: #4": (GRANT, PUT, alive(4, 7100)),
}


@pytest.mark.parametrize("name", RIGHT)
def test_a_lease_that_keeps_its_time_passes(name: str) -> None:
    history = History(RIGHT[name])
    check_leases(history, check_linearizable(history), BOUNDS)


@pytest.mark.parametrize("sentence", WRONG)
def test_a_lease_that_does_not_is_named(sentence: str) -> None:
    history = History(WRONG[sentence])
    order = check_linearizable(history)
    with pytest.raises(BrokenPromiseError, match=sentence):
        check_leases(history, order, BOUNDS)


def test_the_end_of_a_lease_is_not_guessed_while_it_was_promised_to_live() -> None:
    calls = (
        *(GRANT, PUT, RENEW),
        call(4, 0, 10, Grant(8, 3), LeaseDone(1, 3)),
        call(5, 40, 50, Put("b", "two", lease=8), Wrote(3)),
        call(6, 4000, 4100, Put("c", "three"), Wrote(5)),
        call(7, 6000, None, Revoke(7)),
        call(8, 6500, 6600, Get("a", "c"), got(6)),
    )
    order = check_linearizable(History(calls))
    assert order.at(4).cause == Expiry(8)
    check_leases(History(calls), order, BOUNDS)


def test_while_nobody_leads_leases_live_on() -> None:
    history = History(WRONG["lived on, past 7010 ms: #4"])
    check_leases(history, check_linearizable(history), LeaseBounds(late_ms=2000, quiet_from_ms=3000))
