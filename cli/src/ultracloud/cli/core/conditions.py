"""What `--wait` and `uc wait --for` wait for, and whether a resource has come there."""

from __future__ import annotations

from dataclasses import dataclass

from ultracloud.cli.core import jsonpath
from ultracloud.cli.core.failures import UsageFailure
from ultracloud.cli.core.trees import Json, items_at, number_at, text_at

SWITCHED_OFF = "STOPPED"
ENDED_STATES = frozenset({"SUCCEEDED", "FAILED", "CANCELLED"})


@dataclass(frozen=True, slots=True)
class Gone:
    """Until it is deleted."""


@dataclass(frozen=True, slots=True)
class ConditionIs:
    """Until a condition has a status, decided on the spec as it is now."""

    type: str
    status: str


@dataclass(frozen=True, slots=True)
class PathIs:
    """Until a path has a value; any value if none is said."""

    steps: tuple[jsonpath.Step, ...]
    value: str | None


@dataclass(frozen=True, slots=True)
class Ended:
    """Until an operation has ended."""


@dataclass(frozen=True, slots=True)
class AsWanted:
    """Until it is as its spec wants it: ready and started as often as wanted, or switched off."""


Goal = Gone | ConditionIs | PathIs | Ended | AsWanted


def parse_goal(text: str) -> Goal:
    """`condition=Ready`, `condition=Ready=false`, `Ready`, `deleted`, `ended`, `jsonpath={.status.power}=RUNNING`.

    Raises:
        UsageFailure: It is none of these.
    """
    head, _, rest = text.partition("=")
    if text in ("delete", "deleted"):
        return Gone()
    if text == "ended":
        return Ended()
    if head == "jsonpath" and rest:
        path, closed, value = rest.partition("}")
        if not closed:
            path, _, value = rest.partition("=")
            return PathIs(jsonpath.parse_path(path), value or None)
        return PathIs(jsonpath.parse_path(path.removeprefix("{")), value.removeprefix("=") or None)
    kind = rest if head == "condition" else text
    name, _, status = kind.partition("=")
    if not name.isidentifier() or status.upper() not in ("", "TRUE", "FALSE", "UNKNOWN"):
        raise UsageFailure(
            f"--for {text[:80]!r} is not understood; accepted: condition=Ready, condition=Ready=false, deleted, "
            "jsonpath={.status.power}=RUNNING"
        )
    return ConditionIs(name[:1].upper() + name[1:], status.upper() or "TRUE")


def reached(goal: Goal, resource: Json) -> bool:
    """Whether a resource that exists is where the goal wants it."""
    match goal:
        case Gone():
            return False
        case Ended():
            return text_at(resource, "status", "state") in ENDED_STATES
        case PathIs(steps, value):
            found = jsonpath.find(steps, resource)
            return bool(found) and (value is None or any(jsonpath.shown(one) == value for one in found))
        case ConditionIs(kind, status):
            found_one = condition(resource, kind)
            return text_at(found_one, "status") == status and _is_current(resource, found_one)
        case AsWanted():
            ready = condition(resource, "Ready")
            if text_at(resource, "spec", "power") == SWITCHED_OFF:
                return text_at(resource, "status", "power") == SWITCHED_OFF and _is_current(resource, ready)
            wanted, done = (number_at(resource, part, "reboot_count") for part in ("spec", "status"))
            return text_at(ready, "status") == "TRUE" and _is_current(resource, ready) and done >= wanted


def _is_current(resource: Json, found: Json) -> bool:
    """Whether a condition speaks of the spec as it is now; a service that does not say is believed."""
    decided_on = number_at(found, "observed_generation")
    return decided_on == 0 or decided_on >= number_at(resource, "metadata", "generation")


def condition(resource: Json, kind: str) -> Json:
    """The condition of that type; None if it has none."""
    return next((c for c in items_at(resource, "status", "conditions") if text_at(c, "type") == kind), None)


def lingers(resource: Json) -> bool:
    """Whether a deleted resource is still there, because something holds it."""
    return bool(items_at(resource, "metadata", "finalizers")) and bool(text_at(resource, "metadata", "deleted_at"))


def failed(resource: Json) -> str:
    """The sentence of an operation that has failed; empty if it has not."""
    if text_at(resource, "status", "state") not in ("FAILED", "CANCELLED"):
        return ""
    return text_at(resource, "status", "error_message") or f"it was {text_at(resource, 'status', 'state').lower()}"


def standing(resource: Json) -> str:
    """Where a resource is, in a few words, for whoever waits."""
    state = text_at(resource, "status", "state")
    if state:
        percent = number_at(resource, "status", "progress_percent")
        return f"{state.lower()} {percent} % {text_at(resource, 'status', 'step')}".rstrip()
    ready = condition(resource, "Ready")
    if ready is None:
        return "no condition yet"
    says = text_at(ready, "reason") or text_at(ready, "status").lower()
    message = text_at(ready, "message")
    return f"{says}: {message}" if message else says
