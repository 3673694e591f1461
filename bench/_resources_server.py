"""A service with one kind for `bench.resources`: VMs over flaredb, everybody an operator, pinned to one core.

Prints its port, serves until its standard input closes.
"""

from __future__ import annotations

import asyncio
import gc
import os
import sys

import uvloop

from ultracloud.api.plasmavmc.v1 import plasmavmc_pb2 as pb
from ultracloud.api.plasmavmc.v1.plasmavmc_rpc import VMS
from ultracloud.api.rpc import Call
from ultracloud.servicekit import channels
from ultracloud.servicekit.authn import PRINCIPAL
from ultracloud.servicekit.clock import SystemClock
from ultracloud.servicekit.resources import Kind, KindServer, Resources
from ultracloud.servicekit.store import FlaredbStore
from ultracloud.servicekit.testing import OPERATOR, sample_authority
from ultracloud.wire import Server, ServerOptions, service

NAMESPACE = "plasmavmc"
VM = Kind(
    name="Vm",
    prefix="vm",
    service=VMS,
    message=pb.Vm,
    claims=lambda vm: (f"image/{vm.spec.image}/vm/{vm.metadata.id}",),
    costs=lambda vm: {"vms": 1, "vcpus": vm.spec.vcpus, "memory-mib": vm.spec.memory_mib},
    indexed=("spec.image", "status.host"),
)


class LetIn:
    """Takes every caller for the operator: what it costs to tell callers apart is `authn`'s figure."""

    def admit(self, call: Call, /) -> None:
        """See `Interceptor`."""
        call.context[PRINCIPAL] = OPERATOR

    def done(self, call: Call, code: int, seconds: float, /) -> None:
        """See `Interceptor`."""


async def main() -> None:
    """Serve until stdin closes."""
    os.sched_setaffinity(0, {int(sys.argv[2])})
    store = FlaredbStore(channels.connect(f"127.0.0.1:{sys.argv[1]}"), NAMESPACE)
    resources = Resources(store, sample_authority(), SystemClock(), [VM])
    server = Server([service(VMS, KindServer(resources, VM))], ServerOptions(), [LetIn()])
    _host, port = await server.listen("127.0.0.1", 0)
    gc.freeze()
    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()
    await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    uvloop.run(main())
