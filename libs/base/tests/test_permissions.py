import pytest
from hypothesis import given
from hypothesis import strategies as st

from ultracloud.base.faults import InvalidArgumentError
from ultracloud.base.permissions import check_pattern, check_permission, covers, generalised, overlap

WORDS = st.sampled_from(["a", "b"])
PERMISSIONS = st.tuples(WORDS, WORDS, WORDS).map(".".join)
PARTS = st.sampled_from(["a", "b", "*"])
PATTERNS = st.tuples(PARTS, PARTS, PARTS).map(".".join)
UNIVERSE = [f"{one}.{two}.{three}" for one in "ab" for two in "ab" for three in "ab"]


def matched(pattern: str) -> set[str]:
    """What `pattern` matches, said the slow and plain way."""
    return {
        permission
        for permission in UNIVERSE
        if all(part in ("*", word) for part, word in zip(pattern.split("."), permission.split("."), strict=True))
    }


@pytest.mark.parametrize(
    ("text", "whole"),
    [
        ("*", "*.*.*"),
        ("prismnet.*", "prismnet.*.*"),
        ("*.get", "*.*.get"),
        ("prismnet.vpcs.*", "prismnet.vpcs.*"),
        ("prismnet.*.get", "prismnet.*.get"),
        ("prismnet.vpcs.create", "prismnet.vpcs.create"),
    ],
)
def test_every_form_has_one_whole_form(text: str, whole: str):
    assert check_pattern(text) == whole
    assert check_pattern(whole) == whole


@pytest.mark.parametrize(
    "text",
    [
        "",
        ".",
        "prismnet",
        "prismnet.vpcs",
        "*.*",
        "a.b.c.d",
        "a..c",
        "A.b.c",
        "a.b.c*",
        "a.b c.d",
        "a.b.",
        "**",
        "ä.b.c",
    ],
)
def test_what_is_no_pattern_is_refused(text: str):
    with pytest.raises(InvalidArgumentError, match="malformed; accepted") as refusal:
        check_pattern(text)
    assert refusal.value.reason == "PERMISSION_INVALID"


@pytest.mark.parametrize("text", ["*", "a.*", "a.b", "a.b.*", "*.b.c", "", "a.b.c.d"])
def test_a_pattern_is_no_permission(text: str):
    with pytest.raises(InvalidArgumentError):
        check_permission(text)


def test_a_permission():
    assert check_permission("prismnet.vpcs.create") == "prismnet.vpcs.create"


@given(PERMISSIONS, PATTERNS)
def test_generalised_is_exactly_the_patterns_that_match(permission: str, pattern: str):
    assert (pattern in generalised(permission)) == (permission in matched(pattern))


@pytest.mark.parametrize("text", ["", "a", "a.b", "a.b.c.d"])
def test_nothing_matches_what_is_no_permission(text: str):
    assert generalised(text) == ()


@given(st.frozensets(PATTERNS, max_size=4), PATTERNS)
def test_covers_never_says_yes_too_much(held: frozenset[str], pattern: str):
    if covers(held, pattern):
        assert any(matched(pattern) <= matched(one) for one in held)


@given(PATTERNS, PATTERNS)
def test_one_pattern_covers_another_when_it_matches_all_of_it(held: str, pattern: str):
    # With two words and a star, a star matches strictly more than either word.
    assert covers(frozenset({held}), pattern) == (matched(pattern) <= matched(held))


@given(PATTERNS, PATTERNS)
def test_overlap_is_a_common_permission(left: str, right: str):
    assert overlap(left, right) == bool(matched(left) & matched(right))
