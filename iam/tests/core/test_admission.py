import pytest

from iam.core.admission import (
    PRINCIPALS_MAX,
    QUOTAS_MAX,
    BindingDraft,
    Share,
    admit_binding,
    admit_binding_deletion,
    admit_organisation_quotas,
    admit_quotas,
    admit_role,
    admit_role_change,
    organisation_of,
    require_empty,
)
from iam.testing import (
    ACME,
    ACME_PATH,
    ADA,
    BLUE_PATH,
    BOSS,
    CI,
    EVIL,
    MALLORY,
    NETADMIN,
    RED_PATH,
    SECRET,
    WEB,
    bind,
    who,
    world,
)
from ultracloud.base.faults import FailedPreconditionError, InvalidArgumentError, NotFoundError, PermissionDeniedError
from ultracloud.base.permissions import PERMISSIONS_MAX
from ultracloud.base.policy import Role

TYPICAL = world(bind("owner", BOSS, ACME_PATH), bind("admin", CI, BLUE_PATH), bind("owner", ADA, ""))


def draft(
    role: str = "developer", *principals: str, resource: str = "projects/blue", deny: bool = False
) -> BindingDraft:
    return BindingDraft(role, principals or ("serviceaccount:blue/web",), resource, deny)


# ---- bindings ------------------------------------------------------------------------------------------------------


def test_a_binding_is_stored_with_ids():
    stored = admit_binding(TYPICAL, who(BOSS), ACME.id, draft("netadmin"))
    assert stored == BindingDraft(NETADMIN.id, (who(WEB).id,), BLUE_PATH, deny=False)


def test_a_stored_binding_is_admitted_as_it_is():
    stored = admit_binding(TYPICAL, who(BOSS), ACME.id, draft("netadmin"))
    assert admit_binding(TYPICAL, who(BOSS), ACME.id, stored) == stored


def test_a_principal_named_twice_is_stored_once():
    stored = admit_binding(TYPICAL, who(BOSS), ACME.id, draft("viewer", "serviceaccount:blue/web", who(WEB).id))
    assert stored.principals == (who(WEB).id,)


def test_an_admin_of_a_project_gives_there_what_it_holds():
    assert admit_binding(TYPICAL, who(CI), ACME.id, draft("admin")).role == "admin"


@pytest.mark.parametrize(
    ("role", "resource"), [("owner", "projects/blue"), ("viewer", "projects/red"), ("viewer", "organisations/acme")]
)
def test_nobody_gives_more_than_they_hold(role: str, resource: str):
    with pytest.raises(PermissionDeniedError, match=f"you may not bind role {role} on ") as refusal:
        admit_binding(TYPICAL, who(CI), ACME.id, draft(role, resource=resource))
    assert refusal.value.reason == "ESCALATION"


def test_nobody_makes_themselves_owner():
    with pytest.raises(PermissionDeniedError):
        admit_binding(TYPICAL, who(CI), ACME.id, draft("owner", who(CI).id))


def test_operators_bind_at_the_root():
    stored = admit_binding(
        TYPICAL, who(ADA), "", draft("viewer", "spiffe://ultracloud.local/operator/bob", resource="")
    )
    assert stored.resource == ""


@pytest.mark.parametrize("resource", ["", "organisations/evil", "projects/evil/secret", "hosts/node-1"])
def test_a_binding_reaches_nothing_outside_its_organisation(resource: str):
    with pytest.raises((InvalidArgumentError, NotFoundError)) as refusal:
        admit_binding(TYPICAL, who(ADA), ACME.id, draft("viewer", resource=resource))
    assert refusal.value.reason in ("RESOURCE_ELSEWHERE", "RESOURCE_INVALID", "ORGANISATION_NOT_FOUND")


def test_the_refusal_of_another_organisations_resource_says_which_it_belongs_to():
    with pytest.raises(InvalidArgumentError, match="'organisations/evil' is not in organisations/acme, to which"):
        admit_binding(TYPICAL, who(ADA), ACME.id, draft("viewer", resource="organisations/evil"))


