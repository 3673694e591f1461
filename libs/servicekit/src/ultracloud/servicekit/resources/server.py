"""The six RPCs of a kind, and what custom ones are made of.

Order of every call: who asks, where, may they; only then is anything looked at that they could learn from. A service
adds verbs by deriving a class with more methods, each beginning with `locate`.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, cast

from google.protobuf.message import Message

from ultracloud.api.resource.v1 import resource_pb2 as pb
from ultracloud.api.rpc import Call
from ultracloud.base import ids
from ultracloud.base.faults import NotFoundError
from ultracloud.base.policy import Principal, require
from ultracloud.servicekit import deadlines
from ultracloud.servicekit.authn import principal_of
from ultracloud.servicekit.origin import source_of
from ultracloud.servicekit.policy import authorise, decision, judge
from ultracloud.servicekit.resources import listing, watching
from ultracloud.servicekit.resources.context import Context, Origin
from ultracloud.servicekit.resources.denials import note_asked
from ultracloud.servicekit.resources.engine import NewResource, Resources
from ultracloud.servicekit.resources.environments import (
    Sight,
    check_environment,
    inner_path,
    look,
    path_of,
    require_move,
    settled,
)
from ultracloud.servicekit.resources.kinds import Kind, MessageT, Scope
from ultracloud.servicekit.resources.masks import masked
from ultracloud.servicekit.resources.places import ROOT, Place, place_of_id, resolve_place, resource_path
from ultracloud.servicekit.resources.records import Stored, metadata_of
from ultracloud.servicekit.resources.selectors import Selection, select
from ultracloud.servicekit.streams import closing, while_allowed

_audit = logging.getLogger("audit")


class _CreateRequest(Protocol):
    """What every ``Create<K>Request`` has."""

    project: str
    name: str
    labels: Mapping[str, str]
    spec: Message
    idempotency_key: str


class _UpdateRequest(Protocol):
    """What every ``Update<K>Request`` has."""

    project: str
    ref: str
    etag: str
    update_mask: Sequence[str]
    spec: Message
    labels: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Located(Generic[MessageT]):
    """A resource that the caller may do something with, and the surroundings to do it in."""

    context: Context
    stored: Stored[MessageT]


class KindServer(Generic[MessageT]):
    """Serves one kind; give it to `ultracloud.wire.service(kind.service, KindServer(resources, kind))`."""

    def __init__(self, resources: Resources, kind: Kind[MessageT]) -> None:
        self.resources = resources
        self.kind = kind
        methods = {method.attribute: method for method in kind.service.methods}
        self._list_response: Any = methods["list"].response_type
        self._event: Any = methods["watch"].response_type

    async def create(self, request: Message, call: Call) -> MessageT:
        """Make one."""
        wanted = cast("_CreateRequest", request)
        with deadlines.inside(call):
            context = await self.enter(call, "create", wanted.project, wanted.labels)
            digest = hashlib.sha256(context.principal.id.encode())
            digest.update(request.SerializeToString(deterministic=True))
            new = NewResource(
                self.kind, wanted.name, wanted.spec, dict(wanted.labels), wanted.idempotency_key, digest.digest()
            )
            return self._audited(context, "create", await self.resources.create(context, new))

    async def get(self, request: pb.GetRequest, call: Call) -> MessageT:
        """Read one."""
        with deadlines.inside(call):
            return (await self.locate(call, "get", request.project, request.ref, public=True)).stored.message

    async def list(self, request: pb.ListRequest, call: Call) -> Message:
        """Read a page."""
        with deadlines.inside(call):
            place, sight = await self._visible(call, "list", request.project)
            page = await listing.page(
                self.resources,
                self.kind,
                None if place is None else place.id,
                size=request.page_size,
                token=request.page_token,
                selection=self._selection(request),
                visible=sight.visible,
            )
            items = [one.message for one in page.items]
            response: Message = self._list_response(items=items, next_page_token=page.token, version=page.version)
            return response

    async def update(self, request: Message, call: Call) -> MessageT:
        """Change spec and labels of one."""
        wanted = cast("_UpdateRequest", request)
        with deadlines.inside(call):
            located = await self.locate(call, "update", wanted.project, wanted.ref)
            await settled(self.resources.authority, self.kind, located.context.place, wanted.labels)

            def change(message: MessageT) -> MessageT:
                changed = masked(self.kind, message, wanted.spec, wanted.labels, wanted.update_mask)
                self._require_moves(located, message, changed)
                return changed

            identifier = located.stored.metadata.id
            updated = await self.resources.update(located.context, self.kind, identifier, change, wanted.etag)
            return self._audited(located.context, "update", updated)

    async def delete(self, request: pb.DeleteRequest, call: Call) -> MessageT:
        """Delete one."""
        with deadlines.inside(call):
            located = await self.locate(call, "delete", request.project, request.ref)
            identifier = located.stored.metadata.id
            deleted = await self.resources.delete(located.context, self.kind, identifier, request.etag)
            return self._audited(located.context, "delete", deleted)

    async def watch(self, request: pb.WatchRequest, call: Call) -> AsyncIterator[Message]:
        """Tell changes until the caller goes, or loses the right to know."""
        place, sight = await self._visible(call, "watch", request.project)
        principal, permission = principal_of(call), self.kind.permission("watch")
        events = watching.events(
            self.resources,
            self.kind,
            None if place is None else place.id,
            from_version=request.from_version,
            selection=self._selection(request),
            visible=sight.visible,
        )

        def require_still() -> None:
            self._require_one(principal, permission, sight.paths)

        async with closing(while_allowed(events, require_still)) as allowed:
            async for event in allowed:
                yield self._event(type=event.type, object=event.message, version=event.version)

    async def enter(self, call: Call, verb: str, project: str, labels: Mapping[str, str] | None = None) -> Context:
        """The surroundings of a call about a place, once the caller is known to have the right to `verb` there.

        Conditions of bindings are told the `labels` of what is to be made.

        Raises:
            UnauthenticatedError, PermissionDeniedError, NotFoundError, UnavailableError, InvalidArgumentError: As
                `policy.resolve_project` and `policy.authorise`.
        """
        note_asked(call, project, "")
        principal, permission = principal_of(call), self.kind.permission(verb)
        place = await resolve_place(self.resources.authority, principal, self.kind, project, permission)
        authority, known = self.resources.authority, labels or {}
        await settled(authority, self.kind, place, known)
        path = inner_path(authority.snapshot.policy, self.kind, place, known)
        await authorise(authority, principal, permission, path, labels)
        check_environment(authority.snapshot.policy, self.kind, place, known)
        return Context(self.resources, principal, place, self.resources.clock, _origin(call, verb))

    async def locate(self, call: Call, verb: str, project: str, ref: str, *, public: bool = False) -> Located[MessageT]:
        """The resource a call is about, once the caller is known to have the right to `verb` it.

        Args:
            call: The call.
            verb: Last part of the permission, e.g. ``start``.
            project: Name or id of the project (organisation); may be empty when `ref` is an id.
            ref: Name or id of the resource.
            public: Whether one that everybody may read will do.

        Raises:
            PermissionDeniedError: No right; the sentence is the same whether or not the resource exists.
            NotFoundError: No such resource, told to those who have the right.
            UnauthenticatedError, UnavailableError, InvalidArgumentError: As `enter`.
        """
        note_asked(call, project, ref)
        principal = principal_of(call)
        if not project and self.kind.scope is not Scope.ROOT and ids.is_id(ref, self.kind.prefix):
            return await self._locate_by_id(call, verb, ref, public=public)
        authority, permission = self.resources.authority, self.kind.permission(verb)
        place = await resolve_place(authority, principal, self.kind, project, permission)
        context = Context(self.resources, principal, place, self.resources.clock, _origin(call, verb))
        stored = await self.resources.find(self.kind, place.id, ref)
        if stored is not None:
            path = path_of(authority.snapshot.policy, self.kind, place, stored.metadata)
            made = await decision(authority, principal, permission, path, stored.metadata.labels)
            if made.allowed:
                return Located(context, stored)
            # Who may not even do this to the whole place is told about the place, not that the resource exists.
            require(judge(authority, principal, permission, place.path))
            require(made)
        await authorise(authority, principal, permission, place.path)
        stored = await self.resources.find_public(self.kind, ref) if public else None
        if stored is None:
            raise NotFoundError(f"no {self.kind.key} {ref[:80]!a} in {place.shown}", reason="RESOURCE_NOT_FOUND")
        return Located(context, stored)

    async def _locate_by_id(self, call: Call, verb: str, ref: str, *, public: bool) -> Located[MessageT]:
        """The same by id alone: what one may not touch does not exist."""
        principal = principal_of(call)
        authority, permission = self.resources.authority, self.kind.permission(verb)
        stored = await self.resources.read(self.kind, ref)
        if stored is not None:
            place = place_of_id(authority.snapshot.policy, self.kind, stored.metadata.project)
            path = path_of(authority.snapshot.policy, self.kind, place, stored.metadata)
            made = await decision(authority, principal, permission, path, stored.metadata.labels)
            if made.allowed or (public and self.kind.readable_by_all(stored.message)):
                context = Context(self.resources, principal, place, self.resources.clock, _origin(call, verb))
                return Located(context, stored)
        raise NotFoundError(
            f"no {self.kind.key} '{ref}'",
            hint="give its project too, or check your rights",
            reason="RESOURCE_NOT_FOUND",
        )

    async def _visible(self, call: Call, verb: str, project: str) -> tuple[Place | None, Sight[MessageT]]:
        """The place to list (None: all places) and which of its resources the caller may see."""
        principal, permission = principal_of(call), self.kind.permission(verb)
        authority = self.resources.authority
        if self.kind.scope is Scope.ROOT and not project:

            def allowed(stored: Stored[MessageT]) -> bool:
                path = resource_path(ROOT, self.kind, stored.metadata.id)
                return judge(authority, principal, permission, path, stored.metadata.labels).allowed

            return ROOT, Sight((), allowed)
        if not project and not self.kind.root_too:
            await authorise(authority, principal, permission, "")
            return None, Sight(("",), None)
        note_asked(call, project, "")
        place = await resolve_place(authority, principal, self.kind, project, permission)
        return place, await look(authority, principal, self.kind, place, permission)

    def require_still(self, located: Located[MessageT], verb: str) -> None:
        """Return if the caller may still do this to what was located: a right or a session may end while they do it.

        Raises:
            UnauthenticatedError, PermissionDeniedError: They may not any more.
        """
        authority, context = self.resources.authority, located.context
        metadata = located.stored.metadata
        path = path_of(authority.snapshot.policy, self.kind, context.place, metadata)
        require(judge(authority, context.principal, self.kind.permission(verb), path, metadata.labels))

    def _require_one(self, principal: Principal, permission: str, paths: Sequence[str]) -> None:
        """Refuse whoever has no more right at any of `paths`; nobody if there are none."""
        made = [judge(self.resources.authority, principal, permission, path) for path in paths]
        if made and not any(one.allowed for one in made):
            require(made[0])

    def _require_moves(self, located: Located[MessageT], old: MessageT, new: MessageT) -> None:
        """Refuse to change a resource that has moved meanwhile to where the caller may not, or to move it so."""
        authority, context = self.resources.authority, located.context
        seen, now = located.stored.metadata, metadata_of(old)
        policy = authority.snapshot.policy
        path = path_of(policy, self.kind, context.place, now)
        if path != path_of(policy, self.kind, context.place, seen):
            require(judge(authority, context.principal, self.kind.permission("update"), path, now.labels))
        require_move(authority, context.principal, self.kind, context.place, now, metadata_of(new))

    def _selection(self, request: pb.ListRequest | pb.WatchRequest) -> Selection:
        """Which resources a request is about."""
        return select(request.selector, request.filter, request.label_selector, self.kind.indexed)

    def _audited(self, context: Context, verb: str, stored: Stored[MessageT]) -> MessageT:
        """Leave a trace of who changed what."""
        path = resource_path(context.place, self.kind, stored.metadata.id)
        extra = {"principal": context.principal.id, "permission": self.kind.permission(verb), "resource": path}
        _audit.info("%s %s", verb, path, extra={**extra, "version": stored.version})
        return stored.message


def _origin(call: Call, verb: str) -> Origin:
    """Where a call comes from."""
    return Origin(source_of(call), deadlines.TRACE.get() or deadlines.trace_of(call.metadata), verb)
