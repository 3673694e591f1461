"""The agent: follows the host's intent, keeps the kernel at it, serves guests, and reports.

Three tasks. One keeps the copy of the intent up to date (or waits, when the server is away: the copy on disk is then
what holds). One leads the kernel to the newest copy. One tells the server what came of it. The kernel is touched by a
thread of its own, because netlink, nft and setns block.
"""

from __future__ import annotations

import asyncio
import functools
import logging
import os
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from prismnet.agent.config import AgentConfig
from prismnet.agent.core.reports import HostReport, report
from prismnet.agent.core.state import NamespaceName, Owner
from prismnet.agent.shell.converge import RESYNC_S, Converger, Outcome
from prismnet.agent.shell.endpoints import Endpoints
from prismnet.agent.shell.intents import parse_intent, render_report
from prismnet.agent.shell.kernel import Kernel
from prismnet.agent.shell.meters import Meters
from prismnet.agent.shell.netlink import KernelError
from prismnet.agent.shell.sockets import open_dhcp, open_metadata
from prismnet.core.intent import HostIntent
from ultracloud.api.prismnet.v1 import prismnet_pb2 as pb
from ultracloud.api.prismnet.v1.prismnet_rpc import HostsClient
from ultracloud.base.faults import Fault, InvalidArgumentError
from ultracloud.servicekit.clock import Clock
from ultracloud.servicekit.errors import StartError
from ultracloud.servicekit.resources.hosts import HostCopy

ResultT = TypeVar("ResultT")

COPY_FILE = "intent"
RETRY_FIRST_S, RETRY_MAX_S = 0.2, 10.0
"""After a failure: soon, in case it was a race, then at leisure."""
REPORT_AGAIN_S = 30.0
"""A report that says nothing new heals a server that lost the last one."""
BRIDGE_NETFILTER = Path("/proc/sys/net/bridge")


