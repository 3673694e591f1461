import os
import zlib
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ultracloud.base.faults import NotFoundError, PermissionDeniedError, UnavailableError
from ultracloud.base.policy import (
    Binding,
    Organisation,
    Policy,
    Project,
    Role,
    ServiceAccount,
    decide,
    describe_resource,
    find_organisation,
    find_project,
    project_path,
    require,
)
from ultracloud.base.principals import Principal, service_account_principal, spiffe_principal

GOLDEN = Path(__file__).parent / "golden" / "decisions.txt"


# ---- a small world of two tenants -----------------------------------------------------------------------------------


def account_id(letter: str) -> str:
    return "sa-" + letter * 26


ACME, EVIL = Organisation("org-acme", "acme"), Organisation("org-evil", "evil")
BLUE, RED = Project("project-blue", "blue", "org-acme"), Project("project-red", "red", "org-acme")
EVIL_BLUE = Project("project-evilblue", "blue", "org-evil")
ACCOUNTS = (
    ServiceAccount(account_id("a"), "web", BLUE.id),
    ServiceAccount(account_id("b"), "ci", RED.id),
    ServiceAccount(account_id("c"), "old", BLUE.id, disabled=True),
    ServiceAccount(account_id("d"), "boss", BLUE.id),
    ServiceAccount(account_id("e"), "mallory", EVIL_BLUE.id),
)
ADMIN = "spiffe://ultracloud.local/operator/ada"
BLUE_PATH, RED_PATH = "organisations/org-acme/projects/project-blue", "organisations/org-acme/projects/project-red"


def who(name: str) -> Principal:
    """The principal that a test calls by the account's name or the path of its certificate."""
    for account in ACCOUNTS:
        if account.name == name:
            organisation = "org-evil" if account.project == EVIL_BLUE.id else "org-acme"
            return service_account_principal(account.id, organisation, account.project)
    return spiffe_principal(f"spiffe://ultracloud.local/{name}")


def world(*bindings: Binding, version: int = 1) -> Policy:
    return Policy(
        version=version,
        organisations=(ACME, EVIL),
        projects=(BLUE, RED, EVIL_BLUE),
        service_accounts=ACCOUNTS,
        roles=(Role("role-net", "netadmin", "org-acme", ("prismnet.*", "*.get")),),
        bindings=bindings,
    )


def bind(role: str, name: str, resource: str, *, deny: bool = False) -> Binding:
    number = zlib.crc32(repr((role, name, resource, deny)).encode())
    return Binding(f"binding-{number}", role, (who(name).id,), resource, deny, f"{name.rpartition('/')[2]}-{role}")


TYPICAL = world(
    bind("developer", "web", BLUE_PATH),
    bind("netadmin-gone", "web", RED_PATH),
    bind("role-net", "ci", "organisations/org-acme"),
    bind("viewer", "ci", f"{RED_PATH}/vms/vm-1", deny=True),
    bind("developer", "old", BLUE_PATH),
    bind("owner", "boss", "organisations/org-acme"),
    bind("owner", "operator/ada", ""),
)


# ---- decisions ------------------------------------------------------------------------------------------------------


def test_decisions_read_as_the_golden_file_says():
    lines = []
    for line in GOLDEN.read_text().splitlines():
        question = line.partition(" => ")[0]
        if not question.startswith("#") and question:
            name, permission, resource = (part.strip() for part in question.split("|"))
            decision = decide(TYPICAL, who(name), permission, "" if resource == "-" else resource)
            question = f"{question} => {'yes' if decision.allowed else 'no'}: {decision.reason}"
        lines.append(question)
    said = "\n".join(lines) + "\n"
    if os.environ.get("GOLDEN") == "write":
        GOLDEN.write_text(said)
    assert said == GOLDEN.read_text()


def test_a_decision_names_the_binding_that_made_it():
    binding = bind("developer", "web", BLUE_PATH)
    assert decide(world(binding), who("web"), "prismnet.vpcs.create", BLUE_PATH).binding == binding.id


def test_a_binding_whose_role_is_gone_gives_nothing():
    policy = world(bind("role-deleted", "web", BLUE_PATH))
    assert not decide(policy, who("web"), "prismnet.vpcs.get", BLUE_PATH).allowed


def test_a_binding_does_not_reach_a_sibling_whose_id_begins_alike():
    policy = world(bind("owner", "web", "organisations/org-acme/projects/project-b"))
    assert not decide(policy, who("web"), "prismnet.vpcs.get", BLUE_PATH).allowed
    assert not decide(policy, who("web"), "prismnet.vpcs.get", f"{BLUE_PATH}/vpcs/vpc-1").allowed


def test_a_binding_on_a_project_gives_nothing_above_it():
    policy = world(bind("owner", "web", BLUE_PATH))
    for resource in ("", "organisations/org-acme", "organisations/org-acme/projects", RED_PATH):
        assert not decide(policy, who("web"), "prismnet.vpcs.get", resource).allowed


