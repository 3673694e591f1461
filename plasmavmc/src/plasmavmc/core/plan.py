"""The server's planner: what to do next about one VM, from its record and what its host last said.

    created --Place--> placed --MakePort per interface--> wired; its host does the rest
    deleted --wait until the host has none of it--> RemovePort per interface --> Release

Pure. What a host must run is not planned here: it follows from the records (every VM that is placed there and not being
deleted), so it cannot disagree with them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NewType

from plasmavmc.core.placement import HostName

VmId = NewType("VmId", str)
PORT_NAME_SEPARATOR = "-"


@dataclass(frozen=True, slots=True)
class VmRecord:
    """A VM as the planner sees it.

    Attributes:
        host: Where it is placed; None if nowhere.
        nic_count: Interfaces it shall have.
        ports: Ids of the ports made for them, in order.
        is_deleted: Whether somebody asked for it to go.
    """

    id: VmId
    project: str
    host: HostName | None
    nic_count: int
    ports: tuple[str, ...]
    is_deleted: bool


@dataclass(frozen=True, slots=True)
class Place:
    """Choose a host for a VM that has none."""

    id: VmId


@dataclass(frozen=True, slots=True)
class MakePort:
    """Make the port of the VM's interface number `index`, named `name`, on its host."""

    id: VmId
    index: int
    name: str


@dataclass(frozen=True, slots=True)
class RemovePort:
    """Remove a port: `ref` is its id, or the name it would have if it was made and we died before writing it down."""

    id: VmId
    project: str
    ref: str


@dataclass(frozen=True, slots=True)
class Release:
    """Let the record go: nothing of the VM is left anywhere."""

    id: VmId


Action = Place | MakePort | RemovePort | Release


def plan_vm(vm: VmRecord, *, is_on_host: bool, has_hosts: bool) -> tuple[Action, ...]:
    """What to do about one VM now.

    Args:
        vm: Its record.
        is_on_host: Whether its host has, or may still have, anything of it.
        has_hosts: Whether there is any host to place it on.
    """
    names = tuple(port_name(vm.id, index) for index in range(vm.nic_count))
    if vm.is_deleted:
        # The ports stay while the VM may run: their devices are open.
        if is_on_host:
            return ()
        refs = (*vm.ports, *names[len(vm.ports) :])
        return (*(RemovePort(vm.id, vm.project, ref) for ref in refs), Release(vm.id))
    if vm.host is None:
        return (Place(vm.id),) if has_hosts else ()
    return tuple(MakePort(vm.id, index, names[index]) for index in range(len(vm.ports), vm.nic_count))


def port_name(vm: VmId, index: int) -> str:
    """The name of a VM's port: the same at every attempt, so that one interface never has two."""
    return f"{vm}{PORT_NAME_SEPARATOR}{index}"
