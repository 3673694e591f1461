"""Agents under test: in this process, with a server that is a queue of intents, and workloads in their namespaces."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

from prismnet.agent.config import AgentConfig
from prismnet.agent.shell.agent import Agent
from prismnet.core.ids import tap_name, veth_name
from prismnet.core.intent import Attachment, Direction, HostIntent, Port, Protocol, Rule
from ultracloud.api.prismnet.v1 import prismnet_pb2 as pb
from ultracloud.api.prismnet.v1.prismnet_rpc import HostsClient
from ultracloud.servicekit.clock import SystemClock

WAIT_S = 5.0
_PROTOCOLS = {
    Protocol.ANY: pb.Rule.PROTOCOL_UNSPECIFIED,
    Protocol.TCP: pb.Rule.TCP,
    Protocol.UDP: pb.Rule.UDP,
    Protocol.ICMP: pb.Rule.ICMP,
}


class QueueOfIntents(HostsClient):
    """A server's side of Hosts: intents out, reports in."""

    def __init__(self) -> None:
        self.newest: pb.HostIntent | None = None
        self.changed = asyncio.Condition()
        self.reports: list[pb.ReportHostRequest] = []

    async def send(self, intent: HostIntent) -> None:
        async with self.changed:
            self.newest = to_wire(intent)
            self.changed.notify_all()

    async def watch_host(
        self,
        request: pb.WatchHostRequest,
        timeout_s: float | None = None,  # noqa: ARG002
    ) -> AsyncIterator[pb.HostIntent]:
        known = request.known_generation
        while True:
            async with self.changed:
                while self.newest is None or self.newest.generation <= known:
                    await self.changed.wait()
                newest = self.newest
            known = newest.generation
            yield newest

    async def report_host(
        self,
        request: pb.ReportHostRequest,
        timeout_s: float | None = None,  # noqa: ARG002 - as the client has it
    ) -> pb.ReportHostResponse:
        async with self.changed:
            self.reports.append(request)
            self.changed.notify_all()
        return pb.ReportHostResponse()

    async def wait_report(self, generation: int) -> pb.ReportHostRequest:
        async with asyncio.timeout(WAIT_S), self.changed:
            await self.changed.wait_for(lambda: bool(self.reports) and self.reports[-1].generation >= generation)
            return self.reports[-1]


@contextlib.asynccontextmanager
async def running_agent(hosts: HostsClient, folder: Path, **settings: object) -> AsyncIterator[Agent]:
    """An agent that works until the end of the block."""
    config = AgentConfig(host="node-1", state_dir=folder, metadata_socket=folder / "metadata.sock", **settings)  # type: ignore[arg-type]
    agent = Agent(config, hosts, SystemClock())
    await agent.start()
    task = asyncio.create_task(agent.run())
    try:
        yield agent
    finally:
        await agent.stop()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def inside(namespace: str, *command: str, timeout_s: float = WAIT_S) -> tuple[int, str]:
    """Run a command in a named namespace; its exit code and what it printed."""
    process = await asyncio.create_subprocess_exec(
        "nsenter",
        f"--net=/run/netns/{namespace}",
        *command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    try:
        output, _ = await asyncio.wait_for(process.communicate(), timeout_s)
    except TimeoutError:
        process.kill()
        await process.wait()
        return 124, ""
    assert process.returncode is not None
    return process.returncode, output.decode(errors="replace")


def to_wire(intent: HostIntent) -> pb.HostIntent:
    """An intent as the server would send it."""
    vpcs = [
        pb.HostVpc(
            id=vpc.id,
            cidr=str(vpc.cidr),
            vni=vpc.vni,
            egress_nat=vpc.egress_nat,
            subnets=[
                pb.HostSubnet(
                    id=subnet.id,
                    cidr=str(subnet.cidr),
                    gateway=str(subnet.gateway),
                    dns_servers=[str(server) for server in subnet.dns_servers],
                )
                for subnet in vpc.subnets
            ],
            ports=[_port(port) for port in vpc.ports],
        )
        for vpc in intent.vpcs
    ]
    return pb.HostIntent(host=intent.host, generation=intent.generation, vpcs=vpcs)


def _port(port: Port) -> pb.HostPort:
    is_tap = port.attachment is Attachment.TAP
    return pb.HostPort(
        id=port.id,
        name=port.name,
        project=port.project,
        subnet=port.subnet,
        address=str(port.address),
        mac=port.mac,
        attachment=pb.PortSpec.TAP if is_tap else pb.PortSpec.NETNS,
        device=port.device,
        device_name=tap_name(port.id) if is_tap else veth_name(port.id),
        hostname=port.hostname,
        rules=[_rule(rule) for rule in port.rules],
        generation=port.generation,
    )


def _rule(rule: Rule) -> pb.HostRule:
    return pb.HostRule(
        direction=pb.Rule.INGRESS if rule.direction is Direction.INGRESS else pb.Rule.EGRESS,
        protocol=_PROTOCOLS[rule.protocol],
        port_min=rule.port_min,
        port_max=rule.port_max,
        remote_cidrs=[str(remote) for remote in rule.remotes],
    )
