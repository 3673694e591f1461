"""A store whose clock is wrong gives no versions that are wrong for all."""

from flaredb.core.peer_times import AHEAD_MS, HEARD_MS_MAX, PeerTimes
from flaredb.core.region import StoreId

DAY_MS = 86_400_000
NOW_MS = 20_000 * DAY_MS


def heard(*clocks_ms: int) -> PeerTimes:
    times = PeerTimes()
    for store, clock_ms in enumerate(clocks_ms, 2):
        times.note(StoreId(store), clock_ms, 1000)
    return times


def test_who_hears_nobody_believes_itself() -> None:
    assert heard().limited(NOW_MS, 1000) == NOW_MS


def test_one_clock_that_is_ahead_is_held_back_to_the_others() -> None:
    assert heard(NOW_MS, NOW_MS + 3).limited(NOW_MS + DAY_MS, 1000) == NOW_MS + 3 + AHEAD_MS
    assert heard(NOW_MS).limited(NOW_MS + DAY_MS, 1500) == NOW_MS + 500 + AHEAD_MS


def test_others_that_are_wrong_hold_nobody_back() -> None:
    assert heard(NOW_MS - DAY_MS, NOW_MS, NOW_MS + DAY_MS).limited(NOW_MS, 1000) == NOW_MS
    assert heard(NOW_MS + DAY_MS, NOW_MS + DAY_MS).limited(NOW_MS, 1000) == NOW_MS


def test_clocks_may_differ_a_little() -> None:
    assert heard(NOW_MS - 300, NOW_MS - 200).limited(NOW_MS, 1000) == NOW_MS


def test_what_was_said_long_ago_is_forgotten() -> None:
    assert heard(NOW_MS).limited(NOW_MS + DAY_MS, 1001 + HEARD_MS_MAX) == NOW_MS + DAY_MS
