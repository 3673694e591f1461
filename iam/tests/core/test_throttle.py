import pytest
from hypothesis import given
from hypothesis import strategies as st

from iam.core.throttle import PER_SOURCE, PER_USER, Rule, Tally, counted, forgiven, pause_ms
from ultracloud.base.faults import ResourceExhaustedError

RULES = st.sampled_from([PER_USER, PER_SOURCE])


@given(RULES, st.integers(0, 10_000))
def test_pauses_never_shrink_and_have_an_end(rule: Rule, failures: int):
    assert 0 <= pause_ms(failures, rule) <= pause_ms(failures + 1, rule) <= rule.pause_ms_max


def test_pauses_double():
    assert [pause_ms(failures, PER_USER) for failures in range(4, 13)] == [
        *(0, 1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000)
    ]


def test_who_comes_too_early_is_told_when_to_come_again():
    tally = Tally(failures=6, next_at_ms=11_500)
    with pytest.raises(ResourceExhaustedError, match="try again in 2 s") as refusal:
        counted(tally, PER_USER, 10_000)
    assert refusal.value.metadata == {"retry_after_s": "2"}
    assert counted(tally, PER_USER, 11_500) == Tally(7, 11_500 + 4000)


@given(RULES, st.integers(0, 50))
def test_what_was_right_leaves_the_wrong_ones_before_it(rule: Rule, failures: int):
    assert forgiven(counted(Tally(failures), rule, 0)).failures == failures


def test_a_day_of_guessing_a_user_is_a_few_thousand_guesses():
    tally, now_ms, guesses = Tally(), 0, 0
    while now_ms < 86_400_000:
        tally, guesses = counted(tally, PER_USER, now_ms), guesses + 1
        now_ms = max(now_ms, tally.next_at_ms)
    assert guesses < 1500
