"""Tells what happened in a service: its audit trail to those who may read it all, a resource's events to its readers.

service(TRAIL, TrailServer(resources, "prismnet"))
"""

from __future__ import annotations

from typing import Any

from ultracloud.api.rpc import Call
from ultracloud.api.trail.v1 import trail_pb2 as pb
from ultracloud.base.faults import InvalidArgumentError
from ultracloud.servicekit import deadlines
from ultracloud.servicekit.authn import principal_of
from ultracloud.servicekit.policy import authorise
from ultracloud.servicekit.resources.engine import Resources
from ultracloud.servicekit.resources.pages import page_size
from ultracloud.servicekit.resources.server import KindServer
from ultracloud.servicekit.resources.trail import LANES


class TrailServer:
    """Serves Trail for `service`; reading the audit trail needs ``<service>.trail.audit`` at the root."""

    def __init__(self, resources: Resources, service: str) -> None:
        self._resources = resources
        self._permission = f"{service}.trail.audit"
        self._kinds: dict[str, KindServer[Any]] = {
            key: KindServer(resources, kind) for key, kind in resources.kinds.items()
        }

    async def audit(self, request: pb.AuditRequest, call: Call) -> pb.AuditResponse:
        """A page of one chain, with all it takes to verify it.

        Raises:
            InvalidArgumentError: `lane`, `after_sequence` or `page_size` is out of range.
            UnauthenticatedError, PermissionDeniedError: The caller may not.
        """
        with deadlines.inside(call):
            await authorise(self._resources.authority, principal_of(call), self._permission, "")
            if not 0 <= request.lane < LANES or request.after_sequence < 0:
                raise InvalidArgumentError(
                    f"lane is {request.lane} and after_sequence {request.after_sequence}; accepted: lanes 0 to "
                    f"{LANES - 1}, and 0 or the sequence of a record",
                    reason="AUDIT_RANGE_INVALID",
                )
            size = page_size(request.page_size)
            return await self._resources.trail.page(request.lane, request.after_sequence, size)

    async def events(self, request: pb.EventsRequest, call: Call) -> pb.EventsResponse:
        """What happened to a resource that the caller may read.

        Raises:
            InvalidArgumentError: The service has no such kind.
            NotFoundError, PermissionDeniedError, UnauthenticatedError: As for reading the resource.
        """
        with deadlines.inside(call):
            principal_of(call)
            server = self._kinds.get(request.kind.lower())
            if server is None:
                raise InvalidArgumentError(
                    f"kind {request.kind[:40]!a} is none of this service; accepted: {', '.join(sorted(self._kinds))}",
                    reason="KIND_UNKNOWN",
                )
            located = await server.locate(call, "get", request.project, request.ref)
            found = await self._resources.events(server.kind, located.stored.metadata.id)
            return pb.EventsResponse(events=found)
