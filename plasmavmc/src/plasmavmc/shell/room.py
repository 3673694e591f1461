"""What is taken on each host, from the reconciler's world: no VM is read for placing another.

Every placement is guarded by `placement`, so a world that shows the last guarded change shows all that is placed; and a
placement that came in between makes the transaction fail and admission run again. What is summed is kept until a VM on
that host changes.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeAlias

from plasmavmc.core.sizes import Size
from plasmavmc.shell.records import size_of
from ultracloud.api.plasmavmc.v1 import plasmavmc_pb2 as pb
from ultracloud.servicekit.resources import Context, Kind, World

PLACEMENT = "placement"
"""The guard of all that changes what is placed where."""
NOTHING = Size(0, 0, 0)

WorldAt: TypeAlias = Callable[[int], Awaitable[World]]


class Room:
    """What VMs take of their hosts.

    Args:
        world_at: Gives the world once it shows a version.
        vm: The kind.
    """

    def __init__(self, world_at: WorldAt, vm: Callable[[], Kind[pb.Vm]]) -> None:
        self._world_at = world_at
        self._vm = vm
        self._sums: dict[str, tuple[int, Size]] = {}

    async def used(self, context: Context, without: str) -> Callable[[str], Size]:
        """Host -> what is taken there, by VMs other than `without`.

        Raises:
            UnavailableError: The world is behind.
        """
        world = await self._world_at(await context.resources.guard_version(PLACEMENT))
        own = world.get(self._vm(), without)

        def used(host: str) -> Size:
            taken = self._sum(world, host)
            if own is None or own.status.host != host:
                return taken
            size = size_of(own.spec)
            return Size(taken.vcpus - size.vcpus, taken.memory_mib - size.memory_mib, taken.disk_gib - size.disk_gib)

        return used

    def _sum(self, world: World, host: str) -> Size:
        """What all VMs on a host take."""
        moved = world.moved(self._vm(), "status.host", host)
        known = self._sums.get(host)
        if known is None or known[0] != moved:
            sizes = [size_of(vm.spec) for vm in world.having(self._vm(), "status.host", host)]
            total = Size(
                sum(size.vcpus for size in sizes),
                sum(size.memory_mib for size in sizes),
                sum(size.disk_gib for size in sizes),
            )
            known = self._sums[host] = (moved, total)
        return known[1]
