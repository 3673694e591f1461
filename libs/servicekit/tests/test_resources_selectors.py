"""Selectors: what is written, what is meant, what is refused. Pure."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ultracloud.base.faults import InvalidArgumentError
from ultracloud.servicekit.resources.selectors import Operator, Requirement, Selection, parse, select

WORDS = st.text("abcXYZ0-_./:", min_size=1, max_size=8).filter(lambda word: word not in {"in", "notin"})
VALUES = st.lists(WORDS | st.just(""), min_size=1, max_size=4, unique=True).map(lambda found: tuple(sorted(found)))
REQUIREMENTS = st.one_of(
    st.builds(Requirement, WORDS, st.sampled_from([Operator.EXISTS, Operator.ABSENT])),
    st.builds(Requirement, WORDS, st.sampled_from([Operator.IN, Operator.NOT_IN]), VALUES),
)


def rendered(one: Requirement) -> str:
    match one.operator:
        case Operator.EXISTS:
            return one.key
        case Operator.ABSENT:
            return f"!{one.key}"
        case Operator.IN | Operator.NOT_IN:
            return f"{one.key} {one.operator.value} ({','.join(one.values)})"


@given(st.lists(REQUIREMENTS, max_size=6))
def test_a_selector_means_what_was_written(wanted: list[Requirement]) -> None:
    assert parse(" , ".join(map(rendered, wanted)), "selector") == tuple(wanted)


@pytest.mark.parametrize(
    ("text", "labels", "is_met"),
    [
        ("", {}, True),
        ("tier=web", {"tier": "web"}, True),
        ("tier==web", {"tier": "db"}, False),
        ("tier=", {"tier": ""}, True),
        ("tier=", {}, False),
        ("tier!=web", {}, True),
        ("tier!=web", {"tier": "web"}, False),
        ("tier in (web, db)", {"tier": "db"}, True),
        ("tier in (web,db)", {}, False),
        ("tier notin (web,db)", {}, True),
        ("tier", {"tier": ""}, True),
        ("!tier", {"tier": ""}, False),
        ("a=1,b=2", {"a": "1"}, False),
        (" a = 1 , !c ,b", {"a": "1", "b": "2"}, True),
        ("example.com/tier=web", {"example.com/tier": "web"}, True),
    ],
)
def test_a_selector_picks_as_in_kubernetes(text: str, labels: dict[str, str], is_met: bool) -> None:  # noqa: FBT001 - a parameter of the test
    assert select(text, "", {}, ()).is_met(labels, lambda _path: ()) is is_met


@pytest.mark.parametrize(
    ("text", "at"), [("=web", 1), ("a b", 3), ("a in web", 6), ("a in (web", 10), ("a,,b", 3), ("a=b c", 5), ("!", 2)]
)
def test_a_malformed_selector_says_where_and_what_is_accepted(text: str, at: int) -> None:
    with pytest.raises(InvalidArgumentError, match=f"malformed at character {at}, .* accepted: key, !key,") as refused:
        parse(text, "selector")
    assert refused.value.reason == "SELECTOR_INVALID"


def test_a_selector_has_bounds() -> None:
    for text in ("a" * 5000, ",".join(["a"] * 33), f"a in ({','.join(map(str, range(101)))})"):
        with pytest.raises(InvalidArgumentError, match="at most"):
            parse(text, "selector")


def test_an_unknown_field_names_the_known_ones() -> None:
    with pytest.raises(InvalidArgumentError, match=r"'spec.color', .*accepted: spec.vpc, status.host"):
        select("", "spec.color=red", {}, ("status.host", "spec.vpc"))
    with pytest.raises(InvalidArgumentError, match="accepted: none; use labels"):
        select("", "spec.color=red", {}, ())


def test_a_field_exists_when_it_is_not_empty() -> None:
    known = ("spec.host",)
    assert select("", "spec.host", {}, known).is_met({}, lambda _path: {"n1"})
    assert not select("", "spec.host", {}, known).is_met({}, lambda _path: {""})
    assert select("", "!spec.host", {}, known).is_met({}, lambda _path: {""})


def test_the_same_question_written_otherwise_is_the_same() -> None:
    assert select("b,a=1", "", {}, ()) == select("a == 1 ,b", "", {}, ()) == select("b", "", {"a": "1"}, ())
    assert select("", "", {}, ()) == Selection()


@given(st.text(max_size=40))
def test_any_text_is_a_selector_or_refused(text: str) -> None:
    try:
        parse(text, "selector")
    except InvalidArgumentError as error:
        assert error.reason == "SELECTOR_INVALID"  # noqa: PT017 - both outcomes are fine
