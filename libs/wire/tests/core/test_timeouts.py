from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ultracloud.wire.core.timeouts import TIMEOUT_S_MAX, parse_timeout


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("1H", 3600), ("2M", 120), ("3S", 3), ("1500m", 1.5), ("20u", 0.00002), ("0n", 0), ("00000001S", 1)],
)
def test_each_unit_is_read(text: str, seconds: float) -> None:
    assert parse_timeout(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "S", "1", "1s", "-1S", "+1S", "1.5S", "123456789S", " 1S", "1S ", "\u0661S"])
def test_what_is_no_timeout_is_none(text: str) -> None:
    assert parse_timeout(text) is None


def test_a_timeout_longer_than_any_call_is_cut() -> None:
    assert parse_timeout("99999999H") == TIMEOUT_S_MAX


@given(st.text(max_size=12))
def test_no_text_breaks_the_parser(text: str) -> None:
    seconds = parse_timeout(text)
    assert seconds is None or 0 <= seconds <= TIMEOUT_S_MAX
