"""Admission: what roles, bindings and deletions must satisfy before they are stored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from iam.core.powers import require_no_less, require_powers
from iam.core.references import resolve_member, resolve_principal, resolve_resource, resolve_role
from ultracloud.base.conditions import check_condition
from ultracloud.base.faults import FailedPreconditionError, InvalidArgumentError, PermissionDeniedError
from ultracloud.base.names import check_name
from ultracloud.base.permissions import PERMISSIONS_MAX, check_pattern, patterns
from ultracloud.base.policy import (
    BUILT_IN_ROLES,
    Binding,
    Group,
    Policy,
    Principal,
    Role,
    decide,
    describe_resource,
    require,
    role_patterns,
)
from ultracloud.base.principals import GROUP_PREFIX, SPIFFE_PREFIX

PRINCIPALS_MAX = 100
"""Principals of one binding: a team fits; the snapshot that every service holds stays small."""
MEMBERS_MAX = 10_000
"""Members of one group: a company fits; a change of the group is one record of 400 kB at most."""
ENVIRONMENTS_MAX = 100
"""Environments of one project: each is looked at when its resources are listed."""
QUOTAS_MAX = 50
"""Quotas of one project; there are some ten things that are counted."""
QUOTAS_PERMISSION = "iam.quotas.update"
NAMES_SHOWN_MAX = 5
"""Names that a refusal lists before it says "and n more"."""


@dataclass(frozen=True, slots=True)
class BindingDraft:
    """A binding as asked for (references as people write them) or as stored (ids)."""

    role: str
    principals: tuple[str, ...]
    resource: str
    deny: bool
    condition: str = ""


def admit_role(
    policy: Policy, caller: Principal, organisation: str, name: str, permissions: tuple[str, ...]
) -> tuple[str, ...]:
    """The permissions to store for a custom role of `organisation` (an id).

    Who defines a role, or changes one that is bound already, must hold what it gives throughout the organisation.

    Raises:
        InvalidArgumentError: A built-in role's name, no permissions, too many, or a malformed one.
        PermissionDeniedError: The caller does not hold them.
    """
    if name in BUILT_IN_ROLES:
        raise InvalidArgumentError(
            f"role '{name}' is built in and cannot be changed; choose another name", reason="ROLE_BUILT_IN"
        )
    if not 0 < len(permissions) <= PERMISSIONS_MAX:
        raise InvalidArgumentError(
            f"a role has 1 to {PERMISSIONS_MAX} permissions; this has {len(permissions)}", reason="PERMISSION_INVALID"
        )
    for text in permissions:
        check_pattern(text)
    require_powers(
        policy,
        caller,
        patterns(permissions),
        f"organisations/{organisation}",
        f"define role '{name}' with these powers",
    )
    return tuple(dict.fromkeys(permissions))


def admit_role_change(policy: Policy, caller: Principal, before: Role, permissions: tuple[str, ...]) -> tuple[str, ...]:
    """As `admit_role`, for a role there is: what it loses must be held too, because a deny may be made of it.

    Raises:
        As `admit_role`.
    """
    lost = patterns(before.permissions) - patterns(permissions)
    place = f"organisations/{before.organisation}"
    require_powers(policy, caller, lost, place, f"take powers from role '{before.name}'")
    return admit_role(policy, caller, before.organisation, before.name, permissions)


def admit_binding(policy: Policy, caller: Principal, organisation: str, draft: BindingDraft) -> BindingDraft:
    """The binding to store, with ids for names.

    Args:
        policy: The newest there is.
        caller: Who asks.
        organisation: Id of the organisation the binding belongs to; empty at the root.
        draft: As asked for.

    Raises:
        InvalidArgumentError: An unknown role, a malformed principal, resource or condition, or a resource of another
            organisation.
        NotFoundError: A principal, project or organisation that the caller cannot know.
        PermissionDeniedError: It would give (or take) more than the caller holds there.
    """
    if not 0 < len(draft.principals) <= PRINCIPALS_MAX:
        raise InvalidArgumentError(
            f"a binding has 1 to {PRINCIPALS_MAX} principals; this has {len(draft.principals)}",
            reason="PRINCIPAL_INVALID",
        )
    resource = _resource_within(policy, caller, organisation, draft.resource)
    role = resolve_role(policy, organisation, draft.role)
    principals = tuple(dict.fromkeys(resolve_principal(policy, caller, text) for text in draft.principals))
    stored = BindingDraft(role, principals, resource, draft.deny, check_condition(draft.condition.strip()))
    require_binding_powers(policy, caller, organisation, stored)
    return stored


def require_binding_powers(policy: Policy, caller: Principal, organisation: str, stored: BindingDraft) -> None:
    """Return if `caller` may make, change or remove this binding: it holds there all that is given or taken.

    Raises:
        PermissionDeniedError: It does not; or a deny names one of our own services, or somebody with more power.
    """
    name = _role_name(policy, stored.role)
    deed = f"{'deny' if stored.deny else 'bind'} role {name}"
    wanted = role_patterns(policy, stored.role) or frozenset()
    require_powers(policy, caller, wanted, stored.resource, deed)
    for principal in stored.principals if stored.deny else ():
        if organisation and principal.startswith(SPIFFE_PREFIX):
            raise PermissionDeniedError(
                f"a deny binding of an organisation names users, groups and service accounts only, not {principal}; "
                "operators and services are denied at the root",
                reason="DENY_NOT_YOURS",
            )
        for one in (principal, *members_of(policy, principal)):
            require_no_less(policy, caller, one, stored.resource, f"{deed} to somebody who holds more")


def admit_binding_deletion(policy: Policy, caller: Principal, stored: BindingDraft) -> None:
    """Return if the binding may be deleted.

    Raises:
        PermissionDeniedError: It gives or takes more than the caller holds.
    """
    require_binding_powers(policy, caller, organisation_of(stored.resource), stored)


def members_of(policy: Policy, principal: str) -> tuple[str, ...]:
    """Members of the group that a binding names; nobody where it names somebody else."""
    group = policy.group_of_principal.get(principal) if principal.startswith(GROUP_PREFIX) else None
    return group.members if group else ()


def admit_members(policy: Policy, caller: Principal, group: Group, asked: Sequence[str]) -> tuple[str, ...]:
    """The members to store for a group.

    Who joins gets, and who leaves loses, all that bindings give and take by the group's name: the caller must hold it.
    Bindings of other organisations do not count: whoever binds a foreign group leaves it to its admins who is in it.

    Args:
        policy: The newest there is.
        caller: Who asks.
        group: As it was stored, or new and without members.
        asked: Its members to be, as people write them.

    Raises:
        InvalidArgumentError: Too many, or one that is no member.
        NotFoundError: One that the caller cannot know.
        PermissionDeniedError: The caller does not hold what the group gives or takes.
    """
    if len(asked) > MEMBERS_MAX:
        raise InvalidArgumentError(
            f"a group has at most {MEMBERS_MAX} members; this has {len(asked)}", reason="MEMBERS_TOO_MANY"
        )
    known = frozenset(group.members)
    stored = tuple(dict.fromkeys(text if text in known else resolve_member(policy, caller, text) for text in asked))
    changed = sorted(known.symmetric_difference(stored))
    for binding in policy.bindings_of_principal.get(f"{GROUP_PREFIX}{group.id}", ()) if changed else ():
        if organisation_of(binding.resource) in ("", group.organisation):
            _require_group_powers(policy, caller, group, binding, changed)
    return stored


def _require_group_powers(
    policy: Policy, caller: Principal, group: Group, binding: Binding, changed: Sequence[str]
) -> None:
    """Return if `caller` may give (or take) what one binding does, to those who join or leave the group."""
    deed = f"change who is in group '{group.name}', which is bound to role {_role_name(policy, binding.role)}"
    require_powers(policy, caller, role_patterns(policy, binding.role) or frozenset(), binding.resource, deed)
    for member in changed if binding.deny else ():
        require_no_less(policy, caller, member, binding.resource, f"{deed} in a deny, for somebody who holds more")


@dataclass(frozen=True, slots=True)
class Share:
    """What an organisation has to divide among its projects.

    Attributes:
        path: The organisation's.
        quotas: What all of them may have together.
        others: What the other projects have been given of it.
    """

    path: str
    quotas: Mapping[str, int]
    others: Mapping[str, int]


def admit_quotas(
    policy: Policy, caller: Principal, before: Mapping[str, int], after: Mapping[str, int], share: Share
) -> None:
    """Return if `caller` may change a project's quotas so.

    They are the cloud's to give, and take a right at the root; what the cloud has given the organisation is divided by
    whoever has the right there.

    Raises:
        InvalidArgumentError: Too many, or one that is below 0 or has no name that a service would count by.
        PermissionDeniedError: The caller has no right to.
        FailedPreconditionError: It is more than the organisation has left.
    """
    changed = sorted(what for what in {*before, *after} if before.get(what) != after.get(what))
    for place in sorted({share.path if what in share.quotas else "" for what in changed}):
        require(decide(policy, caller, QUOTAS_PERMISSION, place))
    if changed:
        _check_quotas(after)
    for what in changed:
        wanted, others = after.get(what, 0), share.others.get(what, 0)
        if what in share.quotas and others + wanted > share.quotas[what]:
            raise FailedPreconditionError(
                f"quota of {what}: the organisation may have {share.quotas[what]}, its other projects have been given "
                f"{others}, and this asks for {wanted}",
                reason="QUOTA_EXCEEDS_ORGANISATION",
            )


def admit_organisation_quotas(
    policy: Policy, caller: Principal, before: Mapping[str, int], after: Mapping[str, int], given: Mapping[str, int]
) -> None:
    """Return if `caller` may change an organisation's quotas so, whose projects have been `given` something.

    Raises:
        InvalidArgumentError, PermissionDeniedError: As `admit_quotas`.
        FailedPreconditionError: The projects have been given more.
    """
    if before == after:
        return
    require(decide(policy, caller, QUOTAS_PERMISSION, ""))
    _check_quotas(after)
    for what, limit in after.items():
        if before.get(what) != limit and given.get(what, 0) > limit:
            raise FailedPreconditionError(
                f"quota of {what}: the projects have been given {given[what]}, and all together would have {limit}; "
                "take from them first",
                reason="QUOTA_EXCEEDS_ORGANISATION",
            )


def _check_quotas(quotas: Mapping[str, int]) -> None:
    """Return if quotas can be what is wanted of a place.

    Raises:
        InvalidArgumentError: They cannot.
    """
    if len(quotas) > QUOTAS_MAX:
        raise InvalidArgumentError(f"{len(quotas)} quotas; at most {QUOTAS_MAX} are accepted", reason="QUOTA_INVALID")
    for what, limit in quotas.items():
        check_name(what, "quota")
        if limit < 0:
            raise InvalidArgumentError(f"quota of {what} is {limit}; accepted: 0 or more", reason="QUOTA_INVALID")


def admit_environment(project: str, names: Sequence[str]) -> None:
    """Return if a project may have one environment more than those with `names`.

    Raises:
        FailedPreconditionError: It has as many as it may.
    """
    if len(names) >= ENVIRONMENTS_MAX:
        raise FailedPreconditionError(
            f"{project} has {len(names)} environments; at most {ENVIRONMENTS_MAX} are accepted, so delete one first",
            reason="ENVIRONMENTS_TOO_MANY",
        )


def admit_environment_deletion(policy: Policy, caller: Principal, path: str) -> None:
    """Return if `caller` may delete the environment at `path`: with it go the bindings on it and on what is below it.

    Raises:
        PermissionDeniedError: One of them gives or takes more than the caller holds.
    """
    for one in policy.bindings:
        if one.resource == path or one.resource.startswith(f"{path}/"):
            draft = BindingDraft(one.role, one.principals, one.resource, one.deny, one.condition)
            require_binding_powers(policy, caller, organisation_of(path), draft)


def require_empty(subject: str, what: str, names: Sequence[str], reason: str) -> None:
    """Return if nothing is left that keeps `subject` from being deleted.

    Args:
        subject: ``organisation acme``.
        what: Completes "still has ...", in the singular: ``project``.
        names: What is left.
        reason: The fault's.

    Raises:
        FailedPreconditionError: Something is; the sentence names a few of them.
    """
    if names:
        more = f" and {len(names) - NAMES_SHOWN_MAX} more" if len(names) > NAMES_SHOWN_MAX else ""
        plural = "s" if len(names) > 1 else ""
        raise FailedPreconditionError(
            f"{subject} still has {what}{plural} {', '.join(sorted(names)[:NAMES_SHOWN_MAX])}{more}; delete first "
            "what it has",
            reason=reason,
        )


def organisation_of(resource: str) -> str:
    """Id of the organisation that a path with ids lies in; empty outside any."""
    kinds, _, rest = resource.partition("/")
    return rest.partition("/")[0] if kinds == "organisations" else ""


def _resource_within(policy: Policy, caller: Principal, organisation: str, text: str) -> str:
    """The binding's resource with ids, checked to be in its organisation."""
    resource = resolve_resource(policy, caller, text)
    if organisation and organisation_of(resource) != organisation:
        place = f"organisations/{organisation}"
        raise InvalidArgumentError(
            f"resource {text[:100]!a} is not in {describe_resource(policy, place)}, to which the binding belongs; "
            f"accepted: {describe_resource(policy, place)} or a path below it",
            reason="RESOURCE_ELSEWHERE",
        )
    return resource


def _role_name(policy: Policy, role: str) -> str:
    custom = policy.role_of_id.get(role)
    return custom.name if custom else role
