"""The planner over all inputs, against the fake kernel that passes the contract test of the real one."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Interface

from hypothesis import given, settings
from hypothesis import strategies as st
from intents import HTTP_FROM_ANYONE, SETTINGS, intent, port, subnet, two_tenants, vpc

from prismnet.agent.core.actions import CreateLink, DeleteLink, ForgetConnections, LoadRuleset
from prismnet.agent.core.desired import LAN, desired_state
from prismnet.agent.core.planner import difference, plan
from prismnet.agent.core.state import HOST, Address, LinkName, NamespaceName, State
from prismnet.core.intent import HostIntent, Port, Vpc
from prismnet.testing import FakeKernel

NETS = (subnet(1, "10.0.1.0/24"), subnet(2, "10.0.2.0/24"))


@st.composite
def intents(draw: st.DrawFn) -> HostIntent:
    """Up to three VPCs with up to four ports each, out of a small world, so that two intents overlap."""
    vpcs: list[Vpc] = []
    for number in draw(st.sets(st.integers(1, 3))):
        ports: list[Port] = []
        for place in draw(st.sets(st.integers(1, 4))):
            rules = (HTTP_FROM_ANYONE,) if draw(st.booleans()) else ()
            net = NETS[place % 2]
            ports.append(port(number * 10 + place, str(net.cidr[10 + place]), net, *rules, tap=draw(st.booleans())))
        vpcs.append(vpc(number, NETS, *ports, egress=draw(st.booleans())))
    return intent(*vpcs)


def kernel_at(*intents_applied: HostIntent) -> FakeKernel:
    kernel = FakeKernel()
    for one in intents_applied:
        kernel.apply(plan(one, SETTINGS, kernel.observe()))
    return kernel


@given(intents(), intents())
def test_from_any_intent_to_any_other_and_then_nothing_is_left_to_do(first: HostIntent, second: HostIntent) -> None:
    kernel = kernel_at(first)
    kernel.apply(plan(second, SETTINGS, kernel.observe()))
    assert plan(second, SETTINGS, kernel.observe()) == ()


@given(intents(), intents(), st.floats(0, 1))
def test_a_plan_that_was_cut_short_is_made_good(first: HostIntent, second: HostIntent, share: float) -> None:
    kernel = kernel_at(first)
    steps = plan(second, SETTINGS, kernel.observe())
    kernel.apply(steps[: round(len(steps) * share)])
    kernel.apply(plan(second, SETTINGS, kernel.observe()))
    assert plan(second, SETTINGS, kernel.observe()) == ()


@given(intents(), intents())
def test_a_plan_from_memory_is_a_plan_from_sight(first: HostIntent, second: HostIntent) -> None:
    kernel = kernel_at(first)
    remembered = desired_state(first, SETTINGS)
    wanted = desired_state(second, SETTINGS)
    forgotten = [step for step in difference(wanted, remembered) if not isinstance(step, ForgetConnections)]
    assert set(forgotten) == set(difference(wanted, kernel.observe()))


@given(intents(), intents())
def test_nothing_appears_before_the_rules_that_guard_it(first: HostIntent, second: HostIntent) -> None:
    steps = plan(second, SETTINGS, kernel_at(first).observe())
    loads = [at for at, step in enumerate(steps) if isinstance(step, LoadRuleset) and step.namespace == HOST]
    creates = [at for at, step in enumerate(steps) if isinstance(step, CreateLink)]
    removals = [at for at, step in enumerate(steps) if isinstance(step, DeleteLink)]
    if second.vpcs:
        assert all(load < create for load in loads for create in creates)
        assert all(removal < load for removal in removals for load in loads)


@given(intents())
@settings(max_examples=30)
def test_an_empty_intent_leaves_an_empty_host(first: HostIntent) -> None:
    kernel = kernel_at(first, intent())
    assert set(kernel.namespaces) == {HOST}
    assert not kernel.namespaces[HOST].links


def damaged(kernel: FakeKernel, name: NamespaceName, **changes: object) -> State:
    seen = kernel.observe()
    return replace(seen, namespaces={**seen.namespaces, name: replace(seen.namespaces[name], **changes)})


def test_a_lost_end_of_a_pair_takes_the_other_along() -> None:
    wanted = two_tenants()
    kernel = kernel_at(wanted)
    router = NamespaceName(wanted.vpcs[0].id)
    seen = kernel.namespaces[router]
    links = {name: link for name, link in seen.links.items() if name != LAN}
    addresses = frozenset(address for address in seen.addresses if address.link != LAN)
    steps = plan(wanted, SETTINGS, damaged(kernel, router, links=links, addresses=addresses))
    assert [type(step).__name__ for step in steps][:2] == ["DeleteLink", "CreateLink"]
    assert {step.address.link for step in steps if hasattr(step, "address")} == {LAN}


def test_a_stray_address_in_a_router_goes_and_in_a_ports_namespace_stays() -> None:
    wanted = two_tenants()
    kernel = kernel_at(wanted)
    router, workload = NamespaceName(wanted.vpcs[0].id), NamespaceName(wanted.vpcs[0].ports[1].id)
    stray = Address(LAN, IPv4Interface("10.9.9.9/24"))
    added = kernel.namespaces[router].addresses | {stray}
    steps = plan(wanted, SETTINGS, damaged(kernel, router, addresses=added))
    assert [type(step).__name__ for step in steps] == ["RemoveAddress"]
    own = Address(LinkName("eth0"), IPv4Interface("10.9.9.9/24"))
    kept = kernel.namespaces[workload].addresses | {own}
    assert plan(wanted, SETTINGS, damaged(kernel, workload, addresses=kept)) == ()


def test_a_changed_ruleset_is_loaded_again() -> None:
    wanted = two_tenants()
    kernel = kernel_at(wanted)
    steps = plan(wanted, SETTINGS, damaged(kernel, HOST, ruleset=None))
    assert [type(step).__name__ for step in steps] == ["LoadRuleset"]


def test_connections_of_a_port_that_went_are_forgotten_last() -> None:
    first = two_tenants()
    web, *rest = first.vpcs[0].ports
    second = replace(first, vpcs=(replace(first.vpcs[0], ports=tuple(rest)), first.vpcs[1]))
    steps = difference(desired_state(second, SETTINGS), desired_state(first, SETTINGS))
    assert isinstance(steps[-1], ForgetConnections)
    assert (steps[-1].tracked.zone, steps[-1].tracked.address) == (7, web.address)


def test_without_an_uplink_there_is_no_way_out() -> None:
    alone = replace(SETTINGS, uplink=None)
    state = desired_state(two_tenants(), alone)
    assert not any(namespace.routes for name, namespace in state.namespaces.items() if name.startswith("vpc-"))
    assert state.namespaces[HOST].sysctls == {}
    ruleset = state.namespaces[HOST].ruleset
    assert ruleset is not None
    assert "masquerade" not in ruleset.text
