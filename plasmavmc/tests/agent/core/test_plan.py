"""What holds for every host and every intent."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st
from simulated_host import PLACE, SimulatedHost, digest, direct_vm, disk_vm, nic, vm_id

from plasmavmc.agent.core.actions import Start, Undefine
from plasmavmc.agent.core.attempts import PAUSE_MS_MAX, failed, pause_ms
from plasmavmc.agent.core.desired import DesiredVm, Intent, Power, Variable
from plasmavmc.agent.core.observed import CachedFile, Domain, DomainState, Marks, OffReason
from plasmavmc.agent.core.plan import plan
from plasmavmc.core.reasons import Reason

NUMBERS = st.integers(1, 4)


@st.composite
def vms(draw: st.DrawFn, number: int) -> DesiredVm:
    make = draw(st.sampled_from((direct_vm, disk_vm)))
    return make(
        number,
        power=draw(st.sampled_from(Power)),
        reboot_count=draw(st.integers(1, 3)),
        force=draw(st.booleans()),
        generation=draw(st.integers(1, 3)),
        nics=draw(st.sampled_from(((), (nic(f"tap{number}"),)))),
    )


@st.composite
def intents(draw: st.DrawFn) -> Intent:
    numbers = draw(st.sets(NUMBERS))
    return Intent("node1", 1, tuple(draw(vms(number)) for number in sorted(numbers)))


@st.composite
def domains(draw: st.DrawFn) -> Domain:
    state = draw(st.sampled_from((DomainState.RUNNING, DomainState.PAUSED, DomainState.OFF)))
    count = draw(st.integers(1, 3))
    marks = Marks(1, count, draw(st.sampled_from(("", "x"))), draw(st.integers(-1, count)), draw(st.booleans()))
    if state is DomainState.OFF:
        return Domain(state, draw(st.sampled_from(OffReason)), marks, None)
    return Domain(state, OffReason.UNKNOWN, marks, count)


@st.composite
def hosts(draw: st.DrawFn) -> SimulatedHost:
    host = SimulatedHost()
    host.intent = draw(intents())
    host.observed = replace(
        host.observed,
        domains={vm_id(number): draw(domains()) for number in draw(st.sets(NUMBERS))},
        folders=frozenset(vm_id(number) for number in draw(st.sets(NUMBERS))),
        devices=frozenset(f"tap{number}" for number in draw(st.sets(NUMBERS))),
        files={
            digest(letter): CachedFile(400, 0, draw(st.booleans()))
            for letter in draw(st.sets(st.sampled_from("abdxy")))
        },
    )
    return host


@given(hosts())
def test_what_was_done_is_not_planned_again(host: SimulatedHost) -> None:
    host.settle()
    planned = host.plan()
    assert (planned.vms, planned.files) == ((), ())


@given(hosts())
def test_host_becomes_as_the_intent_says(host: SimulatedHost) -> None:
    host.settle()
    wanted = {vm.id: vm for vm in host.intent.vms}
    assert host.observed.domains.keys() | host.observed.folders <= wanted.keys()
    for vm in wanted.values():
        domain = host.observed.domains.get(vm.id)
        runs = domain is not None and domain.state is DomainState.RUNNING
        if vm.power is Power.STOPPED:
            assert not runs
        elif all(one.device in host.observed.devices for one in vm.nics):
            halted = domain is not None and domain.marks.halted and domain.marks.started == vm.reboot_count
            assert runs or halted


@given(hosts())
def test_every_wanted_vm_is_reported_once(host: SimulatedHost) -> None:
    reported = [report.id for report in host.plan().reports]
    assert len(reported) == len(set(reported))
    assert {vm.id for vm in host.intent.vms} <= set(reported)


@given(hosts())
def test_busy_vm_is_left_alone(host: SimulatedHost) -> None:
    busy = frozenset(vm_id(number) for number in range(1, 5))
    planned = plan(host.intent, replace(host.observed, busy=busy), PLACE, 0)
    assert planned.vms == ()


@given(hosts())
def test_wanted_vm_is_never_removed(host: SimulatedHost) -> None:
    wanted = {vm.id for vm in host.intent.vms}
    for one in host.plan().vms:
        assert one.id not in wanted or not any(isinstance(action, Undefine) for action in one.actions)


def test_older_generation_of_a_vm_is_refused() -> None:
    host = SimulatedHost()
    host.intent = Intent("node1", 5, (direct_vm(generation=7),))
    host.settle()
    host.intent = Intent("node1", 6, (direct_vm(generation=6, power=Power.STOPPED),))
    planned = host.plan()
    assert planned.vms == ()
    assert "generation 6 is older than 7" in planned.reports[0].message


def test_interrupted_start_is_written_down_and_not_repeated() -> None:
    host = SimulatedHost()
    host.intent = Intent("node1", 1, (direct_vm(),))
    host.settle()
    running = host.observed.domains[vm_id(1)]
    unmarked = replace(running, marks=replace(running.marks, started=-1))
    host.observed = replace(host.observed, domains={vm_id(1): unmarked})
    assert host.settle() == ["MarkStarted"]


def test_vm_with_words_xml_cannot_carry_costs_only_itself() -> None:
    host = SimulatedHost()
    bad = direct_vm(1)
    bad = replace(bad, boot=replace(bad.boot, cmdline="a\x00b"))  # type: ignore[type-var]
    host.intent = Intent("node1", 1, (bad, direct_vm(2)))
    host.settle()
    reasons = {report.id: report.reason for report in host.plan().reports}
    assert reasons == {vm_id(1): Reason.DEFINE_FAILED, vm_id(2): Reason.RUNNING}


def test_cache_drops_the_unneeded_that_was_unused_for_longest() -> None:
    host = SimulatedHost()
    host.intent = Intent("node1", 1, (direct_vm(power=Power.STOPPED),))
    ages = {"a": 1, "x": 2, "y": 3}
    host.observed = replace(
        host.observed, files={digest(letter): CachedFile(400, age, True) for letter, age in ages.items()}
    )
    assert host.settle() == ["DropFile x"]


def test_one_file_of_many_vms_is_fetched_once() -> None:
    host = SimulatedHost()
    host.intent = Intent("node1", 1, (disk_vm(1), disk_vm(2)))
    assert len(host.plan().files) == 1


@given(st.integers(1, 1000))
def test_pause_grows_and_stays_bounded(count: int) -> None:
    assert pause_ms(count) <= pause_ms(count + 1) <= PAUSE_MS_MAX


def test_failure_keeps_one_line_of_bounded_length() -> None:
    attempts = failed(None, 0, Reason.START_FAILED, "a\nb  c" + "x" * 9999)
    assert attempts.message.startswith("a b cx")
    assert len(attempts.message) == 500


def test_starts_carry_the_count_they_are_for() -> None:
    host = SimulatedHost()
    host.intent = Intent("node1", 1, (direct_vm(reboot_count=9),))
    host.settle()
    host.turn_off(vm_id(1), OffReason.DESTROYED)
    starts = [action for one in host.plan().vms for action in one.actions if isinstance(action, Start)]
    assert [start.reboot_count for start in starts] == [9]


def test_secrets_are_had_anew_before_each_start_and_without_them_there_is_none() -> None:
    host = SimulatedHost()
    host.intent = Intent("node1", 1, (direct_vm(variables=(Variable("PASSWORD", "", "secret-1@0"),)),))
    host.broken = {"FetchSecrets"}
    assert host.settle()[-1] == "FetchSecrets failed"
    host.broken = set()
    host.now_ms += PAUSE_MS_MAX
    assert host.settle() == ["FetchSecrets", "Start"]
    host.turn_off(vm_id(1), OffReason.CRASHED)
    assert host.settle() == ["FetchSecrets", "Start after crash"]
