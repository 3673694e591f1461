"""The clock of a store does not jump, and follows a wall clock that was set in the end."""

from hypothesis import given
from hypothesis import strategies as st

from flaredb.core.steady_clock import JUMP_MS, SteadyClock

DAY_MS = 86_400_000


def test_it_is_the_wall_clock_while_that_goes_on() -> None:
    clock = SteadyClock()
    assert [clock.tell(1_000_000 + ms, 5 + ms) for ms in range(0, 5000, 7)] == list(range(1_000_000, 1_005_000, 7))


def test_a_jump_is_not_followed_but_approached() -> None:
    clock = SteadyClock()
    clock.tell(DAY_MS, 0)
    assert clock.tell(2 * DAY_MS + 1000, 1000) == DAY_MS + 1002
    assert clock.has_jumped
    assert clock.tell(10_000, 2000) == DAY_MS + 2000  # a day back: it goes slower


def test_a_clock_that_was_set_right_is_followed_in_the_end() -> None:
    clock = SteadyClock()
    clock.tell(1000, 0)
    for ms in range(0, 600_000, 10):
        told = clock.tell(2000 + ms, ms)
    assert told == 2000 + 599_990
    assert not clock.has_jumped


@given(st.lists(st.tuples(st.integers(-DAY_MS, DAY_MS), st.integers(0, 5000)), max_size=50))
def test_it_never_goes_back_and_never_faster_than_it_may(steps: list[tuple[int, int]]) -> None:
    clock, monotonic_ms = SteadyClock(), 0
    told = clock.tell(DAY_MS, 0)
    for jump_ms, passed_ms in steps:
        monotonic_ms += passed_ms
        before, told = told, clock.tell(DAY_MS + monotonic_ms + jump_ms, monotonic_ms)
        assert before <= told <= before + passed_ms + JUMP_MS