@pytest.mark.parametrize(
    "resource", ["/", "//", "organisations", "organisations//projects/x", "a/b/c", "../..", "x" * 9999]
)
def test_a_malformed_path_gets_what_the_root_gives_and_no_more(resource: str):
    assert decide(TYPICAL, who("operator/ada"), "prismnet.vpcs.get", resource).allowed
    assert not decide(TYPICAL, who("web"), "prismnet.vpcs.get", resource).allowed


def test_a_malformed_permission_is_denied_even_to_an_owner():
    for permission in ("", "*", "prismnet.vpcs", "a.b.c.d"):
        assert not decide(TYPICAL, who("operator/ada"), permission, "").allowed


def test_an_agent_serves_its_own_host_only():
    agent = who("agent/prismnet/node-1")
    assert decide(world(), agent, "prismnet.hosts.watchhost", "hosts/node-1").allowed
    assert not decide(world(), agent, "prismnet.hosts.delete", "hosts/node-1").allowed
    assert not decide(world(), agent, "prismnet.hosts.watchhost", "hosts/node-10").allowed
    assert not decide(world(), agent, "prismnet.hosts.watchhost", "").allowed
    assert not decide(world(), agent, "plasmavmc.hosts.watchhost", "hosts/node-1").allowed
    assert not decide(world(), agent, "prismnet.vpcs.get", BLUE_PATH).allowed


def test_only_plasmavmc_makes_ports_for_tenants():
    assert decide(world(), who("service/plasmavmc"), "prismnet.ports.create", BLUE_PATH).allowed
    assert not decide(world(), who("service/plasmavmc"), "prismnet.vpcs.delete", BLUE_PATH).allowed
    assert not decide(world(), who("service/iam"), "prismnet.ports.create", BLUE_PATH).allowed


def test_an_operator_without_a_binding_has_nothing():
    assert not decide(world(), who("operator/bob"), "prismnet.vpcs.get", BLUE_PATH).allowed


def test_require_raises_the_reason():
    with pytest.raises(PermissionDeniedError, match="serviceaccount ci has no binding") as refusal:
        require(decide(world(), who("ci"), "prismnet.vpcs.get", BLUE_PATH))
    assert refusal.value.reason == "NO_BINDING"
    require(decide(TYPICAL, who("boss"), "prismnet.vpcs.get", BLUE_PATH))


def test_require_says_which_binding_denies():
    denial = bind("owner", "boss", BLUE_PATH, deny=True)
    with pytest.raises(PermissionDeniedError) as refusal:
        require(decide(world(denial), who("boss"), "prismnet.vpcs.get", BLUE_PATH))
    assert (refusal.value.reason, refusal.value.metadata) == ("DENIED_BY_BINDING", {"binding": denial.id})


def test_a_copy_older_than_the_token_answers_not_yet_instead_of_no():
    fresh = service_account_principal("sa-" + "z" * 26, "org-acme", BLUE.id, policy_version=2)
    with pytest.raises(UnavailableError, match="older than your token"):
        require(decide(world(version=1), fresh, "prismnet.vpcs.get", BLUE_PATH))
    with pytest.raises(PermissionDeniedError, match="does not exist"):
        require(decide(world(version=2), fresh, "prismnet.vpcs.get", BLUE_PATH))


# ---- names ---------------------------------------------------------------------------------------------------------


def test_projects_are_found_by_name_and_by_id_in_ones_own_organisation():
    for ref in ("blue", "acme/blue", "org-acme/blue", BLUE.id, f"acme/{BLUE.id}"):
        assert find_project(TYPICAL, who("web"), ref) == BLUE
    assert find_project(TYPICAL, who("mallory"), "blue") == EVIL_BLUE


@pytest.mark.parametrize("ref", [BLUE.id, "red", RED.id, "acme/blue", "acme/red", "nothing", "", "/", "evil/", "\n"])
def test_anothers_project_and_no_project_get_the_same_answer(ref: str):
    with pytest.raises(NotFoundError) as refusal:
        find_project(TYPICAL, who("mallory"), ref)
    assert refusal.value.public == f"no project {ref!r}"


def test_a_binding_makes_a_project_of_another_tenant_known():
    policy = world(bind("viewer", "mallory", RED_PATH), bind("viewer", "mallory", f"{BLUE_PATH}/vms/vm-1"))
    assert find_project(policy, who("mallory"), "red") == RED
    assert find_project(policy, who("mallory"), "acme/blue") == BLUE
    assert find_project(policy, who("mallory"), "blue") == EVIL_BLUE


def test_a_deny_makes_nothing_known():
    policy = world(bind("viewer", "mallory", RED_PATH, deny=True))
    with pytest.raises(NotFoundError):
        find_project(policy, who("mallory"), "red")


def test_a_name_of_two_tenants_is_ambiguous_to_an_operator():
    with pytest.raises(NotFoundError, match="write <organisation>/blue or its id"):
        find_project(TYPICAL, who("operator/ada"), "blue")
    assert find_project(TYPICAL, who("operator/ada"), "evil/blue") == EVIL_BLUE
    assert find_project(TYPICAL, who("operator/ada"), "red") == RED


