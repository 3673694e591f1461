"""Policy: may this principal do this here, and why.

A policy is everything at one version: organisations, projects, accounts, roles and bindings. `decide` walks the
resource tree from the root down; a deny anywhere on the way beats every allow. It is pure and runs in the calling
service, on the copy of the policy that service watches, so that a request costs no hop. The index makes a decision a
few dictionary look-ups however many bindings there are.

Source: the resource tree and deny-overrides of Google Cloud IAM.
"""

from __future__ import annotations

from collections.abc import Iterator

from ultracloud.base.conditions import Request, Seen, nothing_seen
from ultracloud.base.directory import Policy, environment_path, project_path, role_patterns
from ultracloud.base.entities import (
    Binding,
    Delta,
    Entity,
    Environment,
    Group,
    Organisation,
    Project,
    Revocation,
    Role,
    ServiceAccount,
    User,
)
from ultracloud.base.faults import NotFoundError, PermissionDeniedError, UnavailableError
from ultracloud.base.grants import NOTHING, Decision, Grant, Holding, Why, grants_of, holding_of
from ultracloud.base.narrowing import describe as describe_narrowings
from ultracloud.base.narrowing import leaves
from ultracloud.base.paths import prefixes
from ultracloud.base.permissions import generalised
from ultracloud.base.principals import Principal, PrincipalKind
from ultracloud.base.roles import BUILT_IN_PATTERNS, BUILT_IN_ROLES, built_in_grants
from ultracloud.base.wording import SHOWN_LENGTH_MAX, describe_binding, describe_principal, describe_resource

__all__ = [
    "BUILT_IN_ROLES",
    "Binding",
    "Decision",
    "Delta",
    "Entity",
    "Environment",
    "Grant",
    "Group",
    "Organisation",
    "Policy",
    "Principal",
    "PrincipalKind",
    "Project",
    "Revocation",
    "Role",
    "ServiceAccount",
    "User",
    "Why",
    "decide",
    "describe_binding",
    "describe_principal",
    "describe_resource",
    "environment_path",
    "find_organisation",
    "find_project",
    "grants_of",
    "least_role",
    "prefixes",
    "project_path",
    "require",
    "resource_for",
    "revocation",
    "role_patterns",
]


_PROJECTS = "/projects/"
_PROJECT_START = len("organisations/")


def decide(policy: Policy, principal: Principal, permission: str, resource: str, seen: Seen = nothing_seen) -> Decision:
    """Say whether `principal` may do `permission` on `resource`, and why.

    Args:
        policy: The newest copy there is.
        principal: Whose token or certificate has been verified.
        permission: ``<service>.<kinds>.<verb>``.
        resource: Path with ids, ``organisations/<id>/projects/<id>/vpcs/<id>``; empty for the root.
        seen: Gives what conditions may ask of; called only when a binding with a condition is met.
    """
    decided = policy.decided.get(principal.id)
    if decided is None or principal.narrowings or principal.session in policy.revocation_of:
        return _decide_with_care(policy, principal, permission, resource, seen)
    # One text, since two would be two more places in memory to look at: that is what a decision costs.
    end = resource.find(_PROJECTS, _PROJECT_START)
    if end > 0:
        end = resource.find("/", end + len(_PROJECTS))
    made = decided.get(f"{permission} {resource[:end] if end > 0 else resource}")
    if made is None:
        return _decide_with_care(policy, principal, permission, resource, seen)
    return made if isinstance(made, Decision) else _refused(policy, principal, permission, resource, made)


def _decide_with_care(policy: Policy, principal: Principal, permission: str, resource: str, seen: Seen) -> Decision:
    """The same, of anybody and about anything for the first time."""
    holding = holding_of(policy, principal.id)
    if holding.is_questionable or principal.session in policy.revocation_of:
        revoked = revocation(policy, principal)
        if revoked is not None:
            return revoked
    if principal.narrowings and not leaves(principal.narrowings, permission, resource):
        return _narrowed(policy, principal, permission, resource)
    end = -1 if holding.is_deep else resource.find(_PROJECTS, _PROJECT_START)
    if end > 0:
        end = resource.find("/", end + len(_PROJECTS))
    place = f"{permission} {resource[:end] if end > 0 else resource}"
    made = holding.decided.get(place)
    if made is None:
        made = _decide(principal, holding, permission, resource, place, seen)
    return made if isinstance(made, Decision) else _refused(policy, principal, permission, resource, made)


