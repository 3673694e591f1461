"""Explaining a decision: which bindings bear on it, through which group, and what would change it.

It asks the same questions as `decide` and goes on where that stops, so it is for people who ask and not for requests.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from ultracloud.base.conditions import Circumstances, Outcome, Request, values_of
from ultracloud.base.directory import Policy
from ultracloud.base.entities import Binding
from ultracloud.base.grants import Decision, Grant, holding_of
from ultracloud.base.paths import prefixes
from ultracloud.base.permissions import generalised
from ultracloud.base.policy import decide, least_role, resource_for, revocation
from ultracloud.base.principals import Principal, PrincipalKind
from ultracloud.base.wording import describe_binding

HOLDS = Outcome(is_true=True)
_PROJECT_PARTS = 4


@dataclass(frozen=True, slots=True)
class Considered:
    """A binding that names the permission for the principal, at the resource or above it.

    Attributes:
        group: The group through which it reaches the principal; empty where it names the principal itself.
        outcome: What its condition comes to; true without one.
        counts: Whether it gives or takes here: an allow whose condition fails does not, a deny does.
    """

    binding: Binding
    group: str
    outcome: Outcome
    counts: bool


@dataclass(frozen=True, slots=True)
class Change:
    """What would make the answer "allowed".

    Attributes:
        remove: Deny bindings that must go.
        role: The least built-in role that must be bound; empty where none must.
        place: Where.
        advice: All of it in words.
    """

    remove: tuple[Binding, ...]
    role: str
    place: str
    advice: str


@dataclass(frozen=True, slots=True)
class Explanation:
    """All that is to be said of one decision.

    Attributes:
        decided_by: The binding that decided; None where none did, or one that is built in.
        context: What the conditions were asked with, as JSON; empty where there were none.
        change: None where it is allowed.
    """

    decision: Decision
    decided_by: Considered | None
    considered: tuple[Considered, ...]
    context: dict[str, str]
    change: Change | None


def explain(
    policy: Policy, principal: Principal, permission: str, resource: str, circumstances: Circumstances
) -> Explanation:
    """Explain what `decide` says to the same question in these circumstances."""
    decision = decide(policy, principal, permission, resource, lambda: circumstances)
    request = Request(principal, holding_of(policy, principal.id).groups, permission, resource, circumstances)
    considered = _consider(policy, request)
    return Explanation(
        decision=decision,
        decided_by=next((one for one in considered if one.binding.id == decision.binding), None),
        considered=considered,
        context=values_of(request) if any(one.binding.condition for one in considered) else {},
        change=None if decision.allowed else _change(policy, request, considered),
    )


def _consider(policy: Policy, request: Request) -> tuple[Considered, ...]:
    """All bindings that bear on the request, from the root down, denies first at each place."""
    holding = holding_of(policy, request.principal.id)
    wanted = generalised(request.permission)
    return tuple(
        _considered(request, grant)
        for prefix in prefixes(request.resource)
        for grant in holding.places.get(prefix, ())
        if not grant.patterns.isdisjoint(wanted)
    )


def _considered(request: Request, grant: Grant) -> Considered:
    binding = grant.binding
    outcome = grant.condition.outcome(request) if grant.condition else HOLDS
    direct = request.principal.id in binding.principals
    group = "" if direct else next((one for one in request.groups if one in binding.principals), "")
    counts = outcome.is_true or (binding.deny and bool(outcome.failure))
    return Considered(binding, group, outcome, counts)


def _change(policy: Policy, request: Request, considered: tuple[Considered, ...]) -> Change:
    principal = request.principal
    revoked = revocation(policy, principal)
    if revoked is not None:
        return Change((), "", "", revoked.reason.rpartition("; ")[2])
    if principal.narrowings:
        plain = replace(principal, narrowings=())
        if decide(policy, plain, request.permission, request.resource, lambda: request.circumstances).allowed:
            return Change((), "", "", "use a token that has not been narrowed")
    remove = tuple(one.binding for one in considered if one.binding.deny and one.counts)
    if any(one.counts and not one.binding.deny for one in considered):
        return Change(remove, "", "", _advice(policy, request, considered, remove, "", ""))
    if principal.kind in (PrincipalKind.SERVICE, PrincipalKind.AGENT, PrincipalKind.NODE):
        return Change(remove, "", "", "check that it was started with its own certificate; its rights are built in")
    role, place = least_role(request.permission), _place_to_bind(request.resource)
    return Change(remove, role, place, _advice(policy, request, considered, remove, role, place))


def _place_to_bind(resource: str) -> str:
    """Where people bind: the project, where there is one, or the resource."""
    parts = resource.split("/")
    is_in_project = parts[0] == "organisations" and parts[2:3] == ["projects"] and len(parts) >= _PROJECT_PARTS
    return "/".join(parts[:_PROJECT_PARTS]) if is_in_project else resource


def _advice(
    policy: Policy,
    request: Request,
    considered: tuple[Considered, ...],
    remove: tuple[Binding, ...],
    role: str,
    place: str,
) -> str:
    steps = [f"remove {describe_binding(policy, one)}" for one in remove]
    waiting = [one.binding for one in considered if not one.counts and not one.binding.deny]
    if role and waiting:
        names = " or of ".join(describe_binding(policy, one) for one in waiting)
        steps.append(f"meet the condition of {names}, or bind role {role} on {_shown(policy, request, place)}")
    elif role:
        steps.append(f"bind role {role} on {_shown(policy, request, place)}")
    return ", and ".join(steps)


def _shown(policy: Policy, request: Request, place: str) -> str:
    return resource_for(policy, request.principal, place)
