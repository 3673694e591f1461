"""notes: a service with one kind, run as `python -m notes serve --config notes.toml`."""

import sys
from dataclasses import dataclass

from ultracloud.api.prismnet.v1 import prismnet_pb2 as net
from ultracloud.api.prismnet.v1.prismnet_rpc import VPCS
from ultracloud.api.quota.v1.quota_rpc import QUOTAS
from ultracloud.base.faults import InvalidArgumentError
from ultracloud.servicekit import lifecycle
from ultracloud.servicekit.authn import Authenticator
from ultracloud.servicekit.resources import (
    Condition,
    Context,
    Key,
    Kind,
    KindServer,
    ProjectLimits,
    QuotaServer,
    Reconciler,
    Resources,
    SetLimits,
    Truth,
    World,
    tidy,
)
from ultracloud.servicekit.runtime import Runtime
from ultracloud.servicekit.settings import Settings
from ultracloud.wire import service


@dataclass(frozen=True, slots=True, kw_only=True)
class Config(Settings):
    vpcs_max: int = 100  # of a project of which iam says nothing else


async def admit(context: Context, new: net.Vpc, old: net.Vpc | None) -> net.Vpc:
    if not new.spec.cidr:
        raise InvalidArgumentError("cidr is empty; accepted: an IPv4 range such as 10.0.0.0/16")
    return new


VPC = Kind(
    name="Vpc",
    prefix="vpc",
    service=VPCS,
    message=net.Vpc,
    admit=admit,
    immutable=frozenset({"cidr"}),
    indexed=("spec.cidr",),
    costs=lambda _vpc: {"vpcs": 1},
)


class MakeReady:
    def __init__(self, resources: Resources) -> None:
        self.resources = resources

    def plan(self, world: World, key: Key) -> list[str]:
        vpc = world.get(VPC, key.id)
        return [key.id] if vpc is not None and not vpc.status.conditions else []

    async def act(self, action: str) -> None:
        await self.resources.write_status(VPC, action, conditions=[Condition("Ready", Truth.TRUE, "Made")])


async def build(config: Config, runtime: Runtime) -> None:
    authority = runtime.authority()
    limits = ProjectLimits(authority, SetLimits({"vpcs": config.vpcs_max}))
    resources = Resources(runtime.store(), authority, runtime.clock, [VPC], limits)
    reconciler = Reconciler(resources, [VPC], MakeReady(resources), owners=runtime.owners(resources, "vpcs"))
    runtime.tasks.create_task(reconciler.run(runtime.readiness.gate("the first reading of all VPCs")))
    runtime.tasks.create_task(tidy(resources))
    services = [service(VPCS, KindServer(resources, VPC)), service(QUOTAS, QuotaServer(resources, "notes"))]
    await runtime.serve(services, [Authenticator(authority, runtime.clock)])


if __name__ == "__main__":
    sys.exit(lifecycle.main("notes", Config, build))
