"""The server's planner of one VM."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from plasmavmc.core.placement import HostName
from plasmavmc.core.plan import MakePort, Place, Release, RemovePort, VmId, VmRecord, plan_vm, port_name
from plasmavmc.core.status import from_report
from ultracloud.base.names import check_name

VM = VmId("vm-01jd0000000000000000000001")
NEW = VmRecord(VM, "proj-1", None, 2, (), is_deleted=False)


def test_new_vm_is_placed_then_wired_then_left_to_its_host() -> None:
    placed = replace(NEW, host=HostName("node1"))
    assert plan_vm(NEW, is_on_host=False, has_hosts=True) == (Place(VM),)
    assert plan_vm(placed, is_on_host=True, has_hosts=True) == (
        MakePort(VM, 0, f"{VM}-0"),
        MakePort(VM, 1, f"{VM}-1"),
    )
    assert plan_vm(replace(placed, ports=("port-a",)), is_on_host=True, has_hosts=True) == (MakePort(VM, 1, f"{VM}-1"),)
    assert plan_vm(replace(placed, ports=("port-a", "port-b")), is_on_host=True, has_hosts=True) == ()


def test_vm_waits_while_there_is_no_host() -> None:
    assert plan_vm(NEW, is_on_host=False, has_hosts=False) == ()


def test_ports_of_a_deleted_vm_stay_while_its_host_has_it() -> None:
    going = replace(NEW, host=HostName("node1"), ports=("port-a",), is_deleted=True)
    assert plan_vm(going, is_on_host=True, has_hosts=True) == ()


def test_deleted_vm_leaves_nothing_not_even_a_port_that_was_never_written_down() -> None:
    going = replace(NEW, host=HostName("node1"), ports=("port-a",), is_deleted=True)
    assert plan_vm(going, is_on_host=False, has_hosts=True) == (
        RemovePort(VM, "proj-1", "port-a"),
        RemovePort(VM, "proj-1", f"{VM}-1"),
        Release(VM),
    )


@given(st.integers(0, 7))
def test_name_of_a_port_is_a_name(index: int) -> None:
    assert check_name(port_name(VM, index))


def test_report_becomes_conditions() -> None:
    running = from_report(ready=True, reason="Running", message="", has_network=True)
    assert [(one.type, one.holds, one.reason) for one in running] == [
        ("Ready", True, "Running"),
        ("NetworkReady", True, "PortsMade"),
    ]
    waiting = from_report(ready=False, reason="WaitingForNetwork", message="m", has_network=True)
    assert [(one.type, one.holds, one.reason) for one in waiting] == [
        ("Ready", False, "WaitingForNetwork"),
        ("NetworkReady", False, "WaitingForNetwork"),
    ]


def test_word_of_a_newer_agent_is_kept_in_the_sentence() -> None:
    (finding,) = from_report(ready=False, reason="Levitating", message="1 m", has_network=False)
    assert (finding.reason, finding.message) == ("Unknown", "Levitating: 1 m")
