import pytest
from hypothesis import given
from hypothesis import strategies as st

from iam.core.session_tokens import REPEAT_MS, RefreshToken, Use, judge, parse_refresh, render_refresh

KEY, OTHER = bytes(32), bytes([1] * 32)
TOKENS = st.builds(RefreshToken, st.just("usr-" + "a" * 26), st.just("ses-" + "b" * 26), st.integers(1, 10**9))


@given(TOKENS)
def test_a_token_is_read_as_it_was_made_and_only_with_its_key(token: RefreshToken):
    text = render_refresh(token, KEY)
    assert parse_refresh(text, KEY) == token
    assert parse_refresh(text, OTHER) is None


@given(TOKENS, st.integers(0, 200), st.characters(codec="ascii"))
def test_no_character_of_a_token_can_change(token: RefreshToken, at: int, character: str):
    text = render_refresh(token, KEY)
    at %= len(text)
    changed = text[:at] + character + text[at + 1 :]
    assert changed == text or parse_refresh(changed, KEY) is None


@given(st.text(max_size=200))
def test_garbage_is_nobodys(text: str):
    assert parse_refresh(text, KEY) is None


@pytest.mark.parametrize(
    ("presented", "now_ms", "use"),
    [
        (7, 10**6, Use.NEWEST),
        (6, 1000 + REPEAT_MS - 1, Use.REPEATED),
        (6, 1000 + REPEAT_MS, Use.REUSED),
        (5, 1000, Use.REUSED),
        (8, 1000, Use.REUSED),
    ],
)
def test_only_the_newest_is_good_and_the_one_before_for_a_moment(presented: int, now_ms: int, use: Use):
    assert judge(presented, 7, 1000, now_ms) is use
