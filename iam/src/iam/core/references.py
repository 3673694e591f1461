"""Names to ids: a person writes ``projects/blue``, ``user:ada@acme``, ``serviceaccount:blue/web``; a policy holds ids.

Ids never come back after a deletion and names do, so a binding is stored with ids: a new project with an old name gets
none of the old one's bindings.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from ultracloud.base.accounts import find_account
from ultracloud.base.faults import InvalidArgumentError, NotFoundError
from ultracloud.base.paths import ENVIRONMENTS
from ultracloud.base.policy import (
    BUILT_IN_ROLES,
    Environment,
    Policy,
    Principal,
    Role,
    describe_resource,
    find_organisation,
    find_project,
    project_path,
)
from ultracloud.base.principals import GROUP_PREFIX, SERVICE_ACCOUNT_PREFIX, SPIFFE_PREFIX, USER_PREFIX, check_principal

RESOURCE_LENGTH_MAX = 400
"""Characters of a path: organisation, project and two pairs below them, ids of 34 characters each."""

_KINDS = re.compile(r"[a-z]{1,40}")
_ID = re.compile(r"[a-z0-9]([a-z0-9._-]{0,61}[a-z0-9])?")


def resolve_resource(policy: Policy, caller: Principal, text: str) -> str:
    """The path with ids that `text` means: empty, ``organisations/acme/...``, ``projects/blue/...``, ``hosts/node-1``.

    What lies below a project belongs to other services; iam checks its form, not whether it exists.

    Raises:
        InvalidArgumentError: `text` is no path.
        NotFoundError: It names an organisation or project that the caller cannot know.
    """
    parts = text.split("/") if text else []
    if len(text) > RESOURCE_LENGTH_MAX or len(parts) % 2 or not all(map(_KINDS.fullmatch, parts[::2])):
        raise _malformed(text)
    match parts:
        case ["organisations", organisation, "projects", project, *below]:
            found = find_project(policy, caller, f"{find_organisation(policy, caller, organisation).id}/{project}")
            head = project_path(found)
        case ["organisations", organisation, *below]:
            head = f"organisations/{find_organisation(policy, caller, organisation).id}"
        case ["projects", project, *below]:
            head = project_path(find_project(policy, caller, project))
        case [kinds, name, *below] if _ID.fullmatch(name):
            head = f"{kinds}/{name}"
        case _ if text:
            raise _malformed(text)
        case _:
            return ""
    if not all(map(_ID.fullmatch, below[1::2])):
        raise _malformed(text)
    if below[:1] == [ENVIRONMENTS] and "/projects/" in head:
        below[1] = find_environment(policy, head, below[1]).id
    return "/".join([head, *below])


def find_environment(policy: Policy, project: str, ref: str) -> Environment:
    """The environment with this name or id of the project at the path `project`.

    Raises:
        NotFoundError: There is none.
    """
    identifier = project.rpartition("/")[2]
    by_id = policy.environment_of_id.get(ref)
    if by_id is not None and by_id.project == identifier:
        return by_id
    named = policy.environment_of_place.get((identifier, ref))
    if named is not None:
        return named
    raise NotFoundError(
        f"no environment {ref[:100]!a} in {describe_resource(policy, project)}", reason="ENVIRONMENT_NOT_FOUND"
    )


def resolve_principal(policy: Policy, caller: Principal, text: str) -> str:
    """The principal's id: of a SPIFFE URI itself, of ``serviceaccount:<project>/<name or id>`` the account's.

    Of ``user:<name>@<organisation>`` and ``group:<name>@<organisation>`` theirs; by id, ``user:<id>``, these may be of
    any organisation.

    Raises:
        InvalidArgumentError: `text` is no principal.
        NotFoundError: No such service account, user or group that the caller can know.
    """
    if text.startswith((USER_PREFIX, GROUP_PREFIX)):
        return _resolve_of_organisation(policy, caller, text)
    if not text.startswith(SERVICE_ACCOUNT_PREFIX):
        return check_principal(text)
    project, slash, ref = text[len(SERVICE_ACCOUNT_PREFIX) :].rpartition("/")
    if slash:
        account = find_account(policy, find_project(policy, caller, project), ref)
        return f"{SERVICE_ACCOUNT_PREFIX}{account.id}"
    check_principal(text)
    known = policy.account_of_principal.get(text)
    try:
        find_project(policy, caller, known.project if known else "")
    except NotFoundError:  # the same answer whether it is another tenant's or nobody's
        raise NotFoundError(f"no service account {ref[:100]!a}", reason="SERVICE_ACCOUNT_NOT_FOUND") from None
    return text


def resolve_member(policy: Policy, caller: Principal, text: str) -> str:
    """The id of a member of a group, as `resolve_principal`; by id a service account may be of any organisation too.

    Raises:
        InvalidArgumentError: `text` is no user and no service account.
        NotFoundError: There is none that the caller can know.
    """
    if text.startswith((GROUP_PREFIX, SPIFFE_PREFIX)):
        raise InvalidArgumentError(
            f"member {text[:100]!a} is neither a user nor a service account; bind a role to it directly",
            reason="PRINCIPAL_INVALID",
        )
    return text if text in policy.account_of_principal else resolve_principal(policy, caller, text)


def _resolve_of_organisation(policy: Policy, caller: Principal, text: str) -> str:
    """The id of a user or group, by name within an organisation that the caller knows, or by id."""
    kind, _, ref = text.partition(":")
    name, at, organisation = ref.partition("@")
    known = policy.user_of_principal if kind == "user" else policy.group_of_principal
    if not at:
        if check_principal(text) in known:
            return text
    else:
        place = find_organisation(policy, caller, organisation)
        named = policy.users_of_name if kind == "user" else policy.groups_of_name
        found = named.get((place.id, name))
        if found is not None:
            return f"{kind}:{found.id}"
    raise NotFoundError(f"no {kind} {ref[:100]!a}", reason=f"{kind.upper()}_NOT_FOUND")


def resolve_role(policy: Policy, organisation: str, ref: str) -> str:
    """What a binding of `organisation` (an id; empty at the root) stores: a built-in role's name or a custom role's id.

    Raises:
        InvalidArgumentError: No such role there; the sentence lists those there are.
    """
    if ref in BUILT_IN_ROLES:
        return ref
    usable = policy.roles_of_organisation.get(organisation, ()) if organisation else ()
    for role in usable:
        if ref in (role.id, role.name):
            return role.id
    raise InvalidArgumentError(
        f"no role {ref[:100]!a} {_place(policy, organisation)}; accepted: {', '.join(_names(usable))}",
        reason="ROLE_NOT_FOUND",
    )


ROLES_SHOWN_MAX = 20
"""Custom roles that an error lists besides the built-in ones."""


def _names(usable: Sequence[Role]) -> list[str]:
    more = ["..."] if len(usable) > ROLES_SHOWN_MAX else []
    return [*BUILT_IN_ROLES, *(role.name for role in usable[:ROLES_SHOWN_MAX]), *more]


def _place(policy: Policy, organisation: str) -> str:
    return f"in {describe_resource(policy, f'organisations/{organisation}')}" if organisation else "at the root"


def _malformed(text: str) -> InvalidArgumentError:
    return InvalidArgumentError(
        f"resource {text[:100]!a} is no path; accepted: organisations/<name or id>, projects/<name or id>, either "
        "followed by <kinds>/<id> pairs, and for operators the empty path (the root) or <kinds>/<name>",
        reason="RESOURCE_INVALID",
    )
