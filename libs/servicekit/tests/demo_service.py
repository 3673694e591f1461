"""A service for tests of the life cycle: `python demo_service.py serve --config demo.toml`."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from pathlib import Path

from ultracloud.api.rpc import Call
from ultracloud.api.wire.v1.echo_pb2 import EchoRequest, EchoResponse
from ultracloud.api.wire.v1.echo_rpc import ECHO
from ultracloud.servicekit import lifecycle
from ultracloud.servicekit.runtime import Runtime
from ultracloud.servicekit.settings import Settings
from ultracloud.wire import service


@dataclass(frozen=True, slots=True, kw_only=True)
class Config(Settings):
    """`behave` is what goes wrong: a task that fails, a stop that hangs, peers that are needed."""

    behave: str = ""
    stopped: Path | None = None


class Echo:
    """Answers after a while."""

    async def say(self, request: EchoRequest, _call: Call) -> EchoResponse:
        """Give the payload back."""
        await asyncio.sleep(request.delay_s)
        return EchoResponse(payload=request.payload)

    async def repeat(self, request: EchoRequest, _call: Call) -> AsyncGenerator[EchoResponse, None]:
        """Give it back for ever."""
        while True:
            yield EchoResponse(payload=request.payload)
            await asyncio.sleep(request.delay_s)


class Demo:
    """Notes that it was stopped."""

    def __init__(self, config: Config) -> None:
        self.config = config

    async def stop(self) -> None:
        """Leave a mark, or hang."""
        if self.config.behave == "hang":
            await asyncio.sleep(3600)
        if self.config.stopped is not None:
            self.config.stopped.touch()


async def fail() -> None:
    """A background task that does not live."""
    raise RuntimeError("boom")


async def build(config: Config, runtime: Runtime) -> Demo:
    """Serve Echo."""
    if config.behave == "needs-store":
        runtime.store()
    if config.behave == "needs-policy":
        runtime.authority()
    if config.behave == "slow-build":
        await asyncio.sleep(3600)
    await runtime.serve([service(ECHO, Echo())])
    if config.behave == "fail":
        runtime.tasks.create_task(fail(), name="fail")
    return Demo(config)


if __name__ == "__main__":
    sys.exit(lifecycle.main("demo", Config, build))
