"""Environments: where in its project a resource is, what moves it, and what a caller sees of a project that has some.

A resource lies in the environment of its project that its label `environment` names, and its path leads through it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Generic

from ultracloud.api.resource.v1 import resource_pb2 as pb
from ultracloud.base.faults import InvalidArgumentError
from ultracloud.base.paths import ENVIRONMENT_LABEL, ENVIRONMENTS
from ultracloud.base.policy import Policy, Principal, environment_path, require
from ultracloud.servicekit.policy import SETTLE_S, Authority, authorise, judge
from ultracloud.servicekit.resources.kinds import Kind, MessageT, Scope
from ultracloud.servicekit.resources.listing import Visible
from ultracloud.servicekit.resources.places import Place
from ultracloud.servicekit.resources.records import Stored

SHOWN_MAX = 20
"""Environments that a refusal lists."""


@dataclass(frozen=True, slots=True)
class Sight(Generic[MessageT]):
    """What a caller may list or watch.

    Attributes:
        paths: Of these, the right at one at least is what it rests on; none: each resource is asked about.
        visible: Which resources; None: all.
    """

    paths: Sequence[str]
    visible: Visible[MessageT] | None


def inner_path(policy: Policy, kind: Kind[MessageT], place: Place, labels: Mapping[str, str]) -> str:
    """The path that things with these labels are right below: the place's, or that of an environment in it."""
    if not _is_divided(kind):
        return place.path
    return environment_path(policy, place.id, place.path, labels)


def path_of(policy: Policy, kind: Kind[MessageT], place: Place, metadata: pb.Metadata) -> str:
    """The path of one resource, through its environment."""
    return f"{inner_path(policy, kind, place, metadata.labels)}/{kind.collection}/{metadata.id}".lstrip("/")


async def settled(authority: Authority, kind: Kind[MessageT], place: Place, labels: Mapping[str, str]) -> None:
    """Return once the policy knows the environment that `labels` name, or is not about to."""
    policy = authority.snapshot.policy
    if _is_unknown(policy, kind, place, labels):
        await authority.wait_newer(policy.version, SETTLE_S)


def check_environment(policy: Policy, kind: Kind[MessageT], place: Place, labels: Mapping[str, str]) -> None:
    """Return if `labels` name no environment, or one of the project; in a project without any they may say anything.

    Raises:
        InvalidArgumentError: They name none of those there are.
    """
    if _is_unknown(policy, kind, place, labels):
        known = [one.name for one in policy.environments_of_project[place.id]]
        raise InvalidArgumentError(
            f"{place.shown} has no environment {labels[ENVIRONMENT_LABEL][:80]!a}, which the label "
            f"{ENVIRONMENT_LABEL} names; accepted: {', '.join(sorted(known)[:SHOWN_MAX])}",
            reason="ENVIRONMENT_NOT_FOUND",
        )


def require_move(
    authority: Authority,
    principal: Principal,
    kind: Kind[MessageT],
    place: Place,
    before: pb.Metadata,
    after: pb.Metadata,
) -> None:
    """Return if `principal` may give a resource these labels: to move it is to delete it there and create it here.

    Else who may change labels in an environment would get at what is denied there, by taking it out of it.

    Raises:
        PermissionDeniedError: It may not.
        InvalidArgumentError: There is no such environment.
    """
    if before.labels.get(ENVIRONMENT_LABEL, "") == after.labels.get(ENVIRONMENT_LABEL, ""):
        return
    policy = authority.snapshot.policy
    check_environment(policy, kind, place, after.labels)
    target = inner_path(policy, kind, place, after.labels)
    if inner_path(policy, kind, place, before.labels) != target:
        source = path_of(policy, kind, place, before)
        require(judge(authority, principal, kind.permission("delete"), source, before.labels))
        require(judge(authority, principal, kind.permission("create"), target, after.labels))


async def look(
    authority: Authority, principal: Principal, kind: Kind[MessageT], place: Place, permission: str
) -> Sight[MessageT]:
    """What `principal` may see of a place: all, or what is in the environments it may see, or besides those it may not.

    Raises:
        PermissionDeniedError, UnavailableError: As `policy.authorise`: it may see none of it.
    """
    policy = authority.snapshot.policy
    environments = policy.environments_of_project.get(place.id, ()) if _is_divided(kind) else ()
    paths = (place.path, *(f"{place.path}/{ENVIRONMENTS}/{one.id}" for one in environments))
    if not any(judge(authority, principal, permission, path).allowed for path in paths):
        await authorise(authority, principal, permission, place.path)
    if not environments:
        return Sight(paths, None)

    def is_visible(stored: Stored[MessageT]) -> bool:
        if stored.metadata.project != place.id:  # a public one of another project
            return True
        path = inner_path(authority.snapshot.policy, kind, place, stored.metadata.labels)
        return judge(authority, principal, permission, path).allowed

    return Sight(paths, is_visible)


def _is_divided(kind: Kind[MessageT]) -> bool:
    """Whether things of this kind can lie in environments."""
    return kind.scope is Scope.PROJECT and kind.in_environments


def _is_unknown(policy: Policy, kind: Kind[MessageT], place: Place, labels: Mapping[str, str]) -> bool:
    name = labels.get(ENVIRONMENT_LABEL, "")
    if not name or not _is_divided(kind):
        return False
    return place.id in policy.environments_of_project and (place.id, name) not in policy.environment_of_place