class Agent:
    """One host's agent."""

    def __init__(self, config: AgentConfig, hosts: HostsClient, clock: Clock, meters: Meters) -> None:
        self._meters = meters
        self._config = config
        self._hosts = hosts
        self._clock = clock
        self._copy = HostCopy(config.state_dir / COPY_FILE, pb.HostIntent)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="kernel")
        self._endpoints = Endpoints(self._open_sockets, config, clock, meters, self._say_again)
        self._kernel: Kernel | None = None
        self._converger: Converger | None = None
        self._last: tuple[Outcome, dict[Owner, str]] | None = None
        self._running: asyncio.Task[None] | None = None
        self._report: HostReport | None = None
        self._report_changed = asyncio.Event()
        self._log = logging.getLogger(__name__)

    async def start(self) -> None:
        """Take hold of the kernel, and lead it to the copy on disk if there is one.

        Raises:
            StartError: This kernel cannot keep tenants apart.
        """
        self._kernel = await self._in_thread(functools.partial(_open_kernel, self._config))
        try:
            await self._in_thread(self._kernel.observe)
        except KernelError as error:
            raise StartError(str(error)) from error
        self._converger = Converger(self._kernel, self._config.host_settings())
        copied = self._copy.load()
        if copied is not None:
            await self._converge(copied, look=True)

    @property
    def steps_done(self) -> int:
        """How many actions the last intent took; 0 when all of it stood already."""
        return self._last[0].steps if self._last else 0

    async def run(self) -> None:
        """Work until cancelled. What was built stays and works on."""
        self._running = asyncio.current_task()
        subscribe = functools.partial(pb.WatchHostRequest, host=self._config.host)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(
                self._copy.run(lambda known: self._hosts.watch_host(subscribe(known_generation=known)), self._clock),
                name="follow the server",
            )
            tasks.create_task(self._keep_converged(), name="keep the kernel converged")
            tasks.create_task(self._keep_reporting(), name="report")

    async def stop(self) -> None:
        """End `run`, stop serving guests, and let go of the kernel."""
        if self._running is not None:
            self._running.cancel()
            await asyncio.wait([self._running])
        await self._endpoints.close()
        if self._kernel is not None:
            await self._in_thread(self._kernel.close)
        self._thread.shutdown()

    async def _keep_converged(self) -> None:
        """Lead the kernel to each new intent; look again now and then, and soon after a failure."""
        applied = self._last[0].intent.generation if self._last else -1
        has_failed = bool(self._last and self._last[1])
        retry_s = RETRY_FIRST_S
        while True:
            try:
                async with asyncio.timeout(retry_s if has_failed else RESYNC_S):
                    copied, look = await self._copy.wait_newer(applied), has_failed
            except TimeoutError:
                if self._copy.current is None:
                    continue
                copied, look = self._copy.current, True
            applied = copied.generation
            has_failed = not await self._converge(copied, look=look)
            retry_s = min(retry_s * 2, RETRY_MAX_S) if has_failed else RETRY_FIRST_S

    async def _converge(self, copied: pb.HostIntent, *, look: bool) -> bool:
        """Apply one intent; tells whether all of it stands."""
        try:
            intent = parse_intent(copied)
            await self._endpoints.drop_all_but(intent.vpcs)
            with self._meters.converge_seconds.time():
                outcome = await self._apply(intent, look=look)
        except (InvalidArgumentError, KernelError) as error:
            self._log.error("intent %d not applied: %s", copied.generation, error)
            return False
        failed = {**outcome.failed, **await self._endpoints.follow(outcome)}
        for owner, why in failed.items():
            self._log.warning("%s: %s", owner, why)
        self._log.info("intent %d applied in %d steps", intent.generation, outcome.steps)
        self._last = outcome, failed
        self._say_again()
        return not failed

    async def _apply(self, intent: HostIntent, *, look: bool) -> Outcome:
        assert self._converger is not None
        return await self._in_thread(functools.partial(self._converger.converge, intent, look=look))

    def _say_again(self) -> None:
        """Something that the server should know has changed."""
        if self._last is None:
            return
        outcome, failed = self._last
        self._report = report(
            outcome.intent, outcome.settings, self._config.uplink_name, failed, self._endpoints.leases
        )
        self._meters.take(self._report)
        self._report_changed.set()

    async def _keep_reporting(self) -> None:
        """Tell the server the newest, until it has heard it."""
        pause_s = RETRY_FIRST_S
        while True:
            try:
                async with asyncio.timeout(REPORT_AGAIN_S):
                    await self._report_changed.wait()
            except TimeoutError:
                pass
            self._report_changed.clear()
            if self._report is None:
                continue
            try:
                await self._hosts.report_host(render_report(self._report))
                pause_s = RETRY_FIRST_S
            except Fault as error:
                self._log.debug("report not heard: %s", error)
                await self._clock.sleep(pause_s)
                pause_s = min(pause_s * 2, RETRY_MAX_S)
                self._report_changed.set()

    async def _open_sockets(self, router: NamespaceName) -> tuple[socket.socket, socket.socket]:
        assert self._kernel is not None
        namespaces = self._kernel.namespaces
        dhcp = await self._in_thread(functools.partial(open_dhcp, namespaces, router))
        try:
            return dhcp, await self._in_thread(functools.partial(open_metadata, namespaces, router))
        except OSError:
            dhcp.close()
            raise

    async def _in_thread(self, work: Callable[[], ResultT]) -> ResultT:
        """Do something that blocks or visits namespaces; a change once begun is finished, whoever stops waiting."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)


def _open_kernel(config: AgentConfig) -> Kernel:
    """This host's kernel, if it can do what tenants rely on."""
    if not BRIDGE_NETFILTER.exists():
        raise StartError("bridged traffic passes no firewall on this kernel; load the module br_netfilter")
    if os.geteuid():
        raise StartError("only root may build networks; run the agent as root")
    return Kernel.here(config.namespaces, config.uplink_name)
