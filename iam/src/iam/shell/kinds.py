"""The kinds of iam, as the resource kit wants them: who may exist where, and what must hold before a change.

Guards serialise what must not happen at once: a project is not made in an organisation that is being deleted, a role is
not deleted while somebody binds it. Hooks read emptiness from the store, which is exact, and powers from the policy.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from typing import Any

from iam.core.admission import (
    BindingDraft,
    Share,
    admit_binding,
    admit_binding_deletion,
    admit_environment,
    admit_environment_deletion,
    admit_members,
    admit_organisation_quotas,
    admit_quotas,
    admit_role,
    admit_role_change,
    require_binding_powers,
    require_empty,
)
from ultracloud.api.iam.v1 import iam_pb2 as pb
from ultracloud.api.iam.v1.iam_rpc import (
    BINDINGS,
    ENVIRONMENTS,
    GROUPS,
    ORGANISATIONS,
    PROJECTS,
    ROLES,
    SERVICE_ACCOUNTS,
    USERS,
)
from ultracloud.base.faults import FailedPreconditionError, InvalidArgumentError
from ultracloud.base.ids import is_id
from ultracloud.base.policy import Group, Policy, Role
from ultracloud.servicekit.pki import service_identity
from ultracloud.servicekit.resources import Context, Kind, Scope, layout
from ultracloud.servicekit.resources.kinds import MessageT
from ultracloud.servicekit.store import prefix_end

SELF = service_identity("iam")
"""Who sweeps: it removes what means nothing any more, whoever made it."""
DESCRIPTION_LENGTH_MAX = 1000
DISPLAY_NAME_LENGTH_MAX = 100
EMAIL_LENGTH_MAX = 254
"""RFC 5321 4.5.3.1.3, less the angle brackets."""
_EMAIL = re.compile(r"[^@\s\x00-\x1f/]+@[a-z0-9]([a-z0-9.-]*[a-z0-9])?")
COUNTED_MAX = 1000
"""Things that a refusal counts exactly."""


def _policy(context: Context) -> Policy:
    return context.resources.authority.snapshot.policy


async def _names_in(context: Context, kind: str, place: str) -> list[str]:
    """Names of what is in a place, at most COUNTED_MAX."""
    prefix = layout.name_prefix(kind, place)
    page = await context.resources.store.scan(prefix, prefix_end(prefix), limit=COUNTED_MAX, keys_only=True)
    return [entry.key.rpartition(b"/")[2].decode() for entry in page.entries]


async def _require_place(context: Context, kind: Kind[MessageT]) -> None:
    """Refuse to put something into a place that has just been deleted: the policy may not know yet."""
    if await context.read(kind, context.place.id) is None:
        raise FailedPreconditionError(f"{context.place.shown} has been deleted", reason="PLACE_GONE")


def _check_description(text: str) -> None:
    if len(text) > DESCRIPTION_LENGTH_MAX:
        raise InvalidArgumentError(
            f"description has {len(text)} characters; at most {DESCRIPTION_LENGTH_MAX} are accepted",
            reason="DESCRIPTION_TOO_LONG",
        )


# ---- organisations and projects ------------------------------------------------------------------------------------


async def _admit_organisation(context: Context, new: pb.Organisation, old: pb.Organisation | None) -> pb.Organisation:
    _check_description(new.spec.description)
    before, after = dict(old.spec.quotas) if old else {}, dict(new.spec.quotas)
    if before != after:
        given = await _given(context, new.metadata.id)
        admit_organisation_quotas(_policy(context), context.principal, before, after, given)
    return new


async def _given(context: Context, organisation: str, but: str = "") -> Counter[str]:
    """What projects of an organisation have been given by their quotas, all or all but one."""
    given: Counter[str] = Counter()
    for project in await context.resources.all_in(PROJECT, organisation):
        if project.metadata.id != but:
            given.update(project.message.spec.quotas)
    return given


async def _organisation_deletable(context: Context, record: pb.Organisation) -> None:
    projects = await _names_in(context, PROJECT.key, record.metadata.id)
    require_empty(f"organisation {record.metadata.name}", "project", projects, "ORGANISATION_NOT_EMPTY")
    users = await _names_in(context, USER.key, record.metadata.id)
    require_empty(f"organisation {record.metadata.name}", "user", users, "ORGANISATION_NOT_EMPTY")


ORGANISATION = Kind(
    name="Organisation",
    prefix="org",
    service=ORGANISATIONS,
    message=pb.Organisation,
    scope=Scope.ROOT,
    admit=_admit_organisation,
    deletable=_organisation_deletable,
    guards=lambda message: (f"organisation/{message.metadata.id}",),
)


async def _admit_project(context: Context, new: pb.Project, old: pb.Project | None) -> pb.Project:
    _check_description(new.spec.description)
    before, after = dict(old.spec.quotas) if old else {}, dict(new.spec.quotas)
    if before != after:
        organisation = await context.read(ORGANISATION, context.place.id)
        quotas = dict(organisation.spec.quotas) if organisation else {}
        share = Share(context.place.path, quotas, await _given(context, context.place.id, new.metadata.id))
        admit_quotas(_policy(context), context.principal, before, after, share)
    if old is None:
        await _require_place(context, ORGANISATION)
    return new


async def _project_deletable(context: Context, record: pb.Project) -> None:
    accounts = await _names_in(context, SERVICE_ACCOUNT.key, record.metadata.id)
    require_empty(f"project {record.metadata.name}", "service account", accounts, "PROJECT_NOT_EMPTY")
    environments = await _names_in(context, ENVIRONMENT.key, record.metadata.id)
    require_empty(f"project {record.metadata.name}", "environment", environments, "PROJECT_NOT_EMPTY")


PROJECT = Kind(
    name="Project",
    prefix="project",
    service=PROJECTS,
    message=pb.Project,
    scope=Scope.ORGANISATION,
    admit=_admit_project,
    deletable=_project_deletable,
    guards=lambda message: (f"organisation/{message.metadata.project}", f"project/{message.metadata.id}"),
)


# ---- environments --------------------------------------------------------------------------------------------------


async def _admit_environment(context: Context, new: pb.Environment, old: pb.Environment | None) -> pb.Environment:
    _check_description(new.spec.description)
    if old is None:
        await _require_place(context, PROJECT)
        admit_environment(context.place.shown, await _names_in(context, ENVIRONMENT.key, context.place.id))
    return new


def _environment_deletable(context: Context, record: pb.Environment) -> None:
    admit_environment_deletion(
        _policy(context), context.principal, f"{context.place.path}/environments/{record.metadata.id}"
    )


ENVIRONMENT = Kind(
    name="Environment",
    prefix="env",
    service=ENVIRONMENTS,
    message=pb.Environment,
    scope=Scope.PROJECT,
    in_environments=False,
    admit=_admit_environment,
    deletable=_environment_deletable,
    guards=lambda message: (f"project/{message.metadata.project}",),
)


# ---- service accounts ----------------------------------------------------------------------------------------------


async def _admit_account(context: Context, new: pb.ServiceAccount, old: pb.ServiceAccount | None) -> pb.ServiceAccount:
    _check_description(new.spec.description)
    if old is None:
        await _require_place(context, PROJECT)
    return new


SERVICE_ACCOUNT = Kind(
    name="ServiceAccount",
    prefix="sa",
    service=SERVICE_ACCOUNTS,
    message=pb.ServiceAccount,
    scope=Scope.PROJECT,
    admit=_admit_account,
    guards=lambda message: (f"project/{message.metadata.project}",),
)


# ---- users and groups ----------------------------------------------------------------------------------------------


def check_email(text: str) -> None:
    """Return if `text` looks like an e-mail address, or is empty; whether it works is known once somebody answers.

    Raises:
        InvalidArgumentError: It does not.
    """
    if text and (len(text) > EMAIL_LENGTH_MAX or not _EMAIL.fullmatch(text)):
        raise InvalidArgumentError(
            f"email {text[:100]!a} is no address; accepted: <local part>@<domain>, up to {EMAIL_LENGTH_MAX} characters",
            reason="EMAIL_INVALID",
        )


async def _admit_user(context: Context, new: pb.User, old: pb.User | None) -> pb.User:
    if len(new.spec.display_name) > DISPLAY_NAME_LENGTH_MAX or not new.spec.display_name.isprintable():
        raise InvalidArgumentError(
            f"display_name has over {DISPLAY_NAME_LENGTH_MAX} characters, or some that cannot be printed",
            reason="DISPLAY_NAME_INVALID",
        )
    new.spec.email = new.spec.email.lower()
    check_email(new.spec.email)
    if old is None:
        await _require_place(context, ORGANISATION)
    return new


def _email_of(user: pb.User) -> tuple[str, ...]:
    # Of one organisation only: a claim in the whole cloud would tell one tenant whom another one knows.
    return (f"email/{user.metadata.project}/{user.spec.email}",) if user.spec.email else ()


USER = Kind(
    name="User",
    prefix="usr",
    service=USERS,
    message=pb.User,
    scope=Scope.ORGANISATION,
    admit=_admit_user,
    claims=_email_of,
    guards=lambda message: (f"organisation/{message.metadata.project}",),
    indexed=("spec.email",),
)


def _group(record: pb.Group, members: Iterable[str]) -> Group:
    metadata = record.metadata
    return Group(metadata.id, metadata.name, metadata.project, tuple(members))


async def _admit_group(context: Context, new: pb.Group, old: pb.Group | None) -> pb.Group:
    _check_description(new.spec.description)
    if old is None:
        await _require_place(context, ORGANISATION)
    before = _group(new, old.spec.members if old else ())
    new.spec.members[:] = admit_members(_policy(context), context.principal, before, tuple(new.spec.members))
    return new


def _group_deletable(context: Context, record: pb.Group) -> None:
    if context.principal.id != SELF:
        admit_members(_policy(context), context.principal, _group(record, record.spec.members), ())


GROUP = Kind(
    name="Group",
    prefix="grp",
    service=GROUPS,
    message=pb.Group,
    scope=Scope.ORGANISATION,
    admit=_admit_group,
    deletable=_group_deletable,
)


# ---- roles and bindings --------------------------------------------------------------------------------------------


async def _admit_role(context: Context, new: pb.Role, old: pb.Role | None) -> pb.Role:
    _check_description(new.spec.description)
    asked = tuple(new.spec.permissions)
    if old is None:
        await _require_place(context, ORGANISATION)
        stored = admit_role(_policy(context), context.principal, context.place.id, new.metadata.name, asked)
    else:
        before = Role(old.metadata.id, old.metadata.name, old.metadata.project, tuple(old.spec.permissions))
        stored = admit_role_change(_policy(context), context.principal, before, asked)
    new.spec.permissions[:] = stored
    return new


async def _role_deletable(context: Context, record: pb.Role) -> None:
    if context.principal.id == SELF:
        return
    bindings = await context.resources.all(BINDING)
    users = [one.metadata.name for one in bindings if one.message.spec.role == record.metadata.id]
    require_empty(f"role {record.metadata.name}", "binding", users, "ROLE_IN_USE")


ROLE = Kind(
    name="Role",
    prefix="role",
    service=ROLES,
    message=pb.Role,
    scope=Scope.ORGANISATION,
    admit=_admit_role,
    deletable=_role_deletable,
    guards=lambda message: (f"role/{message.metadata.id}",),
)


def _is_custom(role: str) -> bool:
    return is_id(role, ROLE.prefix)


def _draft(spec: pb.BindingSpec) -> BindingDraft:
    return BindingDraft(spec.role, tuple(spec.principals), spec.resource, spec.deny, spec.condition)


async def _admit_binding(context: Context, new: pb.Binding, old: pb.Binding | None) -> pb.Binding:
    policy, caller, organisation = _policy(context), context.principal, context.place.id
    if old is None and organisation:
        await _require_place(context, ORGANISATION)
    if old is not None:
        require_binding_powers(policy, caller, organisation, _draft(old.spec))
    stored = admit_binding(policy, caller, organisation, _draft(new.spec))
    if _is_custom(stored.role) and await context.read(ROLE, stored.role) is None:
        raise FailedPreconditionError(f"role {new.spec.role[:80]!a} has been deleted", reason="ROLE_NOT_FOUND")
    new.spec.CopyFrom(
        pb.BindingSpec(
            role=stored.role,
            principals=stored.principals,
            resource=stored.resource,
            deny=stored.deny,
            condition=stored.condition,
        )
    )
    return new


def _binding_deletable(context: Context, record: pb.Binding) -> None:
    if context.principal.id != SELF:
        admit_binding_deletion(_policy(context), context.principal, _draft(record.spec))


BINDING = Kind(
    name="Binding",
    prefix="binding",
    service=BINDINGS,
    message=pb.Binding,
    scope=Scope.ORGANISATION,
    root_too=True,
    admit=_admit_binding,
    deletable=_binding_deletable,
    guards=lambda message: (f"role/{message.spec.role}",) if _is_custom(message.spec.role) else (),
    indexed=("spec.role", "spec.principals", "spec.resource"),
)

KINDS: tuple[Kind[Any], ...] = (ORGANISATION, PROJECT, ENVIRONMENT, SERVICE_ACCOUNT, USER, GROUP, ROLE, BINDING)
