"""One of several replicas that share the reconciling of VPCs: each VPC is worked on ROUNDS times, one after the other.

    python replica_service.py FLAREDB CHAINFIRE CERTIFICATE KEY CA JOURNAL

Every line of the journal is `<what> <vpc> <round> <monotonic ns>`; what is begin, done, or the reason of a refusal.
"""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path

from ultracloud.api.prismnet.v1 import prismnet_pb2 as net
from ultracloud.api.prismnet.v1.prismnet_rpc import VPCS
from ultracloud.base.faults import Fault
from ultracloud.servicekit import channels, coordination, pki
from ultracloud.servicekit.clock import SystemClock
from ultracloud.servicekit.pki import TlsIdentity
from ultracloud.servicekit.resources import Key, Kind, Reconciler, Replicas, Resources, World
from ultracloud.servicekit.store import FlaredbStore
from ultracloud.servicekit.testing import sample_authority

VPC = Kind(name="Vpc", prefix="vpc", service=VPCS, message=net.Vpc)
ROUNDS = 8
WORK_S = 0.02
"""What one round takes outside of the store."""
LEASE_S = 2


class Rounds:
    """Works on a VPC until its status says that ROUNDS are done."""

    def __init__(self, resources: Resources, journal: Path) -> None:
        self.resources = resources
        self.journal = journal.open("a", buffering=1)

    def plan(self, world: World, key: Key) -> list[tuple[str, int]]:
        """The next round."""
        vpc = world.get(VPC, key.id)
        return [(key.id, vpc.status.vni + 1)] if vpc is not None and vpc.status.vni < ROUNDS else []

    async def act(self, action: tuple[str, int]) -> None:
        """Do it, and write down when."""
        vpc, number = action
        self.say("begin", vpc, number)
        await asyncio.sleep(WORK_S)

        def count(message: net.Vpc) -> None:
            message.status.vni = number

        try:
            await self.resources.change_status(VPC, vpc, count)
        except Fault as error:
            self.say(error.reason or "failed", vpc, number)
            raise
        self.say("done", vpc, number)

    def say(self, what: str, vpc: str, number: int) -> None:
        """One line."""
        self.journal.write(f"{what} {vpc} {number} {time.monotonic_ns()}\n")


async def main() -> None:
    """Reconcile until killed."""
    flaredb, chainfire, certificate, key, ca, journal = sys.argv[1:]
    identity = TlsIdentity(Path(certificate), Path(key), Path(ca))
    channel = channels.connect(flaredb, identity, pki.service_identity("flaredb"))
    resources = Resources(FlaredbStore(channel, "demo"), sample_authority(), SystemClock(), [VPC])
    elections = coordination.connect(chainfire, identity, pki.service_identity("chainfire"))
    owners = Replicas(resources.store, elections, resources.clock, "demo/vpcs", LEASE_S)
    await Reconciler(resources, [VPC], Rounds(resources, Path(journal)), owners=owners).run()


if __name__ == "__main__":
    asyncio.run(main())