def test_organisations_are_found_by_name_and_by_id_by_those_who_may_know():
    assert find_organisation(TYPICAL, who("web"), "acme") == ACME
    assert find_organisation(TYPICAL, who("operator/ada"), ACME.id) == ACME
    for ref in ("acme", ACME.id, "nothing"):
        with pytest.raises(NotFoundError, match=f"no organisation '{ref}'"):
            find_organisation(TYPICAL, who("mallory"), ref)


@pytest.mark.parametrize(
    ("resource", "words"),
    [
        ("", "the root"),
        ("organisations/org-acme", "organisations/acme"),
        (BLUE_PATH, "projects/blue"),
        (f"{BLUE_PATH}/vpcs/vpc-1", "projects/blue/vpcs/vpc-1"),
        ("organisations/org-gone", "organisations/org-gone"),
        ("organisations", "organisations"),
        ("hosts/node-1", "hosts/node-1"),
    ],
)
def test_resources_in_words(resource: str, words: str):
    assert describe_resource(TYPICAL, resource) == words


# ---- rules over all policies ---------------------------------------------------------------------------------------

NODES = ["", "organisations/o", "organisations/o/projects/p", "organisations/o/projects/pp", "organisations/oo"]
NAMES = ["web", "ci"]
PERMISSIONS = ["prismnet.vpcs.get", "prismnet.vpcs.create", "iam.bindings.create", "iam.organisations.delete"]
BINDINGS = st.builds(
    bind,
    st.sampled_from(["viewer", "developer", "admin", "owner", "role-net"]),
    st.sampled_from(NAMES),
    st.sampled_from(NODES),
    deny=st.booleans(),
)
POLICIES = st.lists(BINDINGS, max_size=6)
QUESTIONS = st.tuples(
    st.sampled_from(NAMES), st.sampled_from(PERMISSIONS), st.sampled_from([*NODES, f"{NODES[2]}/x/y"])
)


def allows(bindings: list[Binding], question: tuple[str, str, str]) -> bool:
    name, permission, resource = question
    return decide(world(*bindings), who(name), permission, resource).allowed


def matches(binding: Binding, question: tuple[str, str, str]) -> bool:
    """Whether `binding` speaks to `question`: the whole rule in one line a person can check."""
    name, permission, resource = question
    alone = Binding(binding.id, binding.role, binding.principals, binding.resource, deny=False)
    inside = binding.resource in ("", resource) or resource.startswith(f"{binding.resource}/")
    return inside and who(name).id in binding.principals and allows([alone], (name, permission, binding.resource))


@given(POLICIES, QUESTIONS)
def test_the_rule_is_some_allow_and_no_deny(bindings: list[Binding], question: tuple[str, str, str]):
    speaking = [binding for binding in bindings if matches(binding, question)]
    assert allows(bindings, question) == (bool(speaking) and not any(binding.deny for binding in speaking))


@given(POLICIES, BINDINGS, QUESTIONS)
def test_adding_an_allow_never_takes_away_and_adding_a_deny_never_gives(
    bindings: list[Binding], one: Binding, question: tuple[str, str, str]
):
    before, after = allows(bindings, question), allows([*bindings, one], question)
    assert (before or not after) if one.deny else (after or not before)


@given(POLICIES, QUESTIONS, st.randoms())
def test_the_order_of_bindings_does_not_matter(bindings: list[Binding], question: tuple[str, str, str], random: Random):
    shuffled = list(bindings)
    random.shuffle(shuffled)
    assert allows(bindings, question) == allows(shuffled, question)


@given(POLICIES, QUESTIONS)
def test_every_decision_has_a_sentence(bindings: list[Binding], question: tuple[str, str, str]):
    name, permission, resource = question
    decision = decide(world(*bindings), who(name), permission, resource)
    assert decision.reason


@given(POLICIES)
def test_a_denial_tells_no_name_of_another_tenant(bindings: list[Binding]):
    decision = decide(world(*bindings), who("mallory"), "prismnet.vpcs.get", f"{BLUE_PATH}/vpcs/vpc-1")
    assert decision.reason.startswith("serviceaccount mallory has no binding")
    assert f"on {BLUE_PATH}/vpcs/vpc-1;" in decision.reason


@given(st.text(alphabet="orgacme-/projectsblue", max_size=60))
def test_no_path_outside_a_project_gets_what_the_project_gives(resource: str):
    if resource != BLUE_PATH and not resource.startswith(f"{BLUE_PATH}/"):
        assert not decide(TYPICAL, who("web"), "prismnet.vpcs.get", resource).allowed


def test_asking_about_nobody_leaves_nothing_behind():
    policy = world()
    for number in range(10):
        decide(policy, service_account_principal(f"sa-{number}", "", ""), "prismnet.vpcs.get", "")
    assert not policy.compiled


def test_a_policy_of_nothing_denies():
    assert not decide(Policy(), who("web"), "prismnet.vpcs.get", project_path(BLUE)).allowed
