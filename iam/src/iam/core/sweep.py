"""The sweep: what no longer means anything and may be removed.

Ids never come back, so a binding on a deleted project, or for deleted accounts only, neither gives nor takes anything.
It is removed because every service holds the whole policy.
"""

from __future__ import annotations

from iam.core.admission import organisation_of
from ultracloud.base.policy import Binding, Group, Policy, Role
from ultracloud.base.principals import SPIFFE_PREFIX

SWEEP_MAX = 100
"""Removals of one round; each is a transaction, and requests go first."""


def orphans(policy: Policy) -> tuple[Binding | Role | Group, ...]:
    """Bindings, custom roles and groups that may go, bindings first, at most SWEEP_MAX."""
    bindings: list[Binding | Role | Group] = [binding for binding in policy.bindings if is_orphan(policy, binding)]
    roles = [role for role in policy.roles if role.organisation not in policy.organisation_of_id]
    groups = [group for group in policy.groups if group.organisation not in policy.organisation_of_id]
    return tuple([*bindings, *roles, *groups][:SWEEP_MAX])


def is_orphan(policy: Policy, binding: Binding) -> bool:
    """Whether a binding means nothing."""
    organisation = organisation_of(binding.resource)
    if organisation and organisation not in policy.organisation_of_id:
        return True
    match binding.resource.split("/"):
        case ["organisations", _, "projects", project, *_] if project not in policy.project_of_id:
            return True
        case [_, _, "projects", _, "environments", inside, *_] if inside not in policy.environment_of_id:
            return True
        case _:
            return not any(_exists(policy, principal) for principal in binding.principals)


def _exists(policy: Policy, principal: str) -> bool:
    """Whether anybody can be it: certificates are issued elsewhere, so a SPIFFE id always may."""
    return (
        principal.startswith(SPIFFE_PREFIX)
        or principal in policy.account_of_principal
        or principal in policy.user_of_principal
        or principal in policy.group_of_principal
    )
