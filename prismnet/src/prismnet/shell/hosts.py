"""The Hosts RPCs: intents to agents, reports from them. An agent speaks for its own host and for no other."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

from prismnet.shell.kinds import PORT, VPC
from prismnet.shell.planner import host_key
from ultracloud.api.prismnet.v1 import prismnet_pb2 as pb
from ultracloud.api.rpc import Call
from ultracloud.base.faults import InvalidArgumentError
from ultracloud.servicekit.authn import require_agent
from ultracloud.servicekit.resources import Condition, HostFeed, Key, LastWrite, Resources, Truth, World
from ultracloud.servicekit.resources.conditions import news
from ultracloud.servicekit.resources.kinds import Kind, MessageT
from ultracloud.servicekit.resources.records import metadata_of
from ultracloud.servicekit.streams import closing

SERVICE = "prismnet"
REPORTED_MAX = 10_000
"""Ports or VPCs in one report: more than a host can have."""


class HostsServer:
    """Serves Hosts.

    Args:
        resources: The kit.
        world: What the reconciler knows.
        touch: Asks it to look at a key.
        feed: What it publishes.
    """

    def __init__(
        self, resources: Resources, world: World, touch: Callable[[Key], None], feed: HostFeed[pb.HostIntent]
    ) -> None:
        self._resources = resources
        self._world = world
        self._touch = touch
        self._feed = feed
        self._egress: dict[str, dict[str, pb.VpcReport]] = {}
        self._last = LastWrite(world)

    async def watch_host(self, request: pb.WatchHostRequest, call: Call) -> AsyncIterator[pb.HostIntent]:
        """Send the host's intent, and every newer one.

        Raises:
            PermissionDeniedError: The caller is not that host's agent.
        """
        require_agent(call, SERVICE, request.host)
        # A host that lost its last port while we were away is in no record any more; it still must hear so.
        self._touch(host_key(request.host))
        async with closing(self._feed.watch(request.host, request.known_generation)) as intents:
            async for intent in intents:
                yield intent

    async def report_host(self, request: pb.ReportHostRequest, call: Call) -> pb.ReportHostResponse:
        """Take in what stands on a host; what it says of others' ports is not heard.

        Raises:
            PermissionDeniedError: The caller is not that host's agent.
            InvalidArgumentError: The report is larger than any host.
        """
        require_agent(call, SERVICE, request.host)
        if len(request.ports) > REPORTED_MAX or len(request.vpcs) > REPORTED_MAX:
            raise InvalidArgumentError(f"a report has at most {REPORTED_MAX} ports and VPCs")
        present = set()
        for report in request.ports:
            port = self._world.get(PORT, report.id)
            if port is not None and port.spec.host == request.host:
                present.add(port.status.vpc)
                await self._write(PORT, port, _port_conditions(report))
        for vpc_report in request.vpcs:
            if vpc_report.id in present:
                await self._take_egress(request.host, vpc_report)
        return pb.ReportHostResponse()

    async def _take_egress(self, host: str, report: pb.VpcReport) -> None:
        """A VPC reaches the outside if it does so from every host that has a part of it."""
        reports = self._egress.setdefault(report.id, {})
        reports[host] = report
        vpc = self._world.get(VPC, report.id)
        if vpc is None:
            del self._egress[report.id]
            return
        worst = next((one for _, one in sorted(reports.items()) if not one.egress), report)
        condition = Condition(
            "Egress",
            Truth.TRUE if worst.egress else Truth.FALSE,
            "Reachable" if worst.egress else "NoEgress",
            worst.message,
            vpc.metadata.generation,
        )
        await self._write(VPC, vpc, [condition])

    async def _write(self, kind: Kind[MessageT], message: MessageT, conditions: list[Condition]) -> None:
        """Write conditions that say something new; a host repeats itself twice a minute."""
        if news(message, conditions) or not self._last.is_known:
            self._last.note(await self._resources.write_status(kind, metadata_of(message).id, None, conditions))


def _port_conditions(report: pb.PortReport) -> list[Condition]:
    """What a report says of one port."""
    conditions = [
        Condition(
            "Ready",
            Truth.TRUE if report.ready else Truth.FALSE,
            "Built" if report.ready else "BuildFailed",
            report.message,
            report.generation,
        )
    ]
    if report.leased_at_ms:
        conditions.append(Condition("Leased", Truth.TRUE, "Leased", "", report.generation))
    return conditions
