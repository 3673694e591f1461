"""Page tokens and storage keys: pure."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ultracloud.base.faults import InvalidArgumentError
from ultracloud.servicekit.resources import layout, pages
from ultracloud.servicekit.resources.pages import Cursor
from ultracloud.servicekit.resources.selectors import EVERYTHING, Selection, select

CURSORS = st.builds(Cursor, st.integers(0, 2**63 - 1), st.binary(max_size=80), public=st.booleans())
WEB = select("a=b", "", {}, ())
ASKED = pages.question("vpc", "proj-1", WEB)


@given(CURSORS)
def test_a_token_leads_back_to_where_it_was_given(cursor: Cursor) -> None:
    assert pages.parse(pages.render(cursor, ASKED), ASKED) == cursor


@given(st.text(max_size=120))
def test_garbage_is_refused_or_the_beginning(token: str) -> None:
    if token:
        with pytest.raises(InvalidArgumentError) as refused:
            pages.parse(token, ASKED)
        assert refused.value.reason == "PAGE_TOKEN_INVALID"
    else:
        assert pages.parse(token, ASKED) == Cursor()


@given(CURSORS, st.binary(min_size=1, max_size=10), st.integers(0, 200))
def test_a_damaged_token_never_leads_outside_the_question(cursor: Cursor, noise: bytes, at: int) -> None:
    token = pages.render(cursor, ASKED)
    damaged = token[: at % len(token)] + noise.hex() + token[at % len(token) :]
    try:
        pages.parse(damaged, ASKED)
    except InvalidArgumentError:
        return


@pytest.mark.parametrize(
    ("kind", "place", "selection"),
    [
        ("subnet", "proj-1", WEB),
        ("vpc", None, WEB),
        ("vpc", "proj-1", EVERYTHING),
        ("vpc", "proj-1", select("", "a=b", {}, ("a",))),
        ("vpc", "proj-1", select("a!=b", "", {}, ())),
    ],
)
def test_a_token_of_another_question_is_refused(kind: str, place: str | None, selection: Selection) -> None:
    token = pages.render(Cursor(7, b"n/vpc/proj-1/web"), ASKED)
    with pytest.raises(InvalidArgumentError, match="belongs to a list with another project, selector or filter"):
        pages.parse(token, pages.question(kind, place, selection))


def test_a_page_size_has_bounds() -> None:
    assert [pages.page_size(size) for size in (0, 1, 1000)] == [100, 1, 1000]
    for size in (-1, 1001):
        with pytest.raises(InvalidArgumentError, match=f"page_size is {size}; accepted: 1 to 1000, or 0 for 100"):
            pages.page_size(size)


def test_keys_lead_back_to_what_they_were_made_of() -> None:
    assert layout.id_of_record_key(layout.record_key("vpc", "vpc-1")) == "vpc-1"
    assert layout.claim_of_key(layout.claim_key("subnet-1/10.0.0.5")) == "subnet-1/10.0.0.5"
    assert layout.record_key("vpc", "x").startswith(layout.record_prefix("vpc"))
    assert layout.name_key("vpc", "p", "x").startswith(layout.name_prefix("vpc", "p"))
    assert layout.name_key("vpc", "p", "x").startswith(layout.name_prefix("vpc", None))
    assert layout.public_key("image", "mini", "img-1").startswith(layout.public_prefix("image", "mini"))


@pytest.mark.parametrize("key", ["x" * 129, "new\nline", "ümlaut"])
def test_an_idempotency_key_is_short_and_printable(key: str) -> None:
    with pytest.raises(InvalidArgumentError, match="accepted: 1 to 128 printable ASCII characters"):
        layout.idempotency_key("vpc", "p", key)
