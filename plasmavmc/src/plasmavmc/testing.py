"""Fakes for tests that need one side of plasmavmc only."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from ultracloud.api.plasmavmc.v1 import plasmavmc_pb2 as pb
from ultracloud.api.rpc import Call
from ultracloud.servicekit.resources.hosts import HostFeed


class FakeHosts:
    """The server's side of an agent: hands out intents as told, and keeps what was reported.

    Attributes:
        reports: Every report, oldest first.
    """

    def __init__(self) -> None:
        self.feed: HostFeed[pb.HostIntent] = HostFeed()
        self.reports: list[pb.ReportHostRequest] = []
        self._reported = asyncio.Event()

    def want(self, intent: pb.HostIntent) -> None:
        """Publish an intent."""
        self.feed.offer(intent)

    async def watch_host(self, request: pb.WatchHostRequest, call: Call, /) -> AsyncIterator[pb.HostIntent]:
        """See `Hosts.WatchHost`."""
        async for intent in self.feed.watch(request.host, request.known_generation):
            yield intent

    def report_host(self, request: pb.ReportHostRequest, call: Call, /) -> pb.ReportHostResponse:
        """See `Hosts.ReportHost`."""
        self.reports.append(request)
        reported, self._reported = self._reported, asyncio.Event()
        reported.set()
        return pb.ReportHostResponse()

    def latest(self, vm: str) -> pb.VmReport | None:
        """The newest report on a VM; None if the newest report does not name it."""
        return next((one for one in self.reports[-1].vms if one.id == vm), None) if self.reports else None

    async def wait_reason(self, vm: str, reason: str) -> pb.VmReport:
        """Wait until the newest report says that `vm` is as it is for this reason."""
        while True:
            reported = self._reported
            report = self.latest(vm)
            if report is not None and report.reason == reason:
                return report
            await reported.wait()

    async def wait_gone(self, vm: str, generation: int) -> None:
        """Wait until a report for `generation` or later does not name `vm`."""
        while True:
            reported = self._reported
            if self.reports and self.reports[-1].generation >= generation and self.latest(vm) is None:
                return
            await reported.wait()
