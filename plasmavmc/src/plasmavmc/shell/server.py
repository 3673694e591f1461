"""All of plasmavmc's server: the four kinds, the planner, the RPCs."""

from __future__ import annotations

from dataclasses import dataclass

from plasmavmc.config import PlasmavmcSettings
from plasmavmc.shell.hosts import HostServer
from plasmavmc.shell.image_admission import ImageAdmission
from plasmavmc.shell.image_files import ImageFiles
from plasmavmc.shell.kinds import Kinds, make_kinds
from plasmavmc.shell.network import Network, Prismnet
from plasmavmc.shell.planner import Action, VmPlanner, affected
from plasmavmc.shell.presence import Presence
from plasmavmc.shell.vms import HostChannels, VmServer
from plasmavmc.shell.workloads import Workloads, of_iam
from ultracloud.api.plasmavmc.v1 import plasmavmc_pb2 as pb
from ultracloud.api.quota.v1.quota_rpc import QUOTAS
from ultracloud.api.trail.v1.trail_rpc import TRAIL
from ultracloud.servicekit.authn import Authenticator
from ultracloud.servicekit.policy import Authority
from ultracloud.servicekit.readiness import Gate
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
    World,
    signed_by_iam,
    tidy,
)
from ultracloud.servicekit.runtime import Runtime
from ultracloud.servicekit.store import Store
from ultracloud.wire import service

DEEDS = ("/ultracloud.plasmavmc.v1.Hosts/IssueWorkload", "/ultracloud.plasmavmc.v1.Hosts/ResolveSecrets")
"""What is written down although it changes no resource."""


@dataclass(frozen=True, slots=True)
class Plasmavmc:
    """What runs."""

    presence: Presence
    consoles: HostChannels

    async def stop(self) -> None:
        """Close what the process's end would leave to others to notice."""
        self.presence.close()
        await self.consoles.close()


async def build(settings: PlasmavmcSettings, runtime: Runtime) -> Plasmavmc:
    """Serve plasmavmc over its namespace in flaredb, with iam's policy and prismnet's ports; none need be up."""
    network, workloads = Prismnet(runtime.peer("prismnet")), of_iam(runtime.peer("iam"))
    return await assemble(settings, runtime, runtime.store(), runtime.authority(), network, workloads)


async def assemble(
    settings: PlasmavmcSettings,
    runtime: Runtime,
    store: Store,
    authority: Authority,
    network: Network,
    workloads: Workloads,
) -> Plasmavmc:
    """Serve plasmavmc over `store`."""
    images = ImageAdmission(ImageFiles(settings.image_folders))

    async def world_at(version: int) -> World:
        return await reconciler.world_at(version)

    kinds = make_kinds(images, network, workloads.secrets, world_at)
    limits = ProjectLimits(authority, SetLimits(settings.quota.each, settings.quota.projects))
    resources = Resources(store, authority, runtime.clock, kinds.all, limits)
    feed: HostFeed[pb.HostIntent] = HostFeed()
    presence = Presence(feed, lambda host: _touch_host(reconciler, kinds, host))
    planner = VmPlanner(resources, kinds, network, images, feed, presence, lambda: reconciler.world)
    reconciler: Reconciler[Action] = Reconciler(resources, kinds.all, planner, affected=affected(kinds))
    gate = runtime.readiness.gate("the VMs in flaredb")
    runtime.tasks.create_task(reconciler.run(gate), name="plan VMs")
    runtime.tasks.create_task(_expect_hosts(runtime, gate, reconciler.world, kinds, presence), name="expect hosts")
    runtime.tasks.create_task(tidy(resources), name="tidy")
    consoles = HostChannels(runtime.identity, lambda host: _console_address(reconciler.world, kinds, host))
    await runtime.serve(
        [
            service(kinds.image.service, KindServer(resources, kinds.image)),
            service(kinds.flavour.service, KindServer(resources, kinds.flavour)),
            service(kinds.vm.service, VmServer(resources, kinds, consoles)),
            service(
                kinds.host.service,
                HostServer(resources, kinds, reconciler.world, reconciler.touch, feed, presence, gate, workloads),
            ),
            service(TRAIL, TrailServer(resources, "plasmavmc", signed_by_iam(runtime))),
            service(QUOTAS, QuotaServer(resources, "plasmavmc")),
        ],
        [Denials(resources.trail, runtime.clock, DEEDS).watch(runtime), Authenticator(authority, runtime.clock)],
    )
    return Plasmavmc(presence, consoles)


def _touch_host(reconciler: Reconciler[Action], kinds: Kinds, name: str) -> None:
    """Look at a host by its name."""
    for host in reconciler.world.all(kinds.host):
        if host.metadata.name == name:
            reconciler.touch(Key(kinds.host.key, host.metadata.id))


def _console_address(world: World, kinds: Kinds, name: str) -> str:
    """Where a host serves consoles; empty if it has not said."""
    return next((host.status.console_address for host in world.all(kinds.host) if host.metadata.name == name), "")


async def _expect_hosts(runtime: Runtime, gate: Gate, world: World, kinds: Kinds, presence: Presence) -> None:
    """Once the world is read, wait for the hosts that were there."""
    while not gate.is_open:
        await runtime.readiness.changed.wait()
    presence.expect(host.metadata.name for host in world.all(kinds.host))
