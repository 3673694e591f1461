"""Decisions for users and groups, under conditions, and with tokens that are revoked or narrowed."""

import pytest

from ultracloud.base.conditions import Circumstances
from ultracloud.base.faults import PermissionDeniedError
from ultracloud.base.narrowing import Narrowing
from ultracloud.base.policy import (
    Binding,
    Delta,
    Group,
    Organisation,
    Policy,
    Principal,
    PrincipalKind,
    Project,
    Revocation,
    ServiceAccount,
    User,
    decide,
    require,
)

BLUE = "organisations/org-acme/projects/project-blue"
VPC = f"{BLUE}/vpcs/vpc-1"
ADA = Principal("user:usr-ada", PrincipalKind.USER, "org-acme", session="session-1", issued_at_ms=1000)
BOB = Principal("user:usr-bob", PrincipalKind.USER, "org-acme")
WEB = Principal("serviceaccount:sa-web", PrincipalKind.SERVICE_ACCOUNT, "org-acme", "project-blue")
DEVS = "group:grp-devs"


def world(*bindings: Binding, disabled: bool = False, revocations: tuple[Revocation, ...] = ()) -> Policy:
    return Policy(
        1,
        (Organisation("org-acme", "acme"),),
        (Project("project-blue", "blue", "org-acme"),),
        (ServiceAccount("sa-web", "web", "project-blue"),),
        (),
        bindings,
        users=(User("usr-ada", "ada", "org-acme", disabled), User("usr-bob", "bob", "org-acme")),
        groups=(Group("grp-devs", "devs", "org-acme", (ADA.id, WEB.id)),),
        revocations=revocations,
    )


def bind(role: str, principal: str, *, deny: bool = False, condition: str = "", where: str = BLUE) -> Binding:
    return Binding(f"{role}-{deny}-{condition}-{where}", role, (principal,), where, deny, role, condition)


def allows(policy: Policy, principal: Principal, verb: str = "get", where: str = VPC) -> bool:
    return decide(
        policy, principal, f"prismnet.vpcs.{verb}", where, lambda: Circumstances(7000, {"tier": "web"})
    ).allowed


def test_a_group_gives_its_members_what_is_bound_to_it_and_nobody_else():
    policy = world(bind("viewer", DEVS))
    assert allows(policy, ADA)
    assert allows(policy, WEB)
    assert not allows(policy, BOB)


def test_who_leaves_a_group_loses_what_it_gives_at_once():
    policy = world(bind("viewer", DEVS))
    assert allows(policy, ADA)
    policy = policy.advanced(Delta(2, put=(Group("grp-devs", "devs", "org-acme", (WEB.id,)),)))
    assert not allows(policy, ADA)
    assert allows(policy, WEB)


@pytest.mark.parametrize("where", ["", "organisations/org-acme", BLUE, VPC])
def test_a_deny_to_a_group_beats_every_allow_to_its_members_wherever_it_stands(where: str):
    policy = world(bind("owner", ADA.id), bind("viewer", DEVS, deny=True, where=where))
    assert not allows(policy, ADA)
    assert allows(policy, ADA, "create")


def test_a_group_is_no_caller():
    asking = Principal(DEVS, PrincipalKind.USER, "org-acme")
    assert not allows(world(bind("owner", DEVS)), asking)


@pytest.mark.parametrize(
    ("condition", "holds"),
    [("true", True), ("false", False), ('context.labels.tier == "web"', True), ("1 < action", None)],
)
def test_under_a_condition_an_allow_and_a_deny_hold_while_it_does(condition: str, *, holds: bool | None):
    """And where it comes to nothing (None), the allow does not hold and the deny does."""
    assert allows(world(bind("viewer", ADA.id, condition=condition)), ADA) is bool(holds)
    denied = world(bind("viewer", ADA.id), bind("viewer", DEVS, deny=True, condition=condition))
    assert allows(denied, ADA) is (holds is False)


def test_what_a_condition_decides_is_asked_anew_each_time():
    policy = world(bind("viewer", ADA.id, condition="context.now < datetime('1970-01-01T00:00:08Z')".replace("'", '"')))
    question = (policy, ADA, "prismnet.vpcs.get", VPC)
    assert decide(*question, lambda: Circumstances(7000)).allowed
    assert not decide(*question, lambda: Circumstances(9000)).allowed


def test_without_conditions_nobody_asks_what_time_it_is():
    def never() -> Circumstances:
        raise AssertionError("asked for the circumstances")

    policy = world(bind("viewer", ADA.id), bind("owner", BOB.id, condition="true"))
    assert decide(policy, ADA, "prismnet.vpcs.get", VPC, never).allowed
    assert not decide(policy, ADA, "prismnet.vpcs.create", VPC, never).allowed


def test_a_disabled_or_deleted_user_is_refused_whatever_is_bound():
    with pytest.raises(PermissionDeniedError, match="user ada is disabled; ask an admin of its organisation to enable"):
        require(decide(world(bind("owner", ADA.id), disabled=True), ADA, "prismnet.vpcs.get", VPC))
    gone = world(bind("owner", ADA.id)).advanced(Delta(2, removed=("usr-ada",)))
    assert "does not exist (any more)" in decide(gone, ADA, "prismnet.vpcs.get", VPC).reason


def test_a_revoked_session_is_refused_and_another_one_is_not():
    policy = world(bind("owner", ADA.id), revocations=(Revocation("session-1", ADA.id, 0, 9000),))
    other = Principal(ADA.id, PrincipalKind.USER, "org-acme", session="session-2")
    assert "your session has been revoked" in decide(policy, ADA, "prismnet.vpcs.get", VPC).reason
    assert allows(policy, other)


def test_tokens_from_before_a_moment_are_refused_from_the_next_request_on():
    policy = world(bind("owner", ADA.id))
    assert allows(policy, ADA)
    policy = policy.advanced(Delta(2, revocations=(Revocation("", ADA.id, 1001, 9000),)))
    assert not allows(policy, ADA)
    assert allows(policy, Principal(ADA.id, PrincipalKind.USER, "org-acme", issued_at_ms=1001))


def test_a_narrowed_token_does_not_use_what_a_whole_one_was_allowed():
    policy = world(bind("owner", ADA.id))
    assert allows(policy, ADA, "create")
    narrowed = Principal(ADA.id, PrincipalKind.USER, "org-acme", narrowings=(Narrowing("", frozenset({"*.*.get"})),))
    assert allows(policy, narrowed)
    assert not allows(policy, narrowed, "create")


def test_a_decision_in_a_project_is_not_that_of_a_resource_with_a_binding_of_its_own():
    policy = world(bind("viewer", ADA.id), bind("viewer", ADA.id, deny=True, where=VPC))
    assert allows(policy, ADA, where=f"{BLUE}/vpcs/vpc-2")
    assert not allows(policy, ADA, where=VPC)
