"""Powers: what a principal holds at a place, and the rule that nobody gives or takes more than that.

Without it, whoever may create a binding may make themselves owner. The comparison is between patterns and errs towards
refusing: ``prismnet.*`` is not taken as held by someone who holds every kind of prismnet one by one. What is held under
a condition is not held here, for it may not hold for whoever gets it; what is denied under one is denied.

Source: the escalation rule of Kubernetes RBAC ("bind" and "escalate").
"""

from __future__ import annotations

from collections.abc import Iterable

from ultracloud.base.faults import PermissionDeniedError
from ultracloud.base.narrowing import leaves_pattern
from ultracloud.base.paths import may_concern
from ultracloud.base.permissions import covers, overlap
from ultracloud.base.policy import Policy, Principal, PrincipalKind, describe_resource, grants_of, prefixes
from ultracloud.base.principals import SPIFFE_PREFIX
from ultracloud.base.roles import built_in_grants


def powers(policy: Policy, principal: str, resource: str) -> frozenset[str]:
    """Every pattern, in three parts, that bindings at `resource` or above it give to `principal`; denies aside.

    Those with a condition too: what somebody may hold at times counts when others want power over them.
    """
    return _held(policy, principal, resource, also_conditional=True)


def _held(policy: Policy, principal: str, resource: str, *, also_conditional: bool) -> frozenset[str]:
    held: set[str] = set()
    for place in prefixes(resource):
        for grant in grants_of(policy, principal).get(place, ()):
            if not grant.binding.deny and (also_conditional or grant.condition is None):
                held |= grant.patterns
        if principal.startswith(SPIFFE_PREFIX):
            for built_in in built_in_grants(principal).get(place, ()):
                held |= built_in.patterns
    return frozenset(held)


def first_lacking(policy: Policy, caller: Principal, wanted: Iterable[str], resource: str) -> str | None:
    """The first of the patterns `wanted` that `caller` does not wholly hold on `resource` and all below it, or None."""
    held = _held(policy, caller.id, resource, also_conditional=False)
    denied = _denied_within(policy, caller.id, resource)
    for pattern in sorted(wanted):
        if not covers(held, pattern) or any(overlap(pattern, taken) for taken in denied):
            return pattern
        if not leaves_pattern(caller.narrowings, pattern, resource):  # a weak token must not make a strong one
            return pattern
    return None


def require_powers(policy: Policy, caller: Principal, wanted: Iterable[str], resource: str, deed: str) -> None:
    """Return if `caller` holds all of `wanted` on `resource`.

    Args:
        policy: The newest there is.
        caller: Who asks.
        wanted: Patterns in three parts.
        resource: Path with ids.
        deed: Completes "you may not ...", e.g. ``bind role owner``.

    Raises:
        PermissionDeniedError: One of them is lacking; the sentence says which.
    """
    lacking = first_lacking(policy, caller, wanted, resource)
    if lacking is not None:
        raise PermissionDeniedError(
            f"you may not {deed} on {describe_resource(policy, resource)}: you do not hold "
            f"{_shortened(lacking)} there yourself",
            hint="ask somebody who holds it there",
            reason="ESCALATION",
            metadata={"permission": _shortened(lacking)},
        )


def require_no_less(policy: Policy, caller: Principal, other: str, resource: str, deed: str) -> None:
    """Return if `caller` holds on `resource` all that the principal `other` holds there.

    Raises:
        PermissionDeniedError: `other` holds more.
    """
    if caller.id != other or caller.narrowings:
        require_powers(policy, caller, powers(policy, other, resource), resource, deed)


def is_machine(principal: Principal) -> bool:
    """Whether it is one of our own services or agents, whose rights are built in."""
    return principal.kind in (PrincipalKind.SERVICE, PrincipalKind.AGENT)


def _denied_within(policy: Policy, principal: str, resource: str) -> set[str]:
    """What is taken from `principal` at `resource`, above it, or below it, in whatever environment that is."""
    return {
        pattern
        for place, grants in grants_of(policy, principal).items()
        if may_concern(place, resource)
        for grant in grants
        if grant.binding.deny
        for pattern in grant.patterns
    }


def _shortened(pattern: str) -> str:
    """The form people write: ``prismnet.*`` for ``prismnet.*.*``."""
    match pattern.split("."):
        case ["*", "*", "*"]:
            return "*"
        case [service, "*", "*"]:
            return f"{service}.*"
        case ["*", "*", verb]:
            return f"*.{verb}"
        case _:
            return pattern
