from __future__ import annotations

import pytest
from checks.stories import Story
from hypothesis import given, settings
from hypothesis import strategies as st

from ultracloud.testkit.checks import jsonl


@given(st.integers(0, 1_000_000))
@settings(max_examples=20, deadline=None)
def test_a_history_survives_as_lines(seed: int) -> None:
    history = Story(seed, 30).history()
    assert jsonl.load(jsonl.dump(history).splitlines()) == history


@pytest.mark.parametrize("line", ["{}", "[]", '{"type":"Call"}', '{"type":"Kv","key":"a"}', "1"])
def test_other_lines_are_refused(line: str) -> None:
    with pytest.raises(ValueError, match=r"no call and no watch|no record has the type|not a"):
        jsonl.parse(line)
