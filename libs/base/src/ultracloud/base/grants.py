"""Grants: what bindings give and take, compiled so that a decision is a few look-ups.

A principal's holding is made when it first asks: the bindings that name it or one of its groups, by the place they are
at, with their roles' patterns and parsed conditions. Grants are shared by all whom a binding names.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass, field

from ultracloud.base.conditions import Condition, compile_condition
from ultracloud.base.directory import Policy, role_patterns
from ultracloud.base.entities import Binding
from ultracloud.base.principals import SPIFFE_PREFIX
from ultracloud.base.wording import describe_binding

DECIDED_MAX = 64
"""Decisions remembered of one principal: a program does few things in few places. About 20 kB each at most."""
MACHINES_MAX = 4096
"""Holdings up to which those of certificates are kept that no binding names: services, and some agents."""
PROJECT_PAIRS = 2
"""Pairs of a project's path: ``organisations/<id>/projects/<id>``."""


class Why(enum.StrEnum):
    """What a decision rests on; of refusals it is the fault's reason."""

    ALLOWED_BY_BINDING = "ALLOWED_BY_BINDING"
    ALLOWED_BUILT_IN = "ALLOWED_BUILT_IN"
    DENIED_BY_BINDING = "DENIED_BY_BINDING"
    NO_BINDING = "NO_BINDING"
    TOKEN_NARROWED = "TOKEN_NARROWED"  # noqa: S105 - no secret
    PRINCIPAL_GONE = "PRINCIPAL_GONE"
    PRINCIPAL_DISABLED = "PRINCIPAL_DISABLED"
    SESSION_REVOKED = "SESSION_REVOKED"
    TOKENS_REVOKED = "TOKENS_REVOKED"


class Decision:
    """What came out.

    The sentence is made when it is read: of a thousand resources that a list leaves out, nobody reads why.

    Attributes:
        allowed: Whether the principal may.
        binding: Id of the binding that decided; empty if none did.
        why: The same in one word.
        stale: The copy is older than the caller's token, so a refusal may only mean "not yet".
    """

    __slots__ = ("_reason", "allowed", "binding", "stale", "why")

    def __init__(self, why: Why, *, reason: str | Callable[[], str], binding: str = "", stale: bool = False) -> None:
        self.why = why
        self.allowed = why in _ALLOWED
        self.binding = binding
        self.stale = stale
        self._reason = reason

    @property
    def reason(self) -> str:
        """One plain sentence, fit for the principal it is about."""
        if not isinstance(self._reason, str):
            self._reason = self._reason()
        return self._reason

    def __repr__(self) -> str:
        return f"Decision({self.why}, binding={self.binding!r}, stale={self.stale})"


_ALLOWED = frozenset({Why.ALLOWED_BY_BINDING, Why.ALLOWED_BUILT_IN})


@dataclass(frozen=True, slots=True)
class Grant:
    """One binding, ready to match. `condition` is None where it always holds."""

    patterns: frozenset[str]
    binding: Binding
    allowed: Decision
    condition: Condition | None = None


NOTHING = Grant(frozenset(), Binding("", "", (), ""), Decision(Why.NO_BINDING, reason=""))
"""In the place of a grant that denies, where none does."""


@dataclass(slots=True)
class Holding:
    """All that one principal holds.

    Attributes:
        places: Resource -> grants there, denies first so that the walk ends at the first one it meets.
        groups: The groups it is in, as bindings name them.
        is_deep: Whether some place lies below a project: then what holds in a project does not hold alike in all of it.
        is_questionable: Whether it is gone or disabled, or some of its tokens are revoked; never of certificates.
        decided: Permission and place, with a space between -> what was decided there without asking a condition; a
            refusal as the grant that denies it, or NOTHING, for its sentence is another one for each resource.
    """

    places: dict[str, tuple[Grant, ...]]
    groups: tuple[str, ...]
    is_deep: bool
    is_questionable: bool
    decided: dict[str, Decision | Grant] = field(default_factory=dict)

    def remember(self, place: str, made: Decision | Grant) -> None:
        """Keep what was decided without asking a condition."""
        if len(self.decided) >= DECIDED_MAX:
            self.decided.clear()
        self.decided[place] = made


def grants_of(policy: Policy, principal: str) -> dict[str, tuple[Grant, ...]]:
    """Resource -> what the bindings there give to and take from `principal`, or a group."""
    return holding_of(policy, principal).places


def holding_of(policy: Policy, principal: str) -> Holding:
    """What `principal` holds."""
    holding = policy.compiled.get(principal)
    if holding is None:
        holding = _compile(policy, principal)
        if _is_kept(policy, principal, holding):
            policy.compiled[principal] = holding
            if not (holding.is_deep or holding.is_questionable):
                policy.decided[principal] = holding.decided
    return holding


def _is_kept(policy: Policy, principal: str, holding: Holding) -> bool:
    """Not of nobody: anybody may ask about any number of principals that do not exist."""
    if holding.places or principal in policy.user_of_principal or principal in policy.account_of_principal:
        return True
    return principal.startswith(SPIFFE_PREFIX) and len(policy.compiled) < MACHINES_MAX


def grant_of(policy: Policy, binding: Binding) -> Grant | None:
    """What a binding gives or takes; None if its role has been deleted: then it gives nothing and takes nothing."""
    grant = policy.grants.get(binding.id)
    if grant is None:
        held = role_patterns(policy, binding.role)
        if held is None:
            return None
        allowed = Decision(
            Why.ALLOWED_BY_BINDING, reason=lambda: f"{describe_binding(policy, binding)} allows it", binding=binding.id
        )
        condition = compile_condition(binding.condition) if binding.condition else None
        grant = policy.grants[binding.id] = Grant(held, binding, allowed, condition)
    return grant


def _compile(policy: Policy, principal: str) -> Holding:
    places: dict[str, list[Grant]] = {}
    groups = policy.groups_of_member.get(principal, ())
    for named in (principal, *groups):
        for binding in policy.bindings_of_principal.get(named, ()):
            grant = grant_of(policy, binding)
            if grant is not None:
                places.setdefault(binding.resource, []).append(grant)
    known = policy.account_of_principal.get(principal) or policy.user_of_principal.get(principal)
    revoked = policy.revocation_of.get(principal)
    return Holding(
        places={place: tuple(sorted(grants, key=_is_allow)) for place, grants in places.items()},
        groups=groups,
        is_deep=any(place.count("/") >= 2 * PROJECT_PAIRS for place in places),
        is_questionable=not (principal.startswith(SPIFFE_PREFIX) or (known is not None and not known.disabled))
        or revoked is not None,
    )


def _is_allow(grant: Grant) -> bool:
    return not grant.binding.deny
