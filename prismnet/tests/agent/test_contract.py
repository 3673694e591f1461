"""What the planner relies on, of the kernel and of its fake alike."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Protocol

import pytest
from intents import HTTP_FROM_ANYONE, SETTINGS, intent, two_tenants, with_rules

from prismnet.agent.core.actions import Action
from prismnet.agent.core.planner import plan
from prismnet.agent.core.state import HOST, LinkName, Owner, State
from prismnet.agent.shell.kernel import Kernel
from prismnet.core.intent import Attachment
from prismnet.testing import FakeKernel


class AnyKernel(Protocol):
    def observe(self) -> State: ...

    def apply(self, actions: tuple[Action, ...], /) -> dict[Owner, str]: ...


@pytest.fixture(params=["fake", "real"])
def kernel(request: pytest.FixtureRequest) -> Iterator[AnyKernel]:
    if request.param == "fake":
        yield FakeKernel(foreign=frozenset({LinkName("lo"), LinkName("eth9")}))
        return
    request.getfixturevalue("own_network")
    subprocess.run(["ip", "link", "add", "eth9", "type", "bridge"], check=True)
    real = Kernel.here(Path("/run/netns"), LinkName("eth9"))
    yield real
    real.close()


def test_a_plan_leads_to_a_state_whose_plan_is_empty(kernel: AnyKernel) -> None:
    wanted = two_tenants()
    assert kernel.apply(plan(wanted, SETTINGS, kernel.observe())) == {}
    assert plan(wanted, SETTINGS, kernel.observe()) == ()


def test_applying_a_plan_twice_does_no_more_than_once(kernel: AnyKernel) -> None:
    steps = plan(two_tenants(), SETTINGS, kernel.observe())
    assert kernel.apply(steps) == {}
    once = kernel.observe()
    assert kernel.apply(steps) == {}
    assert kernel.observe() == once


def test_an_empty_intent_removes_all_that_is_ours_and_nothing_else(kernel: AnyKernel) -> None:
    before = kernel.observe()
    kernel.apply(plan(two_tenants(), SETTINGS, kernel.observe()))
    assert kernel.apply(plan(intent(generation=2), SETTINGS, kernel.observe())) == {}
    after = kernel.observe()
    assert after.foreign == before.foreign
    assert set(after.namespaces) == {HOST}
    assert after.namespaces[HOST].links == {}
    assert after.namespaces[HOST].ruleset is None


def test_new_rules_touch_nothing_but_the_ruleset(kernel: AnyKernel) -> None:
    first = two_tenants()
    kernel.apply(plan(first, SETTINGS, kernel.observe()))
    second = with_rules(first, first.vpcs[0].ports[2].id, HTTP_FROM_ANYONE)
    steps = plan(second, SETTINGS, kernel.observe())
    assert [type(step).__name__ for step in steps] == ["LoadRuleset"]


@pytest.mark.parametrize("tenths", range(1, 10, 2))
def test_a_plan_that_was_cut_short_is_made_good(kernel: AnyKernel, tenths: int) -> None:
    wanted = two_tenants()
    steps = plan(wanted, SETTINGS, kernel.observe())
    kernel.apply(steps[: len(steps) * tenths // 10])
    assert kernel.apply(plan(wanted, SETTINGS, kernel.observe())) == {}
    assert plan(wanted, SETTINGS, kernel.observe()) == ()


def test_ports_come_and_go_and_change_their_attachment(kernel: AnyKernel) -> None:
    first = two_tenants()
    web, client, *_ = first.vpcs[0].ports
    ports = (replace(web, attachment=Attachment.NETNS), replace(client, attachment=Attachment.TAP))
    second = replace(first, generation=2, vpcs=(replace(first.vpcs[0], ports=ports),))
    for wanted in (first, second, first):
        assert kernel.apply(plan(wanted, SETTINGS, kernel.observe())) == {}
        assert plan(wanted, SETTINGS, kernel.observe()) == ()
