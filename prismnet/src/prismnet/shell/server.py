"""All of prismnet's server: the four kinds, the planner of hosts, the RPCs."""

from __future__ import annotations

from prismnet.config import PrismnetSettings
from prismnet.shell.hosts import HostsServer
from prismnet.shell.kinds import KINDS
from prismnet.shell.planner import Action, HostPlanner, affected
from ultracloud.api.prismnet.v1 import prismnet_pb2 as pb
from ultracloud.api.prismnet.v1.prismnet_rpc import HOSTS
from ultracloud.api.trail.v1.trail_rpc import TRAIL
from ultracloud.base.faults import Fault
from ultracloud.servicekit.authn import Authenticator
from ultracloud.servicekit.policy import Authority
from ultracloud.servicekit.resources import HostFeed, KindServer, Reconciler, Resources, TrailServer
from ultracloud.servicekit.runtime import Runtime
from ultracloud.servicekit.store import Store
from ultracloud.wire import service

SWEEP_S = 24 * 3600.0
"""How often remembered creates that have expired are dropped."""


async def build(_settings: PrismnetSettings, runtime: Runtime) -> None:
    """Serve prismnet over its namespace in flaredb, with iam's policy; neither need be up."""
    await assemble(runtime, runtime.store(), runtime.authority())


async def assemble(runtime: Runtime, store: Store, authority: Authority) -> None:
    """Serve prismnet over `store`."""
    resources = Resources(store, authority, runtime.clock, KINDS)
    feed: HostFeed[pb.HostIntent] = HostFeed()
    reconciler: Reconciler[Action] = Reconciler(resources, KINDS, HostPlanner(resources, feed), affected=affected)
    runtime.tasks.create_task(reconciler.run(runtime.readiness.gate("the networks in flaredb")), name="plan hosts")
    runtime.tasks.create_task(_sweep(resources, runtime), name="forget old creates")
    services = [service(kind.service, KindServer(resources, kind)) for kind in KINDS]
    hosts = service(HOSTS, HostsServer(resources, reconciler.world, reconciler.touch, feed))
    trail = service(TRAIL, TrailServer(resources, "prismnet"))
    await runtime.serve([*services, hosts, trail], [Authenticator(authority, runtime.clock)])


async def _sweep(resources: Resources, runtime: Runtime) -> None:
    """Drop what only repeated creates would need, and old audit records."""
    while True:
        await runtime.clock.sleep(SWEEP_S)
        try:
            await resources.forget_idempotency()
            await resources.forget_audit()
        except Fault as error:
            runtime.log.info("what is old is dropped tomorrow: %s", error)
