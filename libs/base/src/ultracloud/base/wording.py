"""Words of a policy: principals, places and bindings as people know them, for sentences."""

from __future__ import annotations

from ultracloud.base.directory import Policy
from ultracloud.base.entities import Binding
from ultracloud.base.principals import spiffe_parts

SHOWN_LENGTH_MAX = 200
"""Characters of a caller's own text that a reason repeats."""


def describe_principal(policy: Policy, principal: str) -> str:
    """A principal's id in words: ``user ada``, ``serviceaccount web``, ``agent prismnet on node-1``."""
    for kind, table in (
        ("serviceaccount", policy.account_of_principal),
        ("user", policy.user_of_principal),
        ("group", policy.group_of_principal),
    ):
        known = table.get(principal)
        if known is not None:
            return f"{kind} {known.name}"
    if not principal.startswith("spiffe:"):
        return principal.replace(":", " ", 1)
    kind, variables = spiffe_parts(principal)
    host = f" on {variables['host']}" if "host" in variables else ""
    return f"{kind} {variables.get('service', variables.get('name', ''))}{host}"


def describe_resource(policy: Policy, resource: str) -> str:
    """A path in words: the project (or organisation) by name, then what follows; ``the root`` for the root."""
    parts = resource.split("/")
    organisation = policy.organisation_of_id.get(parts[1]) if parts[0] == "organisations" and len(parts) > 1 else None
    project = policy.project_of_id.get(parts[3]) if parts[2:3] == ["projects"] and len(parts) > 3 else None  # noqa: PLR2004
    if project is not None:
        inside = policy.environment_of_id.get(parts[5]) if parts[4:5] == ["environments"] and len(parts) > 5 else None  # noqa: PLR2004
        below = parts[4:] if inside is None else ["environments", inside.name, *parts[6:]]
        return "/".join(["projects", project.name, *below])
    if organisation is not None:
        return "/".join(["organisations", organisation.name, *parts[2:]])
    return resource[:SHOWN_LENGTH_MAX] or "the root"


def describe_role(policy: Policy, role: str) -> str:
    """The name of a role that a binding names."""
    custom = policy.role_of_id.get(role)
    return custom.name if custom else role


def describe_binding(policy: Policy, binding: Binding) -> str:
    """A binding in words: ``binding web-developer (role developer on projects/blue)``."""
    return (
        f"binding {binding.name or binding.id} (role {describe_role(policy, binding.role)} on "
        f"{describe_resource(policy, binding.resource)})"
    )
