"""Token buckets."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apigateway.core.rates import Buckets, Rate


def test_a_burst_is_taken_at_once_and_comes_back_in_time() -> None:
    buckets = Buckets(Rate(per_second=2, burst=3))
    taken = [buckets.take("a", 0.0) for _ in range(4)]
    assert [each and (each.is_allowed, each.left) for each in taken] == [(True, 2), (True, 1), (True, 0), (False, 0)]
    assert taken[3] is not None
    assert taken[3].reset_s == 0.5
    again = buckets.take("a", 0.5)
    assert again is not None
    assert again.is_allowed


def test_keys_do_not_share() -> None:
    buckets = Buckets(Rate(per_second=1, burst=1))
    taken = [buckets.take(key, 0.0) for key in "aab"]
    assert [each is not None and each.is_allowed for each in taken] == [True, False, True]


def test_without_a_rate_nothing_is_counted() -> None:
    buckets = Buckets(Rate())
    assert buckets.take("a", 0.0) is None
    assert len(buckets) == 0


def test_a_flood_of_keys_forgets_itself() -> None:
    buckets = Buckets(Rate(per_second=1, burst=2), keys_max=10)
    for number in range(1000):
        buckets.take(str(number), 0.0)
    assert len(buckets) == 10


@pytest.mark.parametrize(("per_second", "burst"), [(-1, 1), (1, 0)])
def test_a_rate_that_lets_nothing_through_is_refused(per_second: float, burst: int) -> None:
    with pytest.raises(ValueError, match="accepted"):
        Rate(per_second=per_second, burst=burst)


@given(st.lists(st.floats(0, 10), max_size=50), st.integers(1, 5), st.integers(1, 5))
def test_never_more_than_the_burst_and_what_came_back(steps: list[float], per_second: int, burst: int) -> None:
    buckets, now_s, allowed = Buckets(Rate(per_second=per_second, burst=burst)), 0.0, 0
    for step in steps:
        now_s += step
        taken = buckets.take("a", now_s)
        allowed += taken is not None and taken.is_allowed
    assert allowed <= burst + now_s * per_second + 1e-6
