"""All of prismnet's server: the four kinds, the planner of hosts, the RPCs."""

from __future__ import annotations

from prismnet.config import PrismnetSettings
from prismnet.shell.hosts import HostsServer
from prismnet.shell.kinds import KINDS
from prismnet.shell.planner import EVERYWHERE, Action, HostPlanner, affected
from ultracloud.api.prismnet.v1 import prismnet_pb2 as pb
from ultracloud.api.prismnet.v1.prismnet_rpc import HOSTS
from ultracloud.api.quota.v1.quota_rpc import QUOTAS
from ultracloud.api.trail.v1.trail_rpc import TRAIL
from ultracloud.servicekit.authn import Authenticator
from ultracloud.servicekit.policy import Authority
from ultracloud.servicekit.resources import (
    Denials,
    HostFeed,
    Key,
    KindServer,
    ProjectLimits,
    QuotaServer,
    Reconciler,
    Resources,
    SetLimits,
    TrailServer,
    signed_by_iam,
    tidy,
)
from ultracloud.servicekit.runtime import Runtime
from ultracloud.servicekit.store import Store
from ultracloud.wire import service


async def build(settings: PrismnetSettings, runtime: Runtime) -> None:
    """Serve prismnet over its namespace in flaredb, with iam's policy; neither need be up."""
    await assemble(settings, runtime, runtime.store(), runtime.authority())


async def assemble(settings: PrismnetSettings, runtime: Runtime, store: Store, authority: Authority) -> None:
    """Serve prismnet over `store`."""
    limits = ProjectLimits(authority, SetLimits(settings.quota.each, settings.quota.projects))
    resources = Resources(store, authority, runtime.clock, KINDS, limits)
    feed: HostFeed[pb.HostIntent] = HostFeed()

    def touch(key: Key) -> None:
        reconciler.touch(key)

    reconciler: Reconciler[Action] = Reconciler(
        resources,
        KINDS,
        HostPlanner(resources, feed, touch),
        affected=affected,
        owners=runtime.owners(resources, "hosts"),
        everywhere=lambda key: key.kind in EVERYWHERE,
    )
    runtime.tasks.create_task(reconciler.run(runtime.readiness.gate("the networks in flaredb")), name="plan hosts")
    runtime.tasks.create_task(tidy(resources), name="tidy")
    services = [service(kind.service, KindServer(resources, kind)) for kind in KINDS]
    hosts = service(HOSTS, HostsServer(resources, reconciler.world, touch, feed))
    trail = service(TRAIL, TrailServer(resources, "prismnet", signed_by_iam(runtime)))
    quotas = service(QUOTAS, QuotaServer(resources, "prismnet"))
    denials = Denials(resources.trail, runtime.clock).watch(runtime)
    await runtime.serve([*services, hosts, trail, quotas], [denials, Authenticator(authority, runtime.clock)])
