import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ultracloud.base.faults import InvalidArgumentError
from ultracloud.base.ids import make_id
from ultracloud.base.names import LABELS_MAX, check_labels, check_name


@pytest.mark.parametrize("name", ["a", "web", "web-1", "a" * 63, "x0", "vm-1", "a--b"])
def test_names(name: str):
    assert check_name(name) == name


@pytest.mark.parametrize(
    "name",
    ["", "1a", "-a", "a-", "A", "a_b", "a.b", "a b", "ä", "a" * 64, "a/b", "a\n", "a\0", "../a", "a\u202eb", "a\n\n"],
)
def test_what_is_no_name_is_refused_and_says_what_is_accepted(name: str):
    with pytest.raises(InvalidArgumentError, match="accepted: 1 to 63 lower-case letters") as refusal:
        check_name(name)
    assert refusal.value.reason == "NAME_INVALID"


def test_a_name_that_looks_like_an_id_is_refused():
    with pytest.raises(InvalidArgumentError, match="looks like an id"):
        check_name(make_id("vm", 1, b"0123456789"))


def test_the_refusal_says_which_field():
    with pytest.raises(InvalidArgumentError, match="project 'A' is not a name"):
        check_name("A", "project")


@given(st.text(max_size=200))
def test_any_text_is_a_dns_label_or_refused_in_printable_ascii(text: str):
    if re.fullmatch(r"[a-z]([a-z0-9-]{0,61}[a-z0-9])?", text):
        assert check_name(text) == text
        return
    with pytest.raises(InvalidArgumentError) as refusal:
        check_name(text)
    assert refusal.value.public.isascii()
    assert refusal.value.public.isprintable()
    assert len(refusal.value.public) < 1000


def test_labels():
    labels = {"app": "web", "example.org/team_1": "", "0": "Ünïcode is fine here"}
    assert check_labels(labels) == labels


@pytest.mark.parametrize("labels", [{"": "x"}, {"A": "x"}, {"a": "x\n"}, {"a": "x" * 256}, {"a" * 64: "x"}, {"a ": ""}])
def test_a_malformed_label_is_refused(labels: dict[str, str]):
    with pytest.raises(InvalidArgumentError) as refusal:
        check_labels(labels)
    assert refusal.value.reason == "LABELS_INVALID"


def test_too_many_labels_are_refused():
    with pytest.raises(InvalidArgumentError, match=f"at most {LABELS_MAX}"):
        check_labels({f"k{number}": "" for number in range(LABELS_MAX + 1)})
