"""One service of `bench/iam.py` in a process of its own: prismnet, plasmavmc or the gateway, with iam's policy.

Its store is of memory and empty. Prints its address once it is ready, and ends when its stdin does.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import sys
from pathlib import Path

from apigateway.config import GatewaySettings
from apigateway.shell.server import assemble as assemble_gateway
from plasmavmc.config import PlasmavmcSettings
from plasmavmc.shell.network import Prismnet
from plasmavmc.shell.server import assemble as assemble_plasmavmc
from plasmavmc.shell.workloads import of_iam
from prismnet.config import PrismnetSettings
from prismnet.shell.server import assemble as assemble_prismnet
from ultracloud.servicekit.runtime import Runtime
from ultracloud.servicekit.settings import Peers, Tls
from ultracloud.servicekit.store import MemoryStore

TRAFFIC = """
[sources]
per_second = 0
[principals]
per_second = 0
"""


async def serve(name: str, folder: Path, peers: Peers) -> None:
    """Serve one until stdin ends."""
    (folder / "state").mkdir(parents=True, exist_ok=True)
    files = f"service-{name}"
    tls = Tls(certificate=folder / f"{files}.crt", key=folder / f"{files}.key", ca=folder / "ca.crt")
    async with asyncio.TaskGroup() as tasks:
        settings = {"prismnet": PrismnetSettings, "plasmavmc": PlasmavmcSettings, "apigateway": GatewaySettings}[name]
        made = settings(state_dir=folder / "state", tls=tls, peers=peers, **_more(name, folder))
        runtime = Runtime(name, made, tasks, logging.getLogger(name))
        match made:
            case GatewaySettings():
                await assemble_gateway(made, runtime, runtime.authority())
            case PlasmavmcSettings():
                network, workloads = Prismnet(runtime.peer("prismnet")), of_iam(runtime.peer("iam"))
                await assemble_plasmavmc(made, runtime, MemoryStore(), runtime.authority(), network, workloads)
            case PrismnetSettings():
                await assemble_prismnet(made, runtime, MemoryStore(), runtime.authority())
        await runtime.readiness.wait_ready()
        print(runtime.addresses[0], flush=True)
        await asyncio.to_thread(sys.stdin.read)
        sys.exit(0)  # nothing here is worth an orderly end


def _more(name: str, folder: Path) -> dict[str, Path]:
    if name != "apigateway":
        return {}
    (folder / "traffic.toml").write_text(TRAFFIC)
    return {"traffic": folder / "traffic.toml"}


def main() -> None:
    """Read the arguments, and serve."""
    parser = argparse.ArgumentParser()
    parser.add_argument("name")
    parser.add_argument("folder", type=Path)
    for peer in ("iam", "prismnet", "plasmavmc"):
        parser.add_argument(f"--{peer}", default="")
    arguments = parser.parse_args()
    peers = Peers(iam=arguments.iam, prismnet=arguments.prismnet, plasmavmc=arguments.plasmavmc)
    asyncio.run(serve(arguments.name, arguments.folder, peers))


if __name__ == "__main__":
    main()
