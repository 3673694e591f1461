import pytest
from hypothesis import given
from hypothesis import strategies as st

from iam.core.references import resolve_principal, resolve_resource, resolve_role
from iam.testing import (
    ACME,
    ACME_PATH,
    ADA,
    BLUE,
    BLUE_PATH,
    MALLORY,
    NETADMIN,
    RED,
    SECRET,
    WEB,
    account_id,
    bind,
    who,
    world,
)
from ultracloud.base.accounts import find_account
from ultracloud.base.faults import Fault, InvalidArgumentError, NotFoundError
from ultracloud.base.policy import Policy, Role


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("", ""),
        ("organisations/acme", ACME_PATH),
        (ACME_PATH, ACME_PATH),
        ("projects/blue", BLUE_PATH),
        (f"projects/{BLUE.id}", BLUE_PATH),
        ("organisations/acme/projects/blue", BLUE_PATH),
        (BLUE_PATH, BLUE_PATH),
        ("projects/blue/vms/vm-1", f"{BLUE_PATH}/vms/vm-1"),
        ("organisations/acme/roles/role-1", f"{ACME_PATH}/roles/role-1"),
        ("hosts/node-1.rack2", "hosts/node-1.rack2"),
        ("namespaces/iam", "namespaces/iam"),
    ],
)
def test_names_and_ids_mean_the_same_path(text: str, path: str):
    assert resolve_resource(world(), who(WEB), text) == path
    assert resolve_resource(world(), who(WEB), path) == path


@pytest.mark.parametrize(
    "text",
    [
        "/",
        "organisations",
        "projects",
        "projects/blue/",
        "/projects/blue",
        "projects/blue/vms",
        "Projects/blue",
        "projects/blue/vms/../..",
        "projects/blue/vms/VM",
        "hosts/",
        "hosts/a\tb",
        "x",
        "hosts/..",
        "h-/a",
        "organisations/acme/projects",
        "//",
        "a/" * 300,
    ],
)
def test_what_is_no_path_is_refused_and_says_what_is_accepted(text: str):
    with pytest.raises(InvalidArgumentError, match="is no path; accepted: organisations/<name or id>"):
        resolve_resource(world(), who(WEB), text)


@pytest.mark.parametrize("text", ["organisations/evil", "projects/secret", f"projects/{SECRET.id}", "projects/nothing"])
def test_what_the_caller_cannot_know_is_not_found(text: str):
    with pytest.raises(NotFoundError, match=r"no (project|organisation) '"):
        resolve_resource(world(), who(WEB), text)


def test_a_project_is_looked_for_in_the_organisation_that_the_path_names():
    policy = world(bind("viewer", WEB, "organisations/org-evil"))
    with pytest.raises(NotFoundError, match="no project 'org-evil/blue'"):
        resolve_resource(policy, who(WEB), "organisations/evil/projects/blue")


@given(st.text(max_size=80))
def test_any_text_is_a_path_of_pairs_or_refused(text: str):
    try:
        path = resolve_resource(world(), who(ADA), text)
    except (InvalidArgumentError, NotFoundError) as refusal:
        assert Fault.__str__(refusal).isprintable()  # noqa: PT017 - both outcomes are claims
        return
    assert path == "" or path.count("/") % 2 == 1
    assert "//" not in path


@pytest.mark.parametrize("text", ["serviceaccount:blue/web", f"serviceaccount:{BLUE.id}/{WEB.id}", who(WEB).id])
def test_an_account_is_named_by_its_project_and_name_or_by_its_id(text: str):
    assert resolve_principal(world(), who(WEB), text) == who(WEB).id


def test_certificates_are_principals_whether_or_not_anybody_has_one():
    assert resolve_principal(world(), who(WEB), ADA) == ADA


@pytest.mark.parametrize(
    "text",
    ["serviceaccount:blue/nobody", f"serviceaccount:{account_id('z')}", who(MALLORY).id, "serviceaccount:red/web"],
)
def test_an_account_that_is_not_there_or_not_known_is_not_found(text: str):
    with pytest.raises(NotFoundError, match="no service account '"):
        resolve_principal(world(), who(WEB), text)


@pytest.mark.parametrize(
    "text", ["", "web", "blue/web", "serviceaccount:", "serviceaccount:web", "user:a", "spiffe://x/y"]
)
def test_what_is_no_principal_is_refused(text: str):
    with pytest.raises(InvalidArgumentError):
        resolve_principal(world(), who(WEB), text)


def test_accounts_are_found_in_their_own_project_only():
    assert find_account(world(), BLUE, "web") == WEB
    assert find_account(world(), BLUE, WEB.id) == WEB
    for ref in ("web", WEB.id):
        with pytest.raises(NotFoundError, match="in project red"):
            find_account(world(), RED, ref)


def test_roles_are_the_built_in_ones_and_those_of_the_organisation():
    assert resolve_role(world(), ACME.id, "viewer") == "viewer"
    assert resolve_role(world(), ACME.id, "netadmin") == resolve_role(world(), ACME.id, NETADMIN.id) == NETADMIN.id
    assert resolve_role(world(), "", "owner") == "owner"


@pytest.mark.parametrize(("organisation", "place"), [("", "at the root"), ("org-evil", "in organisations/evil")])
def test_anothers_role_is_no_role(organisation: str, place: str):
    with pytest.raises(InvalidArgumentError, match=f"no role 'netadmin' {place}; accepted: viewer, developer"):
        resolve_role(world(), organisation, "netadmin")


def test_an_error_lists_a_bounded_number_of_roles():
    roles = tuple(Role(f"role-{number}", f"r{number}", ACME.id, ("*.get",)) for number in range(500))
    policy = Policy(organisations=(ACME,), roles=roles)
    with pytest.raises(InvalidArgumentError, match=r"r19, \.\.\.$"):
        resolve_role(policy, ACME.id, "nothing")
