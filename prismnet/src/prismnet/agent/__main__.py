"""`python -m prismnet.agent serve --config FILE`: prismnet's agent on one host."""

from __future__ import annotations

import sys

from prismnet.agent.config import AgentConfig
from prismnet.agent.shell.agent import Agent
from prismnet.agent.shell.meters import Meters
from ultracloud.api.prismnet.v1.prismnet_rpc import HostsClient
from ultracloud.servicekit import lifecycle
from ultracloud.servicekit.runtime import Runtime

NAME = "prismnet-agent"


def main() -> int:
    """Run the agent's command line."""
    return lifecycle.main(NAME, AgentConfig, build)


async def build(config: AgentConfig, runtime: Runtime) -> Agent:
    """Take hold of the kernel, then follow the server."""
    agent = Agent(config, HostsClient(runtime.peer("prismnet")), runtime.clock, Meters(runtime.metrics.registry))
    await agent.start()
    runtime.tasks.create_task(agent.run(), name="agent")
    await runtime.serve([])
    return agent


if __name__ == "__main__":
    sys.exit(main())
