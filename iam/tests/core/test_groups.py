"""Groups: who may be in them, and who may change that."""

import pytest

from iam.core.admission import MEMBERS_MAX, BindingDraft, admit_binding, admit_members
from iam.core.references import resolve_member, resolve_principal
from iam.testing import ACME, ACME_PATH, ADA, BLUE, BLUE_PATH, BOSS, CI, EVIL, MALLORY, NETADMIN, RED, SECRET, WEB, who
from ultracloud.base.faults import InvalidArgumentError, NotFoundError, PermissionDeniedError
from ultracloud.base.policy import Binding, Group, Policy, User, project_path
from ultracloud.base.principals import user_principal

LETTERS = 26
ANN, EVE = User(f"usr-{'a' * LETTERS}", "ann", ACME.id), User(f"usr-{'b' * LETTERS}", "eve", EVIL.id)
ANN_ID, EVE_ID = f"user:{ANN.id}", f"user:{EVE.id}"
DEVS = Group(f"grp-{'a' * LETTERS}", "devs", ACME.id, (ANN_ID,))
FOES = Group(f"grp-{'b' * LETTERS}", "foes", EVIL.id)
DEVS_ID = f"group:{DEVS.id}"


def world(*bindings: Binding) -> Policy:
    """Two tenants, each with a user and a group; the boss owns acme, ci administers blue, mallory owns evil."""
    given = (
        Binding("b-boss", "owner", (who(BOSS).id,), ACME_PATH),
        Binding("b-ci", "admin", (who(CI).id,), BLUE_PATH),
        Binding("b-mallory", "owner", (who(MALLORY).id,), f"organisations/{EVIL.id}"),
    )
    return Policy(
        1,
        (ACME, EVIL),
        (BLUE, RED, SECRET),
        (WEB, CI, BOSS, MALLORY),
        (NETADMIN,),
        (*given, *bindings),
        users=(ANN, EVE),
        groups=(DEVS, FOES),
    )


def bound(role: str, where: str, *, deny: bool = False) -> Binding:
    return Binding(f"b-{role}", role, (DEVS_ID,), where, deny)


def test_users_and_groups_are_known_by_name_in_an_organisation_one_knows_and_by_id_everywhere():
    for text, found in {
        "user:ann@acme": ANN_ID,
        f"user:ann@{ACME.id}": ANN_ID,
        ANN_ID: ANN_ID,
        EVE_ID: EVE_ID,
        "group:devs@acme": DEVS_ID,
        f"group:{FOES.id}": f"group:{FOES.id}",
    }.items():
        assert resolve_principal(world(), who(BOSS), text) == found
    assert resolve_principal(world(), who(ADA), "user:eve@evil") == EVE_ID


@pytest.mark.parametrize(
    "text", ["user:eve@evil", "user:eve@nowhere", "user:nobody@acme", f"user:usr-{'z' * LETTERS}", "group:foes@evil"]
)
def test_what_is_another_tenants_by_name_and_what_is_not_there_get_the_same_answer(text: str):
    with pytest.raises(NotFoundError):
        resolve_principal(world(), who(BOSS), text)


@pytest.mark.parametrize("text", ["user:ann", "group:", "user:@acme", "group:devs@acme@acme"])
def test_a_malformed_user_is_none(text: str):
    with pytest.raises((InvalidArgumentError, NotFoundError)):
        resolve_principal(world(), who(BOSS), text)


def test_members_are_users_and_service_accounts_also_of_others_by_id():
    asked = ("user:ann@acme", "serviceaccount:blue/web", EVE_ID, who(MALLORY).id, ANN_ID)
    stored = admit_members(world(), who(BOSS), DEVS, asked)
    assert stored == (ANN_ID, who(WEB).id, EVE_ID, who(MALLORY).id)


@pytest.mark.parametrize("text", [DEVS_ID, "group:devs@acme", ADA, "spiffe://ultracloud.local/service/iam"])
def test_groups_and_machines_are_no_members(text: str):
    with pytest.raises(InvalidArgumentError, match="is neither a user nor a service account"):
        resolve_member(world(), who(BOSS), text)


