"""The machines of the flake, as nix/test-cluster/machine.nix writes them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Program:
    """One process.

    Attributes:
        command: The command line of its unit.
        listen: Where it listens; empty for nowhere.
        unit: What its unit says besides.
    """

    command: tuple[str, ...]
    listen: str
    unit: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Unit:
    """One unit of systemd's, as NixOS has it.

    Attributes:
        text: The file.
        wanted_by: The targets that start it.
    """

    text: str
    wanted_by: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Machine:
    """One machine.

    Attributes:
        address: Where the others reach it; empty for a machine alone.
        certificates: What `ultracloud-pki` makes for it, ``FOLDER:USER:IDENTITY`` each.
        programs: Its processes, by name.
        units: Units of ours, by file name.
        users: Those that its services have.
        tmpfiles: Rules for its folders.
        kernel_modules: What its kernel loads when it starts.
    """

    name: str
    profile: str
    address: str
    operators: tuple[str, ...]
    certificates: tuple[str, ...]
    programs: Mapping[str, Program]
    units: Mapping[str, Unit]
    users: tuple[str, ...]
    tmpfiles: tuple[str, ...]
    kernel_modules: tuple[str, ...]


def machines_of(path: Path, profile: str) -> list[Machine]:
    """The machines of one profile."""
    read = (machine(each) for each in json.loads(path.read_text()).values())
    return [each for each in read if each.profile == profile]


def machine(told: Mapping[str, Any]) -> Machine:
    """One machine of the file."""
    programs = {
        name: Program(tuple(program["command"]), program["listen"] or "", program["unit"])
        for name, program in told["processes"].items()
    }
    return Machine(
        name=str(told["node"]),
        profile=str(told["profile"]),
        address=str(told["address"] or ""),
        operators=tuple(told["operators"]),
        certificates=tuple(told["certificates"]),
        programs=programs,
        units={name: Unit(unit["text"], tuple(unit["wantedBy"])) for name, unit in told["units"].items()},
        users=tuple(told["users"]),
        tmpfiles=tuple(told["tmpfiles"]),
        kernel_modules=tuple(told["kernelModules"]),
    )
