"""Step 6: what a person does first, with `uc` and through the gateway alone; and that all certificates renew."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Awaitable

from quickstart.core import cluster as clusters
from quickstart.errors import CommandError, QuickstartError
from quickstart.shell import uc
from quickstart.shell.cloud import Cloud
from quickstart.shell.commands import run
from quickstart.shell.journal import Journal
from quickstart.shell.steps.identity import LOGIN, Identity
from quickstart.shell.steps.machine import FLAVOUR, IMAGE
from quickstart.shell.steps.network import VPC
from quickstart.shell.uc import CommandLine
from ultracloud.api.iam.v1.ca_pb2 import CaStatusRequest
from ultracloud.api.iam.v1.ca_rpc import CaClient

SUBNET, SUBNET_RANGE, VM = "errands", "10.20.2.0/24", "errand"
NOT_FOUND, WORRYING = 3, 1
"""Exit codes of `uc` for what is not there, and of its doctor for what works all the same."""
KNOWN_SECONDS = 30.0
LOOK_S = 0.1


async def hand_over_authority(cluster: clusters.Cluster) -> None:
    """Let iam sign from now on, so that certificates are renewed without anybody; a second time changes nothing.

    Raises:
        CommandError: iam's command refused.
    """
    config = str(cluster.layout.configuration("iam"))
    await run(sys.executable, "-m", "iam", "import-ca", "--config", config, str(cluster.layout.pki))


async def prove(journal: Journal, cloud: Cloud, identity: Identity) -> None:
    """Log in, make and delete a VM, and let `uc doctor` look.

    Raises:
        StepFailedError: A command did not do what it should.
    """
    shell = uc.of_proofs(cloud.cluster)
    async with journal.step("uc logged in", "logging in with uc", clusters.GATEWAY) as step:
        await uc.enter(shell, cloud.cluster, identity.password)
        step.detail = f"`uc login` as {LOGIN} at the gateway, {cloud.cluster.gateway}"
    async with journal.step("uc makes and deletes", "making a VM with uc", clusters.GATEWAY) as step:
        await _make_and_delete(shell)
        step.detail = f"`uc` made subnet {SUBNET} and VM {VM}, waited for them, listed and deleted them"
    async with journal.step("uc doctor", "asking uc doctor", clusters.GATEWAY) as step:
        step.detail = await _examined(shell)


async def prove_renewal(journal: Journal, cloud: Cloud, handed: Awaitable[None]) -> None:
    """Wait until every process has told iam of its certificate: from then on it is renewed long before it ends.

    Raises:
        StepFailedError: One does not.
    """
    async with journal.step("certificates renew", "waiting for everybody's word on certificates", "iam") as step:
        await handed
        holders = len(clusters.SERVICES) + len(clusters.AGENTS)
        known = await _wait_holders(cloud, holders)
        step.detail = f"iam is the authority, and all {known} processes renew their certificates from it"


async def _examined(shell: CommandLine) -> str:
    """What `uc doctor` says; that something was slow is no failure on a busy machine."""
    try:
        said = await shell.types("doctor", "-o", "json")
    except CommandError as worried:
        if worried.status != WORRYING:
            raise
        said = worried.output
    checks = json.loads(said)["checks"]
    worries = [f"{check['what']}: {check['says']}" for check in checks if check["state"] not in ("ok", "skipped")]
    return f"`uc doctor` looked at {len(checks)} things; {'; '.join(worries) or 'all are well'}"


async def _make_and_delete(shell: CommandLine) -> None:
    await shell.types("subnet", "create", SUBNET, "--vpc", VPC, "--cidr", SUBNET_RANGE, "--wait", "--timeout", "1m")
    await shell.types("run", IMAGE, "-n", VM, "-s", FLAVOUR, "--network", SUBNET, "--timeout", "90s")
    listed = (await shell.types("ps", "-o", "name")).split()
    if f"vm/{VM}" not in listed:
        raise QuickstartError(f"`uc ps` shows {', '.join(listed)} and not vm/{VM}", remedy="this is a defect")
    await shell.types("rm", VM, f"subnet/{SUBNET}", "--wait", "--timeout", "1m")
    try:
        await shell.types("get", "vm", VM)
    except CommandError as refused:
        if refused.status == NOT_FOUND:
            return
        raise
    raise QuickstartError(f"VM {VM} is deleted and still there", remedy="this is a defect")


async def _wait_holders(cloud: Cloud, wanted: int) -> int:
    """How many certificates iam knows of, once they are enough."""
    ca = CaClient(cloud.channel("iam"))
    known = 0
    try:
        async with asyncio.timeout(KNOWN_SECONDS):
            while known < wanted:
                known = (await ca.status(CaStatusRequest())).certificates
                await asyncio.sleep(LOOK_S if known < wanted else 0)
    except TimeoutError:
        raise TimeoutError(f"iam knows {known} of {wanted} certificates after {KNOWN_SECONDS:g} s") from None
    return known