def test_a_group_has_an_end():
    with pytest.raises(InvalidArgumentError, match="at most"):
        admit_members(world(), who(BOSS), DEVS, [ANN_ID] * (MEMBERS_MAX + 1))


def test_nobody_joins_or_leaves_a_group_that_holds_more_than_who_changes_it():
    policy = world(bound("owner", BLUE_PATH))
    for members in ((ANN_ID, who(CI).id), ()):
        with pytest.raises(PermissionDeniedError, match="you may not change who is in group 'devs'") as refusal:
            admit_members(policy, who(CI), DEVS, members)
        assert refusal.value.reason == "ESCALATION"
        assert admit_members(policy, who(BOSS), DEVS, members) == members
    assert admit_members(policy, who(CI), DEVS, DEVS.members) == DEVS.members


def test_a_deny_of_a_group_does_not_take_in_somebody_with_more_power():
    policy = world(bound("viewer", BLUE_PATH, deny=True))
    with pytest.raises(PermissionDeniedError, match="somebody who holds more"):
        admit_members(policy, who(CI), DEVS, (ANN_ID, who(BOSS).id))
    assert admit_members(policy, who(CI), DEVS, (ANN_ID, who(WEB).id))


def test_a_deny_to_a_group_looks_at_each_member():
    group = Group(DEVS.id, "devs", ACME.id, (who(BOSS).id,))
    policy = Policy(1, (ACME,), (BLUE,), (BOSS, CI), (), world().bindings, groups=(group,))
    draft = BindingDraft("viewer", (DEVS_ID,), "projects/blue", deny=True)
    with pytest.raises(PermissionDeniedError, match="somebody who holds more"):
        admit_binding(policy, who(CI), ACME.id, draft)


def test_another_tenant_that_binds_a_group_keeps_nobody_from_changing_it():
    policy = world(bound("owner", f"organisations/{EVIL.id}"))
    assert admit_members(policy, who(BOSS), DEVS, ()) == ()


def test_what_an_operator_gives_to_a_group_at_the_root_is_not_its_admins_to_give_on():
    with pytest.raises(PermissionDeniedError):
        admit_members(world(bound("viewer", "")), who(BOSS), DEVS, (ANN_ID, who(WEB).id))


def test_what_is_held_through_a_group_is_held():
    policy = world(bound("admin", project_path(BLUE)))
    draft = BindingDraft("developer", (who(WEB).id,), "projects/blue", deny=False)
    assert admit_binding(policy, user_principal(ANN.id, ACME.id), ACME.id, draft).role == "developer"


def test_what_is_held_under_a_condition_is_not_given_on():
    policy = world(Binding("b-cond", "admin", (ANN_ID,), BLUE_PATH, condition="true"))
    draft = BindingDraft("developer", (who(WEB).id,), "projects/blue", deny=False)
    with pytest.raises(PermissionDeniedError, match="you do not hold"):
        admit_binding(policy, user_principal(ANN.id, ACME.id), ACME.id, draft)


def test_what_is_denied_under_a_condition_is_not_given_on_either():
    policy = world(
        Binding("b-admin", "admin", (ANN_ID,), BLUE_PATH),
        Binding("b-deny", "viewer", (ANN_ID,), BLUE_PATH, deny=True, condition="false"),
    )
    draft = BindingDraft("viewer", (who(WEB).id,), "projects/blue", deny=False)
    with pytest.raises(PermissionDeniedError):
        admit_binding(policy, user_principal(ANN.id, ACME.id), ACME.id, draft)


def test_a_condition_that_does_not_parse_is_refused_and_one_that_does_is_kept():
    draft = BindingDraft("viewer", (who(WEB).id,), "projects/blue", deny=False, condition=" context.now < ")
    with pytest.raises(InvalidArgumentError, match=r"condition 'context.now <' is no Cedar expression"):
        admit_binding(world(), who(BOSS), ACME.id, draft)
    fine = BindingDraft("viewer", (who(WEB).id,), "projects/blue", deny=False, condition=" 1 < 2 ")
    assert admit_binding(world(), who(BOSS), ACME.id, fine).condition == "1 < 2"