def _decide(
    principal: Principal, holding: Holding, permission: str, resource: str, place: str, seen: Seen
) -> Decision | Grant:
    """Walk down to `resource`: an allow, or what denies it, or NOTHING.

    What rests on no condition is remembered for `place`.
    """
    wanted = generalised(permission)
    allow, deny, is_plain = None, None, True
    for grant in _matching(holding, wanted, resource):
        if allow is not None and not grant.binding.deny:
            continue
        if grant.condition is not None:
            is_plain = False
            if not _holds(principal, holding, grant, permission, resource, seen):
                continue
        if grant.binding.deny:
            deny = grant
            break
        allow = grant.allowed
    if deny is None and allow is None and not principal.is_tenant:
        allow = _built_in_allow(principal, wanted, resource)
    made = deny or allow or NOTHING
    if is_plain:
        holding.remember(place, made)
    return made


def _refused(policy: Policy, principal: Principal, permission: str, resource: str, deny: Grant) -> Decision:
    if deny is not NOTHING:
        return _denied(policy, principal, permission, resource, deny)
    return Decision(
        Why.NO_BINDING,
        reason=lambda: _why_unbound(policy, principal, permission, resource),
        stale=principal.policy_version > policy.version,
    )


def _matching(holding: Holding, wanted: tuple[str, ...], resource: str) -> Iterator[Grant]:
    """Grants on the way from the root to `resource` that name what is wanted."""
    places = holding.places
    for prefix in prefixes(resource) if places else ():
        for grant in places.get(prefix, ()):
            if not grant.patterns.isdisjoint(wanted):
                yield grant


def _holds(principal: Principal, holding: Holding, grant: Grant, permission: str, resource: str, seen: Seen) -> bool:
    """Whether a grant's condition lets it count: an allow whose condition fails does not, a deny does."""
    assert grant.condition is not None, grant.binding.id
    outcome = grant.condition.outcome(Request(principal, holding.groups, permission, resource, seen()))
    return outcome.is_true or (grant.binding.deny and bool(outcome.failure))


def revocation(policy: Policy, principal: Principal) -> Decision | None:
    """The refusal that whoever is deleted or disabled, or whose token is revoked, gets whatever they ask.

    None for everybody else.
    """
    if not principal.is_tenant:
        return None
    known = policy.account_of_principal.get(principal.id) or policy.user_of_principal.get(principal.id)
    if known is not None and not known.disabled:
        return _revoked_token(policy, principal)
    name = describe_principal(policy, principal.id)
    place = "organisation" if principal.kind is PrincipalKind.USER else "project"
    if known is not None:
        why, reason = Why.PRINCIPAL_DISABLED, f"{name} is disabled; ask an admin of its {place} to enable it"
    else:
        wanted = "an invitation" if principal.kind is PrincipalKind.USER else "a token of another one"
        why = Why.PRINCIPAL_GONE
        reason = f"{name} does not exist (any more); ask an admin of its {place} for {wanted}"
    return Decision(why, reason=reason, stale=principal.policy_version > policy.version)


def _revoked_token(policy: Policy, principal: Principal) -> Decision | None:
    if principal.session and principal.session in policy.revocation_of:
        reason = "your session has been revoked or ended; log in again"
        return Decision(Why.SESSION_REVOKED, reason=reason)
    since = policy.revocation_of.get(principal.id)
    if since is not None and principal.issued_at_ms < since.not_before_ms:
        reason = (
            f"all tokens of {describe_principal(policy, principal.id)} from before a moment are revoked; log in again"
        )
        return Decision(Why.TOKENS_REVOKED, reason=reason)
    return None


def _narrowed(policy: Policy, principal: Principal, permission: str, resource: str) -> Decision:
    return Decision(
        Why.TOKEN_NARROWED,
        reason=lambda: (
            f"the token of {describe_principal(policy, principal.id)} has been narrowed to "
            f"{describe_narrowings(principal.narrowings)}, which leaves no {permission[:SHOWN_LENGTH_MAX]} on "
            f"{resource_for(policy, principal, resource)}; use one that has not"
        ),
    )


def require(decision: Decision) -> None:
    """Return if `decision` allows.

    Raises:
        PermissionDeniedError: It refuses; the sentence is its reason.
        UnavailableError: It refuses on a copy older than the caller's token; the same call may succeed in a moment.
    """
    if decision.allowed:
        return
    if decision.stale:
        raise UnavailableError(
            "the policy here is older than your token; try again in a moment",
            detail=decision.reason,
            reason="POLICY_BEHIND",
        )
    raise PermissionDeniedError(
        decision.reason,
        reason=decision.why.value,
        metadata={"binding": decision.binding} if decision.binding else None,
    )


def find_organisation(policy: Policy, principal: Principal, ref: str) -> Organisation:
    """The organisation with this name or id, as far as `principal` may know of it.

    Raises:
        NotFoundError: None, or one of another tenant: the answer is the same.
    """
    found = policy.organisation_of_id.get(ref) or policy.organisation_of_name.get(ref)
    if found is None or not _is_known(policy, principal, found.id, f"organisations/{found.id}"):
        raise NotFoundError(f"no organisation {_shown(ref)}", reason="ORGANISATION_NOT_FOUND")
    return found


