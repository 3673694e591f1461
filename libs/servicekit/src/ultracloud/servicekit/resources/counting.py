"""Tells what places use and may, and counts them anew.

service(QUOTAS, QuotaServer(resources, "plasmavmc"))
"""

from __future__ import annotations

from ultracloud.api.quota.v1 import quota_pb2 as pb
from ultracloud.api.rpc import Call
from ultracloud.base.policy import project_path
from ultracloud.servicekit import deadlines
from ultracloud.servicekit.authn import principal_of
from ultracloud.servicekit.policy import authorise, resolve_project
from ultracloud.servicekit.resources.engine import Resources


class QuotaServer:
    """Serves Quotas for `service`: ``<service>.quotas.get`` and ``.recount`` in the project."""

    def __init__(self, resources: Resources, service: str) -> None:
        self._resources = resources
        self._service = service

    async def usage(self, request: pb.UsageRequest, call: Call) -> pb.UsageResponse:
        """What a project uses and may.

        Raises:
            PermissionDeniedError, NotFoundError, UnauthenticatedError, UnavailableError: As `policy.resolve_project`.
        """
        with deadlines.inside(call):
            project = await self._project(call, "get", request.project)
            ledger = self._resources.ledger
            used = await ledger.used(project)
            limits = {what: ledger.limits.limit(project, what) for what in used.keys() | ledger.limits.named(project)}
            amounts = [pb.Amount(what=what, used=used.get(what, 0), limit=limits[what]) for what in sorted(limits)]
            return pb.UsageResponse(amounts=amounts)

    async def recount(self, request: pb.RecountRequest, call: Call) -> pb.RecountResponse:
        """Count a project anew.

        Raises:
            PermissionDeniedError, NotFoundError, UnauthenticatedError, UnavailableError: As `policy.resolve_project`.
        """
        with deadlines.inside(call):
            project = await self._project(call, "recount", request.project)
            done = await self._resources.recount(project)
            corrections = [
                pb.Correction(what=one.what, counted=one.counted, found=one.found) for one in done.corrections
            ]
            return pb.RecountResponse(recharged=done.recharged, corrections=corrections)

    async def _project(self, call: Call, verb: str, ref: str) -> str:
        """Id of a project in which the caller may do this."""
        authority, principal = self._resources.authority, principal_of(call)
        permission = f"{self._service}.quotas.{verb}"
        project = await resolve_project(authority, principal, ref, permission)
        await authorise(authority, principal, permission, project_path(project))
        return project.id