@pytest.mark.parametrize("count", [0, PRINCIPALS_MAX + 1])
def test_a_binding_has_some_principals_but_not_too_many(count: int):
    principals = tuple(f"spiffe://ultracloud.local/operator/o{number}" for number in range(count))
    with pytest.raises(InvalidArgumentError, match=f"1 to {PRINCIPALS_MAX} principals; this has {count}"):
        admit_binding(TYPICAL, who(BOSS), ACME.id, BindingDraft("viewer", principals, "projects/blue", deny=False))


def test_another_tenants_account_cannot_be_bound_by_id_or_by_name():
    for principal in (who(MALLORY).id, "serviceaccount:secret/mallory", "serviceaccount:evil/secret/mallory"):
        with pytest.raises(NotFoundError):
            admit_binding(TYPICAL, who(BOSS), ACME.id, draft("viewer", principal))


# ---- denies --------------------------------------------------------------------------------------------------------


def test_whoever_holds_a_power_may_deny_it_to_those_who_hold_no_more():
    assert admit_binding(TYPICAL, who(CI), ACME.id, draft("developer", deny=True)).deny


def test_nobody_denies_anything_to_somebody_with_more_power():
    with pytest.raises(PermissionDeniedError, match="deny role developer to somebody who holds more on projects/blue"):
        admit_binding(TYPICAL, who(CI), ACME.id, draft("developer", who(BOSS).id, deny=True))


@pytest.mark.parametrize("principal", [ADA, "spiffe://ultracloud.local/service/plasmavmc"])
def test_a_tenant_denies_nothing_to_operators_and_services(principal: str):
    with pytest.raises(PermissionDeniedError, match="names users, groups and service accounts only"):
        admit_binding(TYPICAL, who(BOSS), ACME.id, draft("viewer", principal, deny=True))


def test_nobody_lifts_the_deny_that_is_on_themselves():
    denial = bind("developer", CI, BLUE_PATH, deny=True)
    policy = world(bind("admin", CI, BLUE_PATH), bind("owner", BOSS, ACME_PATH), denial)
    stored = BindingDraft(denial.role, denial.principals, denial.resource, deny=True)
    with pytest.raises(PermissionDeniedError, match="you may not deny role developer on projects/blue"):
        admit_binding_deletion(policy, who(CI), stored)
    admit_binding_deletion(policy, who(BOSS), stored)


# ---- roles ---------------------------------------------------------------------------------------------------------


def test_a_role_is_stored_as_written():
    assert admit_role(TYPICAL, who(BOSS), ACME.id, "net", ("prismnet.*", "*.get", "*.get")) == ("prismnet.*", "*.get")


@pytest.mark.parametrize("name", ["viewer", "owner"])
def test_a_role_does_not_take_a_built_in_name(name: str):
    with pytest.raises(InvalidArgumentError, match=f"role '{name}' is built in"):
        admit_role(TYPICAL, who(BOSS), ACME.id, name, ("*.get",))


@pytest.mark.parametrize("count", [0, PERMISSIONS_MAX + 1])
def test_a_role_has_some_permissions_but_not_too_many(count: int):
    with pytest.raises(InvalidArgumentError, match=f"a role has 1 to {PERMISSIONS_MAX} permissions; this has {count}"):
        admit_role(TYPICAL, who(BOSS), ACME.id, "net", tuple(f"a.b.c{number}" for number in range(count)))


def test_a_malformed_permission_is_named():
    with pytest.raises(InvalidArgumentError, match="permission 'prismnet' is malformed"):
        admit_role(TYPICAL, who(BOSS), ACME.id, "net", ("*.get", "prismnet"))


def test_nobody_defines_a_role_with_more_than_they_hold_in_the_organisation():
    with pytest.raises(PermissionDeniedError, match="define role 'net' with these powers on organisations/acme"):
        admit_role(TYPICAL, who(CI), ACME.id, "net", ("prismnet.*",))


def test_nobody_takes_from_a_role_what_they_do_not_hold():
    role = Role("role-x", "ports", ACME.id, ("prismnet.ports.*", "prismnet.ports.get"))
    developer, viewer = (world(bind(name, CI, ACME_PATH)) for name in ("developer", "viewer"))
    assert admit_role_change(developer, who(CI), role, ("prismnet.ports.get",)) == ("prismnet.ports.get",)
    with pytest.raises(PermissionDeniedError, match="take powers from role 'ports'"):
        admit_role_change(viewer, who(CI), role, ("prismnet.ports.get",))


