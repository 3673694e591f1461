"""Columns of a kind: those that people chose, or what its spec suggests.

A column is a heading, how to read its cell, and whether only `-o wide` shows it. A kind without a hand-made list gets
NAME, READY, its short scalar fields, and AGE.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ultracloud.cli.core import jsonpath
from ultracloud.cli.core.ages import parse_moment, render_span
from ultracloud.cli.core.api import Noun
from ultracloud.cli.core.conditions import condition
from ultracloud.cli.core.problems import printable
from ultracloud.cli.core.trees import Json, items_at, table_at, text_at

GUESSED_COLUMNS_MAX = 4
CELL_LENGTH_MAX = 60
NOTHING = "-"

Cell = Callable[[Json, float], str]


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table. `cell` takes a resource and the time, seconds since 1970."""

    heading: str
    cell: Cell
    wide: bool = False


def value(*path: str) -> Cell:
    """The scalar at a path."""
    return lambda resource, _now: short(text_at(resource, *path) or _truth(resource, path))


def joined(path: str) -> Cell:
    """All that a jsonpath leads to, with commas between."""
    steps = jsonpath.parse_path(path)
    return lambda resource, _now: short(",".join(jsonpath.shown(found) for found in jsonpath.find(steps, resource)))


def since(*path: str) -> Cell:
    """How long ago the time at a path was."""

    def cell(resource: Json, now_s: float) -> str:
        moment = parse_moment(text_at(resource, *path))
        return NOTHING if moment is None else render_span(now_s - moment)

    return cell


def ready(resource: Json, _now_s: float) -> str:
    """`True`, `False (NoCapacity)`; deleting is said too."""
    if text_at(resource, "metadata", "deleted_at"):
        return "Deleting"
    found = condition(resource, "Ready")
    if found is None:
        return NOTHING
    status, reason = text_at(found, "status").capitalize(), text_at(found, "reason")
    return short(status if status == "True" or not reason else f"{status} ({reason})")


def labels(resource: Json, _now_s: float) -> str:
    """`k=v,k=v`."""
    pairs = table_at(resource, "metadata", "labels")
    return short(",".join(f"{key}={jsonpath.shown(pairs[key])}" for key in sorted(pairs))) or NOTHING


def power(resource: Json, _now_s: float) -> str:
    """A VM's state as docker says it: what it is, and what stands in the way of what is wanted."""
    state = text_at(resource, "status", "power").lower()
    wanted = text_at(resource, "spec", "power").lower() or "running"
    if text_at(resource, "metadata", "deleted_at"):
        return "deleting"
    if not state or state.startswith("power_state"):
        found = condition(resource, "Ready")
        return short(text_at(found, "reason")) if found is not None else "pending"
    return state if state == wanted or wanted.startswith("power_state") else f"{state} -> {wanted}"


NAME = Column("NAME", value("metadata", "name"))
READY = Column("READY", ready)
AGE = Column("AGE", since("metadata", "created_at"))
ID = Column("ID", value("metadata", "id"), wide=True)
LABELS = Column("LABELS", labels, wide=True)

