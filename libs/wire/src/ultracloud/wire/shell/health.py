"""grpc.health.v1: whether the server, or one of its services, wants calls.

Source: the gRPC health checking protocol.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterable

from ultracloud.api.grpc.health.v1.health_pb2 import (
    HealthCheckRequest,
    HealthCheckResponse,
    HealthListRequest,
    HealthListResponse,
)
from ultracloud.api.rpc import Call
from ultracloud.base.faults import NotFoundError, ResourceExhaustedError

WATCHERS_MAX = 1000
"""Watch streams of one server: load balancers and probes, a few each."""


class Health:
    """The health of a server and its services; also the implementation of the Health service.

    Args:
        services: Full names; they and the server itself (the empty name) begin as serving.
    """

    def __init__(self, services: Iterable[str]) -> None:
        self._serving: dict[str, bool] = {"": True, **dict.fromkeys(services, True)}
        self._changes: set[asyncio.Event] = set()
        self._is_over = False

    def set(self, service: str, serving: bool) -> None:  # noqa: FBT001 - read as set("chainfire.Kv", False)
        """Say whether `service` (empty: the server) wants calls. Watchers are told."""
        self._serving[service] = serving
        self._tell()

    def stop(self) -> None:
        """Nothing is served any more; watches end after saying so."""
        self._serving = dict.fromkeys(self._serving, False)
        self._is_over = True
        self._tell()

    def check(self, request: HealthCheckRequest, _call: Call, /) -> HealthCheckResponse:
        """Health.Check."""
        if request.service not in self._serving:
            raise NotFoundError(f"no service {request.service[:200]!a} here", reason="SERVICE_UNKNOWN")
        return HealthCheckResponse(status=self._status(request.service))

    def list(self, _request: HealthListRequest, _call: Call, /) -> HealthListResponse:
        """Health.List."""
        statuses = {name: HealthCheckResponse(status=self._status(name)) for name in self._serving}
        return HealthListResponse(statuses=statuses)

    async def watch(self, request: HealthCheckRequest, _call: Call, /) -> AsyncGenerator[HealthCheckResponse, None]:
        """Health.Watch: only changes are sent, and of several between two sends only the last."""
        if len(self._changes) >= WATCHERS_MAX:
            raise ResourceExhaustedError(f"this server has {WATCHERS_MAX} health watches, which is all it takes")
        changed = asyncio.Event()
        self._changes.add(changed)
        try:
            told: HealthCheckResponse.ServingStatus | None = None
            while True:
                changed.clear()
                status = self._status(request.service)
                if status != told:
                    yield HealthCheckResponse(status=status)
                    told = status
                elif self._is_over:
                    return
                else:
                    await changed.wait()
        finally:
            self._changes.discard(changed)

    def _status(self, service: str) -> HealthCheckResponse.ServingStatus:
        """What is said of a service."""
        serving = self._serving.get(service)
        if serving is None:
            return HealthCheckResponse.SERVICE_UNKNOWN
        return HealthCheckResponse.SERVING if serving else HealthCheckResponse.NOT_SERVING

    def _tell(self) -> None:
        """Wake the watchers."""
        for changed in self._changes:
            changed.set()
