"""For tests of the gateway and of what stands behind it: a whole gateway in the test's process."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from apigateway.config import GatewaySettings, Public
from apigateway.shell.server import assemble, build
from apigateway.shell.versions import COMMANDS
from ultracloud.servicekit import lifecycle
from ultracloud.servicekit.policy import Authority
from ultracloud.servicekit.runtime import Runtime
from ultracloud.servicekit.settings import Peers


@dataclass(frozen=True, slots=True)
class RunningGateway:
    """A gateway that serves.

    Attributes:
        address: ``host:port``, in clear text.
        runtime: Its surroundings.
    """

    address: str
    runtime: Runtime

    @property
    def url(self) -> str:
        """Where its paths begin."""
        return f"http://{self.address}"


@asynccontextmanager
async def running_gateway(
    folder: Path, peers: Peers, authority: Authority, traffic: Path | None = None, public: Public | None = None
) -> AsyncIterator[RunningGateway]:
    """A gateway on a free port of loopback, in clear text unless it is `public`, whose peers are in clear text."""
    (folder / "state").mkdir(parents=True, exist_ok=True)
    settings = GatewaySettings(
        state_dir=folder / "state", peers=peers, drain_s=0.2, traffic=traffic, public=public or Public()
    )
    served: asyncio.Future[RunningGateway] = asyncio.get_running_loop().create_future()
    ended = asyncio.Event()

    async def live() -> None:
        async with asyncio.TaskGroup() as tasks:
            runtime = Runtime("apigateway", settings, tasks, logging.getLogger("apigateway"))
            login = await assemble(settings, runtime, authority)
            served.set_result(RunningGateway(runtime.addresses[0], runtime))
            await ended.wait()
            await runtime.drain()
            if login is not None:
                await login.stop()
            await runtime.close()
            raise asyncio.CancelledError

    living = asyncio.create_task(live(), name="apigateway")
    either: set[asyncio.Future[RunningGateway] | asyncio.Task[None]] = {served, living}
    await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
    try:
        yield served.result() if served.done() else await _failed(living)
    finally:
        ended.set()
        with suppress(asyncio.CancelledError):
            await living


async def _failed(living: asyncio.Task[None]) -> RunningGateway:
    """Raise why it did not start."""
    await living
    raise AssertionError("the gateway ended by itself")


def run_command(config: Path, *words: str) -> int:
    """The exit code of one of ``apigateway``'s commands."""
    return lifecycle.main("apigateway", GatewaySettings, build, [*words, "--config", str(config)], COMMANDS)