# ---- deletions -----------------------------------------------------------------------------------------------------


def test_what_still_has_something_stays_and_names_it():
    with pytest.raises(FailedPreconditionError, match="organisation acme still has projects blue, red; delete first"):
        require_empty("organisation acme", "project", ["red", "blue"], "ORGANISATION_NOT_EMPTY")
    with pytest.raises(FailedPreconditionError, match="project red still has service account ci; delete first"):
        require_empty("project red", "service account", ["ci"], "PROJECT_NOT_EMPTY")


def test_a_refusal_lists_a_few_and_counts_the_rest():
    with pytest.raises(FailedPreconditionError, match="has projects p0, p1, p2, p3, p4 and 4 more; delete first"):
        require_empty("organisation acme", "project", [f"p{number}" for number in range(9)], "ORGANISATION_NOT_EMPTY")


def test_what_is_empty_may_go():
    require_empty("organisation acme", "project", [], "ORGANISATION_NOT_EMPTY")


def test_whoever_may_not_make_a_binding_may_not_remove_it():
    stored = BindingDraft("owner", (who(BOSS).id,), ACME_PATH, deny=False)
    with pytest.raises(PermissionDeniedError):
        admit_binding_deletion(TYPICAL, who(CI), stored)
    admit_binding_deletion(TYPICAL, who(BOSS), stored)


@pytest.mark.parametrize(
    ("resource", "organisation"),
    [("", ""), ("hosts/a", ""), (ACME_PATH, ACME.id), (RED_PATH, ACME.id), (f"{RED_PATH}/vms/x", ACME.id)],
)
def test_a_path_is_of_one_organisation_or_of_none(resource: str, organisation: str):
    assert organisation_of(resource) == organisation
    assert SECRET.organisation == EVIL.id


# ---- quotas --------------------------------------------------------------------------------------------------------


NOTHING = Share(ACME_PATH, {}, {})


def test_quotas_are_the_clouds_to_give():
    admit_quotas(TYPICAL, who(ADA), {}, {"vms": 10}, NOTHING)
    admit_quotas(TYPICAL, who(BOSS), {"vms": 10}, {"vms": 10}, NOTHING)
    for before, after in (({"vms": 10}, {"vms": 11}), ({"vms": 10}, {}), ({}, {"vms": 0})):
        with pytest.raises(PermissionDeniedError, match=r"iam\.quotas\.update"):
            admit_quotas(TYPICAL, who(BOSS), before, after, NOTHING)


def test_what_an_organisation_has_its_admins_divide_and_no_more():
    policy = world(bind("owner", BOSS, ACME_PATH), bind("owner", ADA, ""))
    share = Share(ACME_PATH, {"vms": 10}, {"vms": 6})
    admit_quotas(policy, who(BOSS), {}, {"vms": 4}, share)
    with pytest.raises(FailedPreconditionError, match=r"may have 10, its other .* 6, .* asks for 5"):
        admit_quotas(policy, who(BOSS), {}, {"vms": 5}, share)
    with pytest.raises(PermissionDeniedError):
        admit_quotas(policy, who(BOSS), {}, {"vms": 1, "vcpus": 1}, share)
    with pytest.raises(PermissionDeniedError):
        admit_quotas(policy, who(WEB), {}, {"vms": 1}, share)
    with pytest.raises(PermissionDeniedError):
        admit_organisation_quotas(policy, who(BOSS), {"vms": 10}, {"vms": 11}, {})
    admit_organisation_quotas(policy, who(ADA), {"vms": 10}, {"vms": 6}, {"vms": 6})
    with pytest.raises(FailedPreconditionError, match=r"have been given 6.* would have 5"):
        admit_organisation_quotas(policy, who(ADA), {"vms": 10}, {"vms": 5}, {"vms": 6})


@pytest.mark.parametrize("quotas", [{"vms": -1}, {"V M": 1}, {f"w{number}": 1 for number in range(QUOTAS_MAX + 1)}])
def test_a_quota_that_is_none_is_refused(quotas: dict[str, int]):
    with pytest.raises(InvalidArgumentError):
        admit_quotas(TYPICAL, who(ADA), {}, quotas, NOTHING)
