"""Conditions of bindings: Cedar expressions, parsed once each, evaluated only where a binding that has one is met.

An expression stands in the ``when`` clause of a Cedar policy and speaks of

- ``principal``: ``User::"usr-..."``, ``ServiceAccount::"sa-..."``, ``Service``, ``Agent``, ``Operator`` or
  ``Node::"spiffe://..."``, with ``principal.organisation`` and ``principal.project``, in its ``Group::"grp-..."``;
- ``action``: ``Action::"prismnet.vpcs.create"``;
- ``resource``: ``Resource::"organisations/<id>/projects/<id>/vpcs/<id>"``, in the ``Resource`` of each path above it,
  with ``resource.organisation``, ``resource.project``, ``resource.kinds`` and ``resource.labels``;
- ``context``: ``now`` (a ``datetime``), ``source_address`` (an ``ip``), ``organisation``, ``project`` and ``labels``.

What is not known is absent: ``context has source_address``. An expression that cannot be evaluated gives nothing: an
allow does not hold, a deny does.

Source: the Cedar policy language reference (conditions, the datetime and ip extension types).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING

from ultracloud.base.faults import InvalidArgumentError
from ultracloud.base.paths import plain_path, prefixes
from ultracloud.base.principals import Principal, PrincipalKind

if TYPE_CHECKING:
    import cedarpy

CONDITION_LENGTH_MAX = 2000
"""Characters: a dozen comparisons. Every service holds every condition."""
COMPILED_MAX = 4096
"""Different expressions kept parsed; bindings that repeat one share it."""
ENTITIES_MAX = 1024
"""Askers and resources kept as Cedar's: most of what a condition costs is making them."""
MILLISECONDS_PER_S = 1000
_TYPES = {
    PrincipalKind.USER: "User",
    PrincipalKind.SERVICE_ACCOUNT: "ServiceAccount",
    PrincipalKind.SERVICE: "Service",
    PrincipalKind.AGENT: "Agent",
    PrincipalKind.OPERATOR: "Operator",
    PrincipalKind.NODE: "Node",
}


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What a condition may ask of besides who, what and where.

    Attributes:
        now_ms: Milliseconds since 1970; 0 if not known.
        labels: Of the resource.
    """

    now_ms: int = 0
    labels: Mapping[str, str] = field(default_factory=dict)


NO_CIRCUMSTANCES = Circumstances()
Seen = Callable[[], Circumstances]
"""Made only when a condition is met: most decisions need no clock."""


def nothing_seen() -> Circumstances:
    """What is known where nobody says."""
    return NO_CIRCUMSTANCES


@dataclass(frozen=True, slots=True)
class Request:
    """One question to a condition."""

    principal: Principal
    groups: tuple[str, ...]
    permission: str
    resource: str
    circumstances: Circumstances


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an expression comes to. `failure` says why it comes to nothing; empty if it does come to something."""

    is_true: bool
    failure: str = ""


@dataclass(frozen=True, slots=True)
class Condition:
    """A parsed expression; `policies` is None where it does not parse here, with the reason in `failure`."""

    text: str
    policies: cedarpy.PolicySet | None
    failure: str = ""

    def outcome(self, request: Request) -> Outcome:
        """What it comes to for `request`."""
        import cedarpy

        if self.policies is None:
            return Outcome(is_true=False, failure=self.failure)
        try:
            answer = cedarpy.is_authorized(_question(request), self.policies, _entities(request))
        except ValueError as error:  # a source address that is none, a path with strange characters
            return Outcome(is_true=False, failure=_sentence(str(error)))
        failures = answer.diagnostics.errors
        return Outcome(answer.allowed, _sentence(str(failures[0])) if failures else "")


def _sentence(failure: str) -> str:
    """What Cedar says of a failure, without the policy's name, which is ours."""
    return failure.partition("\n")[0].rpartition("`policy0`: ")[2]


def check_condition(text: str) -> str:
    """Give `text` back if it is an expression, or empty.

    Raises:
        InvalidArgumentError: It is not; the sentence says where.
    """
    if len(text) > CONDITION_LENGTH_MAX:
        raise InvalidArgumentError(
            f"condition has {len(text)} characters; at most {CONDITION_LENGTH_MAX} are accepted",
            reason="CONDITION_INVALID",
        )
    failure = compile_condition(text).failure if text else ""
    if failure:
        raise InvalidArgumentError(
            f"condition {text[:100]!a} is no Cedar expression: {failure}; accepted: an expression over principal, "
            'action, resource and context, such as context.source_address.isInRange(ip("10.0.0.0/8"))',
            reason="CONDITION_INVALID",
        )
    return text


