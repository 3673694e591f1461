from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iam.core.powers import first_lacking, powers, require_no_less, require_powers
from iam.testing import ACME_PATH, ADA, BLUE, BLUE_PATH, BOSS, CI, NETADMIN, RED_PATH, WEB, bind, who, world
from ultracloud.base.faults import PermissionDeniedError
from ultracloud.base.narrowing import Narrowing, leaves
from ultracloud.base.permissions import check_pattern, patterns
from ultracloud.base.policy import BUILT_IN_ROLES, Binding, decide, role_patterns


def test_powers_are_what_bindings_here_and_above_give():
    policy = world(bind("viewer", WEB, ACME_PATH), bind(NETADMIN.id, WEB, BLUE_PATH), bind("owner", WEB, RED_PATH))
    assert powers(policy, who(WEB).id, BLUE_PATH) == patterns([*BUILT_IN_ROLES["viewer"], "*.get", "prismnet.*"])


def test_services_have_their_built_in_powers():
    agent = "spiffe://ultracloud.local/agent/prismnet/node-1"
    assert "prismnet.hosts.reporthost" in powers(world(), agent, "hosts/node-1")
    assert not powers(world(), agent, "hosts/node-2")
    assert not powers(world(), agent, "")


def test_an_owner_lacks_nothing_below_and_all_elsewhere():
    policy = world(bind("owner", WEB, BLUE_PATH))
    assert first_lacking(policy, who(WEB), ["*.*.*"], f"{BLUE_PATH}/vms/vm-1") is None
    assert first_lacking(policy, who(WEB), ["a.b.c"], RED_PATH) == "a.b.c"
    assert first_lacking(policy, who(WEB), ["a.b.c"], ACME_PATH) == "a.b.c"


@pytest.mark.parametrize("place", ["", ACME_PATH, BLUE_PATH, f"{BLUE_PATH}/vms/vm-1"])
def test_a_deny_above_at_or_below_a_place_lessens_the_power_over_it(place: str):
    policy = world(bind("owner", WEB, ""), bind(NETADMIN.id, WEB, place, deny=True))
    assert first_lacking(policy, who(WEB), patterns(["prismnet.vpcs.create"]), BLUE_PATH) == "prismnet.vpcs.create"
    assert first_lacking(policy, who(WEB), patterns(["plasmavmc.vms.create"]), BLUE_PATH) is None


def test_a_deny_beside_a_place_leaves_the_power_over_it():
    policy = world(bind("owner", WEB, ""), bind(NETADMIN.id, WEB, RED_PATH, deny=True))
    assert first_lacking(policy, who(WEB), patterns(["prismnet.*"]), BLUE_PATH) is None


def test_the_refusal_names_the_deed_the_place_and_what_is_lacking():
    with pytest.raises(PermissionDeniedError) as refusal:
        require_powers(world(), who(WEB), patterns(["*"]), BLUE_PATH, "bind role owner")
    assert refusal.value.public == ("you may not bind role owner on projects/blue: you do not hold * there yourself")
    assert (refusal.value.reason, refusal.value.metadata) == ("ESCALATION", {"permission": "*"})


def test_somebody_with_less_does_not_reach_somebody_with_more():
    policy = world(bind("admin", CI, BLUE_PATH), bind("owner", BOSS, ACME_PATH), bind("developer", WEB, BLUE_PATH))
    with pytest.raises(PermissionDeniedError):
        require_no_less(policy, who(CI), who(BOSS).id, BLUE_PATH, "deny")
    require_no_less(policy, who(BOSS), who(CI).id, BLUE_PATH, "deny")
    require_no_less(policy, who(CI), who(WEB).id, BLUE_PATH, "deny")
    require_no_less(world(), who(WEB), who(WEB).id, BLUE_PATH, "deny")


ROLES = st.sampled_from([*BUILT_IN_ROLES, NETADMIN.id])
PLACES = st.sampled_from(["", ACME_PATH, BLUE_PATH, RED_PATH, f"{BLUE_PATH}/vms/vm-1"])
BINDINGS = st.builds(bind, ROLES, st.sampled_from([WEB, ADA]), PLACES, deny=st.booleans())
PERMISSIONS = st.sampled_from(["prismnet.vpcs.create", "iam.bindings.create", "plasmavmc.vms.get", "iam.x.delete"])


NARROWINGS = st.lists(
    st.builds(
        Narrowing,
        PLACES | st.just(f"projects/{BLUE.id}"),
        st.frozensets(st.sampled_from(["*.*.get", "prismnet.*.*", "iam.bindings.create"]), max_size=2),
    ),
    max_size=2,
)


@given(st.lists(BINDINGS, max_size=6), PERMISSIONS, PLACES, st.sampled_from(["", "/vms/vm-1", "/vms/vm-2"]), NARROWINGS)
def test_whoever_has_the_power_is_allowed_there_and_everywhere_below(
    bindings: list[Binding], permission: str, place: str, below: str, narrowings: list[Narrowing]
):
    policy, caller = world(*bindings), replace(who(WEB), narrowings=tuple(narrowings))
    if first_lacking(policy, caller, [check_pattern(permission)], place) is None:
        resource = f"{place}{below}" if place else ""
        assert decide(policy, caller, permission, resource).allowed


@given(st.lists(BINDINGS, max_size=6), PERMISSIONS, PLACES, NARROWINGS)
def test_a_narrowed_token_may_nothing_that_the_whole_one_may_not(
    bindings: list[Binding], permission: str, place: str, narrowings: list[Narrowing]
):
    policy, whole = world(*bindings), who(WEB)
    narrowed = replace(whole, narrowings=tuple(narrowings))
    allowed = decide(policy, narrowed, permission, place).allowed
    assert allowed == (decide(policy, whole, permission, place).allowed and leaves(narrowings, permission, place))


def test_an_owner_with_a_token_for_one_thing_makes_nobody_owner():
    policy = world(bind("owner", WEB, ACME_PATH))
    caller = replace(who(WEB), narrowings=(Narrowing("", frozenset({"iam.bindings.create"})),))
    assert first_lacking(policy, caller, ["*.*.*"], BLUE_PATH) == "*.*.*"
    with pytest.raises(PermissionDeniedError, match="you may not become myself"):
        require_no_less(policy, caller, caller.id, ACME_PATH, "become myself")


@given(st.lists(BINDINGS, max_size=6), ROLES, PLACES, PERMISSIONS)
def test_binding_a_role_one_may_bind_gives_nobody_more_than_one_has(
    bindings: list[Binding], role: str, place: str, permission: str
):
    policy = world(*bindings)
    held = role_patterns(policy, role)
    assert held is not None
    if first_lacking(policy, who(WEB), held, place) is None:
        given_away = world(*bindings, bind(role, CI, place))
        if decide(given_away, who(CI), permission, place).allowed:
            assert decide(policy, who(WEB), permission, place).allowed
