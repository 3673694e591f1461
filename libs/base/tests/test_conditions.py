import pytest
from hypothesis import given
from hypothesis import strategies as st

from ultracloud.base.conditions import (
    CONDITION_LENGTH_MAX,
    Circumstances,
    Request,
    check_condition,
    compile_condition,
    values_of,
)
from ultracloud.base.faults import InvalidArgumentError
from ultracloud.base.principals import Principal, PrincipalKind

ADA = Principal("user:usr-1", PrincipalKind.USER, "org-1", source="10.1.2.3:5555")
VPC = "organisations/org-1/projects/project-1/vpcs/vpc-1"
NOW_MS = 1_700_000_000_000
"""2023-11-14T22:13:20Z, a Tuesday."""


def ask(text: str, principal: Principal = ADA, circumstances: Circumstances | None = None) -> bool | str:
    """What an expression comes to, or why it comes to nothing."""
    known = circumstances or Circumstances(NOW_MS, {"tier": "web"})
    outcome = compile_condition(text).outcome(Request(principal, ("group:grp-1",), "prismnet.vpcs.get", VPC, known))
    return outcome.failure or outcome.is_true


@pytest.mark.parametrize(
    "text",
    [
        'principal == User::"usr-1"',
        'principal in Group::"grp-1"',
        'principal.organisation == "org-1"',
        'action == Action::"prismnet.vpcs.get"',
        f'resource == Resource::"{VPC}"',
        'resource in Resource::"organisations/org-1/projects/project-1"',
        'resource in Resource::""',
        'resource.kinds == "vpcs" && resource.project == "project-1"',
        'resource.labels.tier == "web"',
        'context.labels has tier && context.labels["tier"] == "web"',
        'context.project == "project-1" && context.organisation == "org-1"',
        'context.now < datetime("2024-01-01")',
        'context.now.toTime() > duration("22h") && context.now.toTime() < duration("23h")',
        'context.source_address.isInRange(ip("10.0.0.0/8"))',
    ],
)
def test_a_condition_knows_who_asks_what_where_and_when(text: str):
    assert ask(text) is True


def test_a_machine_is_named_by_its_certificate():
    agent = Principal("spiffe://ultracloud.local/agent/prismnet/node-1", PrincipalKind.AGENT, source="[::1]:7000")
    assert ask('principal == Agent::"spiffe://ultracloud.local/agent/prismnet/node-1"', agent) is True
    assert ask('context.source_address == ip("::1")', agent) is True


@pytest.mark.parametrize(
    "text", ["context.now > context.now", 'context.source_address.isInRange(ip("10.0.0.0/8"))', "context.labels.tier"]
)
def test_what_is_not_known_makes_a_condition_fail(text: str):
    nobody = Principal("user:usr-1", PrincipalKind.USER)
    said = ask(text, nobody, Circumstances())
    assert isinstance(said, str)
    assert "attribute" in said


def test_an_address_that_is_none_makes_a_condition_fail():
    assert isinstance(ask("true", Principal("user:usr-1", PrincipalKind.USER, source="unix:@")), str)


@pytest.mark.parametrize(
    "text",
    [
        "1 +",
        "",
        "true }; permit(principal, action, resource) when { true",
        "false } unless { false",
        "} forbid(principal,",
        "principal == ?principal",
        "(" * 900,
        "x" * (CONDITION_LENGTH_MAX + 1),
    ],
)
def test_what_is_no_single_expression_is_refused(text: str):
    if text:
        with pytest.raises(InvalidArgumentError) as refusal:
            check_condition(text)
        assert refusal.value.reason == "CONDITION_INVALID"
    assert check_condition("") == ""


def test_a_refusal_says_what_is_wrong_and_what_is_accepted():
    with pytest.raises(
        InvalidArgumentError, match=r"'1 \+' is no Cedar expression: unexpected token .*; accepted: an exp"
    ):
        check_condition("1 +")


@given(st.text(max_size=40))
def test_no_text_is_more_than_a_condition(text: str):
    compiled = compile_condition(text)
    assert (compiled.policies is None) == bool(compiled.failure)
    if compiled.policies is not None:
        assert ask(f"({text}\n) && false") in (False, ask(f"({text}\n) && false"))


@given(st.integers(1, 4_102_444_800_000))
def test_the_time_is_exact_to_the_millisecond(now_ms: int):
    shown = values_of(Request(ADA, (), "a.b.c", "", Circumstances(now_ms)))["now"].strip('"')
    assert ask(f'context.now == datetime("{shown}")', circumstances=Circumstances(now_ms)) is True
    assert ask(f'context.now == datetime("{shown}")', circumstances=Circumstances(now_ms + 1)) is False


def test_what_was_asked_with_can_be_shown():
    shown = values_of(Request(ADA, (), "a.b.c", VPC, Circumstances(NOW_MS, {"tier": "web"})))
    assert shown == {
        "labels": '{"tier": "web"}',
        "now": '"2023-11-14T22:13:20.000Z"',
        "organisation": '"org-1"',
        "project": '"project-1"',
        "source_address": '"10.1.2.3"',
    }