@lru_cache(maxsize=COMPILED_MAX)
def compile_condition(text: str) -> Condition:
    """The parsed form of an expression; one that does not parse is kept with the reason."""
    import cedarpy

    # On a line of its own, or a comment at its end would hide the brace.
    policy = f"permit(principal, action, resource) when {{\n{text}\n}};"
    try:
        parsed = json.loads(cedarpy.policies_to_json_str(policy))
        policies = cedarpy.PolicySet.from_str(policy)
    except ValueError as error:
        return Condition(text, None, " ".join(str(error).split())[:300])
    # Or a text such as "true }; permit(principal, action, resource) when { true" would be a policy of its own.
    made = list(parsed.get("staticPolicies", {}).values())
    if len(made) != 1 or parsed.get("templates") or [one["kind"] for one in made[0]["conditions"]] != ["when"]:
        return Condition(text, None, "it is more than one expression")
    return Condition(text, policies)


def values_of(request: Request) -> dict[str, str]:
    """What `context` is for `request`, each value as JSON: for people who ask why."""
    return {name: json.dumps(_plain(value)) for name, value in sorted(_context(request).items())}


def _plain(value: object) -> object:
    match value:
        case {"__extn": {"arg": argument}}:
            return argument
        case _:
            return value


def _question(request: Request) -> dict[str, object]:
    return {
        "principal": _principal_uid(request.principal),
        "action": {"type": "Action", "id": request.permission},
        "resource": {"type": "Resource", "id": plain_path(request.resource)},
        "context": _context(request),
    }


def _principal_uid(principal: Principal) -> dict[str, str]:
    tenant = principal.is_tenant
    return {"type": _TYPES[principal.kind], "id": principal.id.partition(":")[2] if tenant else principal.id}


def _context(request: Request) -> dict[str, object]:
    organisation, project, _kinds = _place_of(request.resource)
    context: dict[str, object] = {"labels": dict(request.circumstances.labels)}
    if organisation:
        context["organisation"] = organisation
    if project:
        context["project"] = project
    if request.circumstances.now_ms:
        context["now"] = _extension("datetime", _instant(request.circumstances.now_ms))
    if request.principal.source:
        context["source_address"] = _extension("ip", _host_of(request.principal.source))
    return context


def _extension(function: str, argument: str) -> dict[str, dict[str, str]]:
    return {"__extn": {"fn": function, "arg": argument}}


def _instant(now_ms: int) -> str:
    """RFC 3339 with milliseconds, as Cedar's datetime takes it."""
    moment = datetime.fromtimestamp(now_ms / MILLISECONDS_PER_S, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{now_ms % MILLISECONDS_PER_S:03d}Z"


def _host_of(address: str) -> str:
    """``10.0.0.1`` of ``10.0.0.1:443``, ``::1`` of ``[::1]:443``; what has no port as it is."""
    if address.startswith("["):
        return address[1:].partition("]")[0]
    return address.partition(":")[0] if address.count(":") == 1 else address


def _entities(request: Request) -> cedarpy.Entities:
    """The principal and the resource, as Cedar keeps them; parsed once for those who ask again about the same."""
    principal = request.principal
    whose = (principal.id, principal.kind, principal.organisation, principal.project)
    return _parsed(whose, request.groups, request.resource, tuple(request.circumstances.labels.items()))


@lru_cache(maxsize=ENTITIES_MAX)
def _parsed(
    whose: tuple[str, PrincipalKind, str, str],
    groups: tuple[str, ...],
    resource: str,
    labels: tuple[tuple[str, str], ...],
) -> cedarpy.Entities:
    import cedarpy

    principal = Principal(*whose)
    organisation, project, kinds = _place_of(resource)
    place = {"organisation": organisation, "project": project, "kinds": kinds}
    of_principal = {"organisation": principal.organisation, "project": principal.project}
    known: dict[str, object] = {name: value for name, value in place.items() if value}
    known["labels"] = dict(labels)
    entities = [
        _entity(
            _principal_uid(principal),
            {name: value for name, value in of_principal.items() if value},
            ({"type": "Group", "id": group.partition(":")[2]} for group in groups),
        ),
        _entity(
            {"type": "Resource", "id": plain_path(resource)},
            known,
            ({"type": "Resource", "id": above} for above in prefixes(resource) if above != plain_path(resource)),
        ),
    ]
    return cedarpy.Entities.from_json_str(json.dumps(entities))


def _entity(
    uid: Mapping[str, str], attributes: Mapping[str, object], parents: Iterable[Mapping[str, str]]
) -> dict[str, object]:
    return {"uid": uid, "attrs": attributes, "parents": list(parents)}


def _place_of(resource: str) -> tuple[str, str, str]:
    """Organisation, project, and kinds of the last pair; empty where the path has none."""
    parts = resource.split("/")
    organisation = parts[1] if parts[0] == "organisations" and len(parts) > 1 else ""
    project = parts[3] if organisation and parts[2:3] == ["projects"] and len(parts) > 3 else ""  # noqa: PLR2004
    return organisation, project, parts[-2] if len(parts) > 1 else ""
