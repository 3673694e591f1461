"""Places: the project, organisation or root that a request is about, and its path in the resource tree."""

from __future__ import annotations

from dataclasses import dataclass

from ultracloud.base.faults import InvalidArgumentError
from ultracloud.base.policy import Policy, Principal, project_path
from ultracloud.servicekit.policy import Authority, resolve_organisation, resolve_project
from ultracloud.servicekit.resources.kinds import Kind, MessageT, Scope


@dataclass(frozen=True, slots=True)
class Place:
    """Where resources are.

    Attributes:
        id: Project or organisation id; empty for the root. This is `metadata.project`.
        organisation: Organisation id; empty for the root.
        path: In the resource tree; empty for the root.
        shown: As the caller wrote it, quoted, for sentences: ``project 'blue'``.
    """

    id: str
    organisation: str
    path: str
    shown: str


ROOT = Place("", "", "", "the root")


async def resolve_place(
    authority: Authority, principal: Principal, kind: Kind[MessageT], ref: str, permission: str
) -> Place:
    """The place `ref` names for a kind.

    Raises:
        InvalidArgumentError: `ref` is empty where a place is needed, or given where there is none.
        PermissionDeniedError, NotFoundError, UnavailableError: As `policy.resolve_project`.
    """
    match kind.scope:
        case Scope.ROOT:
            if ref:
                raise InvalidArgumentError(f"a {kind.key} belongs to no project; leave project empty")
            return ROOT
        case Scope.ORGANISATION:
            if not ref and kind.root_too:
                return ROOT
            if not ref:
                raise InvalidArgumentError(f"project is empty; give the organisation of the {kind.key}, by name or id")
            organisation = await resolve_organisation(authority, principal, ref, permission)
            return Place(
                organisation.id, organisation.id, f"organisations/{organisation.id}", f"organisation {_shown(ref)}"
            )
        case Scope.PROJECT:
            if not ref:
                raise InvalidArgumentError(f"project is empty; give the project of the {kind.key}, by name or id")
            project = await resolve_project(authority, principal, ref, permission)
            return Place(project.id, project.organisation, project_path(project), f"project {_shown(ref)}")


def place_of_id(policy: Policy, kind: Kind[MessageT], place: str) -> Place:
    """The place a stored resource names in `metadata.project`."""
    if not place:
        return ROOT
    if kind.scope is Scope.ORGANISATION:
        organisation = policy.organisation_of_id.get(place)
        name = organisation.name if organisation else place
        return Place(place, place, f"organisations/{place}", f"organisation '{name}'")
    project = policy.project_of_id.get(place)
    if project is None:  # deleted in iam: only those with rights at the root may still see what is left
        return Place(place, "", f"projects/{place}", f"project '{place}'")
    return Place(place, project.organisation, project_path(project), f"project '{project.name}'")


def resource_path(place: Place, kind: Kind[MessageT], identifier: str) -> str:
    """The path of one resource."""
    return f"{place.path}/{kind.collection}/{identifier}".lstrip("/")


def _shown(ref: str) -> str:
    return ascii(ref[:80])
