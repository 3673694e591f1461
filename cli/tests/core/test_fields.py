"""Text to values: what fits is taken, what does not is refused with what is accepted."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ultracloud.cli.core import flags
from ultracloud.cli.core.api import Field, Noun
from ultracloud.cli.core.bodies import from_document, patch_of_words
from ultracloud.cli.core.failures import Failure, UsageFailure
from ultracloud.cli.core.fields import check, parse_text
from ultracloud.cli.shell import index

VM = index.noun("vm")
CREATE = VM.operations["create"].body
NICS = Field("nics", "message", "Nic")
VARIABLES = Field("variables", "message", "VmVariable")
REFERENCE = {"secret": "d,b", "number": 2}
UPDATE = VM.operations["update"].body


@pytest.mark.parametrize(
    ("field", "text", "value"),
    [
        (Field("n", "integer"), "42", 42),
        (Field("n", "number"), "1.5", 1.5),
        (Field("n", "boolean"), "Yes", True),
        (Field("n", "enum", accepted=("A_B", "C")), "a-b", "A_B"),
        (Field("n", "bytes"), "hi", "aGk="),
        (Field("n", "time"), "2026-01-02T03:04:05Z", "2026-01-02T03:04:05Z"),
        (NICS, "subnet=a,security_groups=x,security_groups=y", {"subnet": "a", "security_groups": ["x", "y"]}),
        (Field("nics", "message", "Nic"), '{"subnet": "a"}', {"subnet": "a"}),
        (Field("nics", "message", "Nic"), "subnet=a\\,b", {"subnet": "a,b"}),
        (VARIABLES, "name=P,secret.secret=d\\,b,secret.number=2", {"name": "P", "secret": REFERENCE}),
    ],
)  # fmt: skip
def test_a_text_that_fits_is_taken(field: Field, text: str, value: object) -> None:
    assert parse_text(field, text, "--n", VM) == value


@pytest.mark.parametrize(
    ("field", "text", "says"),
    [
        (Field("n", "integer", low=0, high=9), "10", "--n: '10' is no whole number; accepted: 0 to 9"),
        (Field("n", "integer"), "1e3", "is no whole number"),
        (Field("n", "number"), "nan", "is no number"),
        (Field("n", "boolean"), "maybe", "is neither true nor false"),
        (Field("n", "enum", accepted=("RUNNING", "STOPPED")), "runing", "accepted: RUNNING, STOPPED"),
        (Field("n", "time"), "yesterday", "accepted: 2026-01-31T12:00:00Z"),
        (Field("nics", "message", "Nic"), "subent=a", "accepted: subnet=..., security_groups=..., address=..."),
        (Field("nics", "message", "Nic"), "subnet=a,subnet=b", "given twice"),
        (Field("nics", "message", "Nic"), "{", "is no JSON"),
        (VARIABLES, "secret.secret=a,secret.secret=b", "is given twice"),
        (VARIABLES, "name.of=a", "'name.of=a' is not understood"),
        (VARIABLES, "secret.nubmer=1", "accepted: secret=..., number=..."),
    ],
)
def test_a_text_that_does_not_fit_is_refused(field: Field, text: str, says: str) -> None:
    with pytest.raises(UsageFailure) as refused:
        parse_text(field, text, "--n", VM)
    assert says in refused.value.sentence


def test_a_file_with_an_unknown_field_names_the_nearest() -> None:
    with pytest.raises(UsageFailure) as refused:
        from_document({"name": "web", "spec": {"nics": [{"subnett": "a"}]}}, VM, CREATE)
    assert refused.value.sentence.startswith("spec.nics[0].subnett: there is no such field; accepted: subnet,")
    assert "'subnet'" in refused.value.hint


def test_a_resource_as_it_is_printed_is_a_request() -> None:
    printed = {
        "metadata": {"id": "vm-1", "name": "web", "labels": {"a": "b"}},
        "spec": {"vcpus": "4"},
        "status": {"host": "n"},
    }
    assert from_document(printed, VM, CREATE) == {"name": "web", "labels": {"a": "b"}, "spec": {"vcpus": 4}}


def test_words_of_set_are_a_merge_patch() -> None:
    words = ("vcpus=4", "spec.power=stopped", "labels.a.b/c=x", "labels.old-", "user-data-", "ssh_keys=a,b")
    assert patch_of_words(words, VM, UPDATE) == {
        "spec": {"vcpus": 4, "power": "STOPPED", "user_data": None, "ssh_keys": ["a", "b"]},
        "labels": {"a.b/c": "x", "old": None},
    }


@pytest.mark.parametrize("word", ["vcpus", "vcpu=4", "=4", "spec.=1", "status.host=x", "nics.subnet=a", "-"])
def test_a_word_that_changes_nothing_is_refused(word: str) -> None:
    with pytest.raises(UsageFailure):
        patch_of_words((word,), VM, UPDATE)


def test_flags_never_take_the_name_of_another() -> None:
    for name in index.listing():
        noun = index.noun(name)
        for operation in noun.operations.values():
            made = flags.flags_of(noun, operation.body, frozenset(), frozenset({"--project"}))
            words = [word for flag in made for word in flag.names]
            assert len(words) == len(set(words)), (name, operation.verb)
            assert "--project" not in words


@settings(max_examples=40)
@given(st.text(max_size=50))
def test_no_text_breaks_a_parser(text: str) -> None:
    for field in (*VM.fields("VmSpec"), *VM.fields("Nic"), Field("x", "any"), Field("x", "bytes")):
        try:
            json.dumps(parse_text(field, text, "--x", VM))
        except Failure as refused:
            assert refused.sentence  # noqa: PT017 - either way is right


leaves = st.none() | st.booleans() | st.integers() | st.text(max_size=5)
names = st.sampled_from(["vcpus", "nics", "x"])
trees = st.recursive(leaves, lambda t: st.lists(t, max_size=3) | st.dictionaries(names, t, max_size=3), max_leaves=9)


@given(trees)
def test_no_file_breaks_a_check(tree: object) -> None:
    spec = Field("spec", "message", "VmSpec")
    try:
        check(spec, tree, "spec", VM)  # type: ignore[arg-type]
    except Failure as refused:
        assert refused.sentence  # noqa: PT017 - either way is right


def test_a_ring_of_schemas_makes_finitely_many_flags() -> None:
    noun = Noun("x", "xs", "X", "", {}, {"X": (Field("x", "message", "X"), Field("leaf"))})
    assert len(flags.flags_of(noun, "X", frozenset(), frozenset())) <= flags.FLAGS_MAX
