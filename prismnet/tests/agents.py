"""Agents under test: in this process, with a server that is a queue of intents, and workloads in their namespaces."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
from collections.abc import AsyncIterator, Callable
from pathlib import Path

from prometheus_client import CollectorRegistry

from prismnet.agent.config import AgentConfig
from prismnet.agent.shell.agent import Agent
from prismnet.agent.shell.meters import Meters
from prismnet.core.intent import HostIntent
from prismnet.shell.intents import render_intent
from ultracloud.api.prismnet.v1 import prismnet_pb2 as pb
from ultracloud.api.prismnet.v1.prismnet_rpc import HostsClient
from ultracloud.servicekit.clock import SystemClock

WAIT_S = 10.0
"""For an answer that takes a tenth of a second on an idle machine."""


class QueueOfIntents(HostsClient):
    """A server's side of Hosts: intents out, reports in."""

    def __init__(self, wait_s: float = WAIT_S) -> None:
        self.wait_s = wait_s
        self.newest: pb.HostIntent | None = None
        self.changed = asyncio.Condition()
        self.reports: list[pb.ReportHostRequest] = []

    async def send(self, intent: HostIntent) -> None:
        async with self.changed:
            self.newest = render_intent(intent)
            self.changed.notify_all()

    async def apply(self, intent: HostIntent) -> pb.ReportHostRequest:
        """Send an intent and wait until the agent says what came of it."""
        await self.send(intent)
        return await self.wait_report(intent.generation)

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
        return await self.wait(lambda report: report.generation >= generation)

    async def wait(self, holds: Callable[[pb.ReportHostRequest], bool]) -> pb.ReportHostRequest:
        """The newest report, once it holds."""
        async with asyncio.timeout(self.wait_s), self.changed:
            await self.changed.wait_for(lambda: bool(self.reports) and holds(self.reports[-1]))
            return self.reports[-1]


@contextlib.asynccontextmanager
async def running_agent(hosts: HostsClient, folder: Path, **settings: object) -> AsyncIterator[Agent]:
    """An agent that works until the end of the block."""
    config = AgentConfig(host="node-1", state_dir=folder, metadata_socket=folder / "metadata.sock", **settings)  # type: ignore[arg-type]
    agent = Agent(config, hosts, SystemClock(), Meters(CollectorRegistry()))
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
