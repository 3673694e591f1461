"""Tells what happened in a service: its audit trail to those who may read it all, a resource's events to its readers.

service(TRAIL, TrailServer(resources, "prismnet"))
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, TypeAlias

from ultracloud.api.iam.v1.audit_heads_pb2 import SignHeadsRequest
from ultracloud.api.iam.v1.audit_heads_rpc import AuditHeadsClient
from ultracloud.api.rpc import Call
from ultracloud.api.trail.v1 import trail_pb2 as pb
from ultracloud.base.faults import FailedPreconditionError, InvalidArgumentError
from ultracloud.servicekit import deadlines
from ultracloud.servicekit.authn import principal_of
from ultracloud.servicekit.policy import authorise
from ultracloud.servicekit.resources import export
from ultracloud.servicekit.resources.engine import Resources
from ultracloud.servicekit.resources.pages import page_size
from ultracloud.servicekit.resources.server import KindServer
from ultracloud.servicekit.resources.trail import LANES

if TYPE_CHECKING:
    from ultracloud.servicekit.runtime import Runtime

SignHeads: TypeAlias = Callable[[bytes], Awaitable[export.Signature]]
"""Has iam sign a digest of where the chains end, in the name of this service."""


def signed_by_iam(runtime: Runtime) -> SignHeads | None:
    """Asks iam over the service's own certificate; None if ``peers.iam`` is not set."""
    if not runtime.settings.peers.iam:
        return None
    client = AuditHeadsClient(runtime.peer("iam"))

    async def sign(digest: bytes) -> export.Signature:
        answer = await client.sign(SignHeadsRequest(sha256=digest))
        return export.Signature(answer.kid, answer.public_key, answer.signed_at_s, answer.signature)

    return sign


class TrailServer:
    """Serves Trail for `service`; reading the audit trail needs ``<service>.trail.audit`` at the root."""

    def __init__(self, resources: Resources, service: str, sign: SignHeads | None = None) -> None:
        """Make it; without `sign`, which asks iam, nothing can be exported."""
        self._resources = resources
        self._service = service
        self._sign = sign
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

    async def export(self, _request: pb.ExportRequest, call: Call) -> AsyncIterator[pb.ExportResponse]:
        """All that is kept, as lines of JSON that verify themselves.

        Raises:
            FailedPreconditionError: This service has nobody who signs.
            UnauthenticatedError, PermissionDeniedError: The caller may not.
            UnavailableError: iam does not answer.
        """
        with deadlines.inside(call):
            await authorise(self._resources.authority, principal_of(call), self._permission, "")
        if self._sign is None:
            raise FailedPreconditionError(
                f"{self._service} does not export its audit trail", hint="set peers.iam", reason="NO_SIGNER"
            )
        trail = self._resources.trail
        lanes, count = await trail.marks(), 0
        signature = await self._sign(export.digest_of(lanes))
        yield pb.ExportResponse(lines=[export.header(self._service, lanes, signature)])
        for lane, (floor, head) in enumerate(lanes):
            async with aclosing(trail.between(lane, floor, head)) as pages:
                async for page in pages:
                    count += len(page)
                    yield pb.ExportResponse(lines=[export.line(stored) for stored in page])
        yield pb.ExportResponse(lines=[export.footer(count)])

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