def find_project(policy: Policy, principal: Principal, ref: str) -> Project:
    """The project with this name (``blue``, ``acme/blue``) or id, as far as `principal` may know of it.

    A plain name is looked for in the principal's own organisation first, then everywhere it may look.

    Raises:
        NotFoundError: None, one of another tenant, or a plain name that several organisations use.
    """
    organisation, slash, name = ref.rpartition("/")
    own_place = policy.project_of_place.get((principal.organisation, name)) if not slash else None
    if own_place is not None:  # before looking at all tenants': "default" is everybody's name
        return own_place
    known = [
        project
        for project in (policy.project_of_id.get(name), *policy.projects_of_name.get(name, ()))
        if project is not None
        and _is_known(policy, principal, project.organisation, project_path(project))
        and (not slash or _is_organisation(policy, project.organisation, organisation))
    ]
    own = [project for project in known if project.organisation == principal.organisation] or known
    if not own:
        raise NotFoundError(f"no project {_shown(ref)}", reason="PROJECT_NOT_FOUND")
    if len(own) > 1:
        raise NotFoundError(
            f"several organisations have a project {_shown(ref)}; write <organisation>/{name} or its id",
            reason="PROJECT_AMBIGUOUS",
        )
    return own[0]


def _built_in_allow(principal: Principal, wanted: tuple[str, ...], resource: str) -> Decision | None:
    held = built_in_grants(principal.id)
    for prefix in prefixes(resource) if held else ():
        for grant in held.get(prefix, ()):
            if not grant.patterns.isdisjoint(wanted):
                return Decision(
                    Why.ALLOWED_BUILT_IN,
                    reason=f"built-in binding {grant.binding.name} allows it: {grant.binding.why}",
                    binding=f"builtin:{grant.binding.name}",
                )
    return None


def _denied(policy: Policy, principal: Principal, permission: str, resource: str, grant: Grant) -> Decision:
    binding = grant.binding
    return Decision(
        Why.DENIED_BY_BINDING,
        reason=lambda: (
            f"{describe_binding(policy, binding)} denies {describe_principal(policy, principal.id)} "
            f"{permission[:SHOWN_LENGTH_MAX]} on {resource_for(policy, principal, resource)}; "
            f"only its removal{' or what its condition asks' if binding.condition else ''} can change that"
        ),
        binding=binding.id,
        stale=principal.policy_version > policy.version,
    )


def _why_unbound(policy: Policy, principal: Principal, permission: str, resource: str) -> str:
    if principal.kind in (PrincipalKind.SERVICE, PrincipalKind.AGENT, PrincipalKind.NODE):
        advice = "check that it was started with its own certificate"
    else:
        advice = f"ask an admin to bind role {least_role(permission)} there"
    return (
        f"{describe_principal(policy, principal.id)} has no binding that gives {permission[:SHOWN_LENGTH_MAX]} "
        f"on {resource_for(policy, principal, resource)}; {advice}"
    )


def least_role(permission: str) -> str:
    """The smallest built-in role that gives `permission`."""
    wanted = generalised(permission)
    return next((name for name, held in BUILT_IN_PATTERNS.items() if not held.isdisjoint(wanted)), "owner")


def resource_for(policy: Policy, principal: Principal, resource: str) -> str:
    """`resource` in words; as the path it came as where its names are another tenant's."""
    parts = resource.split("/")
    if parts[0] == "organisations" and not _is_known(policy, principal, "".join(parts[1:2]), "/".join(parts[:4])):
        return resource[:SHOWN_LENGTH_MAX]
    return describe_resource(policy, resource)


def _is_known(policy: Policy, principal: Principal, organisation: str, path: str) -> bool:
    """Whether `principal` may learn that something at `path` exists: its own tenant's, or where a binding reaches."""
    if not principal.is_tenant or principal.organisation == organisation:
        return True
    held = grants_of(policy, principal.id)
    return any(
        not grant.binding.deny for prefix in (*prefixes(path), *_below(held, path)) for grant in held.get(prefix, ())
    )


def _below(held: dict[str, tuple[Grant, ...]], path: str) -> list[str]:
    return [resource for resource in held if resource.startswith(f"{path}/")]


def _is_organisation(policy: Policy, organisation: str, ref: str) -> bool:
    found = policy.organisation_of_id.get(organisation)
    return organisation == ref or (found is not None and found.name == ref)


def _shown(ref: str) -> str:
    return ascii(ref[:SHOWN_LENGTH_MAX])
