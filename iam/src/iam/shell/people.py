"""People: users as they log in, and where a call comes from."""

from __future__ import annotations

from iam.shell.kinds import USER
from iam.shell.source import Source
from ultracloud.api.iam.v1 import iam_pb2 as pb
from ultracloud.api.rpc import Call
from ultracloud.base.faults import NotFoundError, PermissionDeniedError
from ultracloud.base.narrowing import leaves
from ultracloud.base.policy import Principal, PrincipalKind, require, revocation
from ultracloud.base.principals import USER_PREFIX
from ultracloud.servicekit.authn import principal_of
from ultracloud.servicekit.origin import Visit, source_of
from ultracloud.servicekit.policy import authorise, resolve_organisation
from ultracloud.servicekit.resources import Resources, indexes
from ultracloud.servicekit.resources.denials import note_asked
from ultracloud.servicekit.resources.selectors import Operator, Requirement, Selection
from ultracloud.servicekit.store import prefix_end

LOGIN_LENGTH_MAX = 320
"""Characters: the longest e-mail address, or two names."""
_NO_ONE = "nobody"


class People:
    """Finds users."""

    def __init__(self, source: Source, resources: Resources) -> None:
        self._source = source
        self._resources = resources

    async def by_login(self, login: str) -> pb.User | None:
        """The user who logs in as `login`, ``ada@acme`` or an e-mail address that one user alone has."""
        text = login.strip().lower()
        name, _, place = text.rpartition("@")
        if len(text) > LOGIN_LENGTH_MAX or not name:
            return None
        organisation = self._source.snapshot.policy.organisation_of_name.get(place)
        # Both are looked for, whatever is found: how long it takes says nothing of who exists.
        named = await self._resources.find(USER, organisation.id if organisation else _NO_ONE, name)
        mailed = await self.by_email(text)
        found = named.message if named else mailed
        return found if found is not None and not found.metadata.HasField("deleted_at") else None

    async def by_id(self, identifier: str) -> pb.User | None:
        """The user with this id."""
        found = await self._resources.read(USER, identifier)
        return found.message if found and not found.metadata.HasField("deleted_at") else None

    def login_of(self, user: pb.User) -> str:
        """What a user logs in with: ``ada@acme``."""
        organisation = self._source.snapshot.policy.organisation_of_id.get(user.metadata.project)
        return f"{user.metadata.name}@{organisation.name if organisation else user.metadata.project}"

    def is_of(self, user: pb.User, organisation: str) -> bool:
        """Whether a user is of the organisation with this name."""
        found = self._source.snapshot.policy.organisation_of_name.get(organisation)
        return found is not None and found.id == user.metadata.project

    async def oneself(self, call: Call, permission: str) -> pb.User:
        """The user who calls, about themselves.

        Raises:
            PermissionDeniedError: It is no user, or a token that has been narrowed to less.
        """
        caller = principal_of(call)
        revoked = revocation(self._source.snapshot.policy, caller)
        if revoked is not None:
            require(revoked)
        found = await self.by_id(caller.id.removeprefix(USER_PREFIX)) if caller.kind is PrincipalKind.USER else None
        if found is None:
            raise PermissionDeniedError("only a user can do this, about themselves", reason="NOT_A_USER")
        _require_whole(caller, permission, path_of(found))
        return found

    async def other(self, call: Call, permission: str, organisation: str, ref: str) -> pb.User:
        """The user that a call is about: the caller themselves, if `ref` is empty or theirs; or one they may manage.

        Raises:
            PermissionDeniedError: The caller may not, whether or not there is such a user.
            NotFoundError: There is none, told to who may.
        """
        caller = principal_of(call)
        note_asked(call, organisation, ref)
        if not ref:
            return await self.oneself(call, permission)
        place = await resolve_organisation(self._source, caller, organisation, permission)
        found = await self._resources.find(USER, place.id, ref)
        if found is None or found.metadata.HasField("deleted_at"):
            await authorise(self._source, caller, permission, f"organisations/{place.id}")
            raise NotFoundError(f"no user {ref[:80]!a} in {place.name}", reason="USER_NOT_FOUND")
        if caller.id == f"{USER_PREFIX}{found.metadata.id}":
            return await self.oneself(call, permission)
        await authorise(self._source, caller, permission, path_of(found.message))
        return found.message

    async def by_email(self, email: str) -> pb.User | None:
        """The user with this address; None if several organisations have one, since nobody can tell whom is meant."""
        wanted = Selection(fields=(Requirement("spec.email", Operator.IN, (email,)),))
        ((prefix,),) = indexes.ranges(USER, wanted)
        page = await self._resources.store.scan(prefix, prefix_end(prefix), limit=2)
        if len(page.entries) != 1:
            return None
        return await self.by_id(page.entries[0].value.decode())


def path_of(user: pb.User) -> str:
    """Where a user stands in the resource tree."""
    return f"organisations/{user.metadata.project}/users/{user.metadata.id}"


def address_of(call: Visit) -> str:
    """The address a call comes from, without its port: what guesses are counted by."""
    address = source_of(call)
    return address.rpartition(":")[0].strip("[]") if address.count(":") == 1 or address.startswith("[") else address


def _require_whole(caller: Principal, permission: str, resource: str) -> None:
    if not leaves(caller.narrowings, permission, resource):
        raise PermissionDeniedError(
            f"this token has been narrowed, and leaves no {permission}; use one that has not", reason="TOKEN_NARROWED"
        )
