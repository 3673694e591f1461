"""Paths, and what environments in them change: nothing that was said of a resource is lost when it is put into one."""

from hypothesis import given
from hypothesis import strategies as st

from ultracloud.base.conditions import Circumstances
from ultracloud.base.narrowing import is_within
from ultracloud.base.paths import may_concern, plain_path, prefixes
from ultracloud.base.policy import Binding, Environment, Organisation, Policy, Project, User, decide, describe_resource
from ultracloud.base.principals import user_principal

BLUE = "organisations/org-a/projects/project-b"
PROD = f"{BLUE}/environments/env-p"
ADA = user_principal("usr-1", "org-a")
VM, INSIDE = f"{BLUE}/vms/vm-1", f"{PROD}/vms/vm-1"

PAIRS = st.lists(st.tuples(st.sampled_from(["vms", "disks"]), st.sampled_from(["1", "2"])), max_size=2)
PLACES = st.builds(
    lambda head, pairs: "/".join([head, *(part for pair in pairs for part in pair)]),
    st.sampled_from([BLUE, PROD, f"{BLUE}/environments/env-q"]),
    PAIRS,
)


def world(*bindings: Binding) -> Policy:
    return Policy(
        1,
        [Organisation("org-a", "acme")],
        [Project("project-b", "blue", "org-a")],
        users=[User("usr-1", "ada", "org-a")],
        environments=[Environment("env-p", "prod", "project-b")],
        bindings=bindings,
    )


def bind(role: str, resource: str, *, deny: bool = False, condition: str = "") -> Binding:
    return Binding(f"binding-{role}-{deny}", role, (ADA.id,), resource, deny, role, condition)


def test_a_binding_on_an_environment_reaches_what_is_in_it_and_nothing_else():
    policy = world(bind("developer", PROD))
    assert decide(policy, ADA, "plasmavmc.vms.start", INSIDE).allowed
    assert not decide(policy, ADA, "plasmavmc.vms.start", VM).allowed
    assert not decide(policy, ADA, "plasmavmc.vms.start", f"{BLUE}/environments/env-q/vms/vm-1").allowed


def test_a_deny_on_an_environment_beats_what_the_project_allows():
    policy = world(bind("developer", BLUE), bind("viewer", PROD, deny=True))
    assert not decide(policy, ADA, "plasmavmc.vms.get", INSIDE).allowed
    assert decide(policy, ADA, "plasmavmc.vms.get", VM).allowed


def test_what_is_bound_on_a_resource_holds_wherever_it_lies():
    policy = world(bind("developer", BLUE), bind("viewer", VM, deny=True))
    assert not decide(policy, ADA, "plasmavmc.vms.get", VM).allowed
    assert not decide(policy, ADA, "plasmavmc.vms.get", INSIDE).allowed


def test_a_condition_meets_the_resource_and_its_environment_alike():
    of_vm = bind("developer", BLUE, condition=f'resource == Resource::"{VM}" && resource in Resource::"{PROD}"')
    seen = lambda: Circumstances(0)  # noqa: E731 - one line says it
    assert decide(world(of_vm), ADA, "plasmavmc.vms.get", INSIDE, seen).allowed
    assert not decide(world(of_vm), ADA, "plasmavmc.vms.get", VM, seen).allowed


def test_a_narrowed_token_keeps_its_place_when_the_resource_moves():
    assert is_within(INSIDE, "projects/project-b/vms/vm-1")
    assert is_within(INSIDE, "projects/project-b/environments/env-p")
    assert not is_within(VM, "projects/project-b/environments/env-p")


def test_sentences_call_an_environment_by_its_name():
    assert describe_resource(world(), INSIDE) == "projects/blue/environments/prod/vms/vm-1"


@given(PLACES)
def test_all_ways_to_a_resource_are_walked_and_no_place_twice(resource: str):
    walked = list(prefixes(resource))
    assert len(walked) == len(set(walked))
    assert {"", BLUE, resource, plain_path(resource)} <= set(walked)


@given(PLACES, PLACES, PLACES)
def test_what_bears_on_something_below_a_place_may_concern_the_place(place: str, resource: str, below: str):
    reached = {resource} if below in prefixes(resource) else set()
    for one in reached:
        if place in prefixes(one):
            assert may_concern(place, below)