CHOSEN: dict[str, tuple[Column, ...]] = {
    "vm": (
        NAME,
        Column("STATE", power),
        Column("ADDRESS", joined(".status.nics[*].address")),
        Column("VCPUS", value("spec", "vcpus")),
        Column("MEMORY", value("spec", "memory_mib")),
        Column("HOST", value("status", "host")),
        AGE,
        Column("ACCEL", value("status", "accelerator"), wide=True),
        Column("IMAGE", value("spec", "image"), wide=True),
    ),
    "vpc": (
        NAME,
        Column("CIDR", value("spec", "cidr")),
        Column("NAT", value("spec", "egress_nat")),
        READY,
        AGE,
        Column("VNI", value("status", "vni"), wide=True),
    ),
    "subnet": (
        NAME,
        Column("CIDR", value("spec", "cidr")),
        Column("GATEWAY", value("status", "gateway")),
        Column(
            "USED",
            lambda r, _: (
                f"{text_at(r, 'status', 'addresses_used') or 0}/{text_at(r, 'status', 'addresses_total') or '?'}"
            ),
        ),
        READY,
        AGE,
        Column("VPC", value("spec", "vpc"), wide=True),
    ),
    "port": (
        NAME,
        Column("ADDRESS", value("status", "address")),
        Column("MAC", value("status", "mac")),
        Column("HOST", value("spec", "host")),
        READY,
        AGE,
        Column("DEVICE", value("spec", "device"), wide=True),
    ),
    "securitygroup": (
        NAME,
        Column("RULES", lambda r, _: str(len(items_at(r, "spec", "rules")))),
        Column("DESCRIPTION", value("spec", "description")),
        AGE,
    ),
    "host": (
        NAME,
        READY,
        Column("CORDONED", value("spec", "cordoned")),
        Column("VCPUS", value("status", "capacity", "vcpus")),
        Column("MEMORY", value("status", "capacity", "memory_mib")),
        Column("ACCEL", value("status", "capacity", "accelerator")),
        AGE,
    ),
    "operation": (
        NAME,
        Column("VERB", value("spec", "verb")),
        Column("STATE", value("status", "state")),
        Column("PROGRESS", value("status", "progress_percent")),
        Column("STEP", value("status", "step")),
        Column("TARGET", value("spec", "target"), wide=True),
        AGE,
    ),
    "binding": (
        NAME,
        Column(
            "EFFECT", lambda r, _: "deny" if text_at(r, "spec", "deny") or table_at(r, "spec").get("deny") else "allow"
        ),
        Column("ROLE", value("spec", "role")),
        Column("PRINCIPALS", joined(".spec.principals[*]")),
        Column("RESOURCE", value("spec", "resource")),
        AGE,
        Column("CONDITION", value("spec", "condition"), wide=True),
    ),
    "accesskey": (
        NAME,
        Column("ACCESS-KEY-ID", value("status", "access_key_id")),
        Column("PRINCIPAL", value("spec", "principal")),
        Column("DISABLED", value("spec", "disabled")),
        Column("EXPIRES", value("spec", "expires_at")),
        AGE,
    ),
    "jointoken": (
        NAME,
        Column("IDENTITY", value("spec", "identity")),
        Column("USED-BY", value("status", "used_by")),
        Column("EXPIRES", value("status", "expires_at")),
        AGE,
    ),
    "user": (
        NAME,
        Column("DISPLAY-NAME", value("spec", "display_name")),
        Column("EMAIL", value("spec", "email")),
        Column("DISABLED", value("spec", "disabled")),
        AGE,
    ),
    "image": (
        NAME,
        READY,
        Column("FORMAT", value("spec", "format")),
        AGE,
        Column("DISK-URL", value("spec", "disk_url"), wide=True),
        Column("KERNEL-URL", value("spec", "kernel_url"), wide=True),
    ),
    "session": (
        Column("ID", value("id")),
        Column("CLIENT", value("client")),
        Column("FROM", value("source")),
        Column("BY", joined(".methods[*]")),
        Column("CURRENT", value("is_current")),
        Column("USED", since("used_at")),
        Column("AGE", since("created_at")),
        Column("EXPIRES", value("expires_at"), wide=True),
    ),
    "personaltoken": (
        Column("ID", value("id")),
        Column("NAME", value("name")),
        Column("SCOPES", joined(".scopes[*]")),
        Column("PLACE", value("place")),
        Column("EXPIRES", value("expires_at")),
        Column("USED", since("used_at")),
        Column("AGE", since("created_at")),
    ),
    "organisation": (NAME, Column("DESCRIPTION", value("spec", "description")), AGE),
    "project": (NAME, Column("DESCRIPTION", value("spec", "description")), AGE),
    "role": (
        NAME,
        Column("PERMISSIONS", joined(".spec.permissions[*]")),
        Column("DESCRIPTION", value("spec", "description")),
        AGE,
    ),
}


def columns_of(noun: Noun, *, wide: bool) -> tuple[Column, ...]:
    """Columns of a noun's table."""
    return _fitting((*(CHOSEN.get(noun.name) or guessed(noun)), ID, LABELS), wide=wide)


def chosen(noun: Noun, *, wide: bool) -> tuple[Column, ...]:
    """Columns that somebody chose for a noun; none if nobody did."""
    return _fitting(CHOSEN.get(noun.name, ()), wide=wide)


def guessed(noun: Noun) -> tuple[Column, ...]:
    """Columns of a kind that nobody chose any for."""
    spec = next((field.message for field in noun.fields(noun.kind) if field.name == "spec"), "")
    scalars = [f for f in noun.fields(spec) if f.shape == "one" and f.kind not in ("message", "any", "bytes")]
    made = [Column(f.name.upper().replace("_", "-"), value("spec", f.name)) for f in scalars[:GUESSED_COLUMNS_MAX]]
    status = next((field.message for field in noun.fields(noun.kind) if field.name == "status"), "")
    has_conditions = any(field.name == "conditions" for field in noun.fields(status))
    return (NAME, *([READY] if has_conditions else []), *made, AGE)


def _fitting(columns: tuple[Column, ...], *, wide: bool) -> tuple[Column, ...]:
    return columns if wide else tuple(column for column in columns if not column.wide)


def short(text: str) -> str:
    """One line of at most CELL_LENGTH_MAX characters; `-` for nothing."""
    line = printable(" ".join(text.split()))
    return (line if len(line) <= CELL_LENGTH_MAX else line[: CELL_LENGTH_MAX - 3] + "...") or NOTHING


def _truth(resource: Json, path: tuple[str, ...]) -> str:
    found = table_at(resource, *path[:-1]).get(path[-1])
    return "" if found is None or isinstance(found, dict | list) else str(found).lower()
