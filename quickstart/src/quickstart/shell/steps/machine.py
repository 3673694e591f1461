"""Step 5: an image, a flavour and a VM, timed from the call that creates it to its first answer over HTTP."""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass

from quickstart.core import cluster as clusters
from quickstart.errors import QuickstartError
from quickstart.shell import http
from quickstart.shell.cloud import Cloud, is_ready, wait_for
from quickstart.shell.guest.image import GuestImage
from quickstart.shell.http import Page
from quickstart.shell.journal import Journal
from quickstart.shell.steps.identity import OTHER_PROJECT, PROJECT, Identity
from quickstart.shell.steps.network import GROUP, SUBNET, WEB_RULE, Network, set_rules
from ultracloud.api.plasmavmc.v1.plasmavmc_pb2 import (
    RUNNING,
    CreateFlavourRequest,
    CreateImageRequest,
    CreateVmRequest,
    FlavourSpec,
    ImageSpec,
    Nic,
    Vm,
    VmSpec,
)
from ultracloud.api.resource.v1.resource_pb2 import WatchRequest

IMAGE, FLAVOUR, NAME, OTHER_NAME = "guest", "small", "web", "twin"
MEMORY_MIB = 256
OTHER_ADDRESS = "10.20.1.200"
"""Not the first VM's address, or the twin would ask itself."""
IMAGE_SECONDS = 20.0
BOOT_SECONDS = 90.0
"""Emulated on a loaded machine a boot of 2 s may take many times that."""
SSH_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl quickstart"
"""A public key whose private half nobody has: it shows that keys arrive."""
SSH_FINGERPRINT = "SHA256:+DiY3wvvV6TuJJhbpZisF/zLDA0zPMSvHdkr4UvCOqU"
"""What `ssh-keygen -lf` says of it."""

USER_DATA = """#!/bin/sh
echo {marker} > /www/marker.txt
tries=0
until wget -q -O /www/outside.txt http://{outside}/; do
    tries=$((tries + 1))
    [ $tries -lt 50 ] || break
    usleep 200000
done
echo "outside: $(cat /www/outside.txt)"
"""
TWIN_USER_DATA = """#!/bin/sh
if timeout 3 wget -q -O /dev/null http://{neighbour}/; then
    echo "isolation: reached"
else
    echo "isolation: no answer"
fi
"""


@dataclass(frozen=True, slots=True)
class Machine:
    """The VM that everything is proved on.

    Attributes:
        page: What it answered first, and how long that took from the call that created it.
    """

    id: str
    address: str
    page: Page


async def boot(journal: Journal, cloud: Cloud, identity: Identity, network: Network, guest: GuestImage) -> Machine:
    """Register the image, create the VM and wait until it answers.

    Raises:
        StepFailedError: plasmavmc refused, the VM did not start, or does not know what it was told.
    """
    async with journal.step("image registered", "registering the guest image", "plasmavmc") as step:
        await _register(identity, PROJECT, guest)
        step.detail = f"image {IMAGE} ({guest.size_bytes // 1_000_000} MB: Debian's cloud kernel, busybox, dropbear)"
    async with journal.step("http answered", f"booting VM {NAME}", "plasmavmc-agent") as step:
        await set_rules(identity, [WEB_RULE])
        machine = await _create_and_wait(identity, network)
        _check_page(machine)
        step.detail = (
            f"VM {NAME} ({cloud.cluster.accelerator}) has {machine.address} by DHCP, its name, key and user-data by "
            f"metadata, and answers HTTP"
        )
        step.seconds = machine.page.seconds
    return machine


async def boot_twin(identity: Identity, guest: GuestImage, machine: Machine) -> Vm:
    """Create a VM in the other project that tries to reach the first."""
    await _register(identity, OTHER_PROJECT, guest)
    nic = Nic(subnet=SUBNET, security_groups=[GROUP], address=OTHER_ADDRESS)
    spec = VmSpec(
        image=IMAGE,
        flavour=FLAVOUR,
        nics=[nic],
        power=RUNNING,
        user_data=TWIN_USER_DATA.format(neighbour=machine.address),
    )
    return await identity.tenant.vms.create(
        CreateVmRequest(project=OTHER_PROJECT, name=OTHER_NAME, spec=spec, idempotency_key="twin")
    )


async def _register(identity: Identity, project: str, guest: GuestImage) -> None:
    """Make image and flavour in a project and wait until the image's files have been read."""
    tenant = identity.tenant
    spec = ImageSpec(
        format=ImageSpec.DIRECT,
        kernel_url=guest.kernel.as_uri(),
        initrd_url=guest.initrd.as_uri(),
        cmdline=guest.command_line,
    )
    await tenant.images.create(CreateImageRequest(project=project, name=IMAGE, spec=spec, idempotency_key="image"))
    size = FlavourSpec(vcpus=1, memory_mib=MEMORY_MIB)
    await tenant.flavours.create(
        CreateFlavourRequest(project=project, name=FLAVOUR, spec=size, idempotency_key="flavour")
    )
    await wait_for(lambda: tenant.images.watch(WatchRequest(project=project)), IMAGE, is_ready, IMAGE_SECONDS)


async def _create_and_wait(identity: Identity, network: Network) -> Machine:
    """Create the VM and poll it over HTTP from the first moment its address is known."""
    marker = secrets.token_hex(8)
    user_data = USER_DATA.format(marker=marker, outside=clusters.OUTSIDE_SERVER)
    spec = VmSpec(
        image=IMAGE,
        flavour=FLAVOUR,
        nics=[Nic(subnet=SUBNET, security_groups=[GROUP])],
        ssh_keys=[SSH_KEY],
        user_data=user_data,
        power=RUNNING,
    )
    begun = time.monotonic()
    vm = await identity.tenant.vms.create(CreateVmRequest(project=PROJECT, name=NAME, spec=spec, idempotency_key="vm"))
    placed = await wait_for(
        lambda: identity.tenant.vms.watch(WatchRequest(project=PROJECT)), vm.metadata.id, _has_address, BOOT_SECONDS
    )
    address = placed.status.nics[0].address
    answered = await http.wait_answered(network.probe, address, "/", BOOT_SECONDS)
    seconds = time.monotonic() - begun
    await http.wait_answered(
        network.probe, address, "/marker.txt", BOOT_SECONDS, lambda page: page.text.strip() == marker
    )
    # The fingerprint is worked out after HTTP begins to answer.
    told = await http.wait_answered(network.probe, address, "/", BOOT_SECONDS, lambda page: page.has("ssh-key"))
    assert told.field("boot-id") == answered.field("boot-id")
    return Machine(vm.metadata.id, address, Page(told.text, seconds))


def _has_address(vm: Vm) -> bool:
    return bool(vm.status.nics and vm.status.nics[0].address)


def _check_page(machine: Machine) -> None:
    """Whether the guest was told what it should know."""
    page = machine.page
    wrong = [
        f"{name} is '{page.field(name)}'"
        for name, wanted in (("hostname", NAME), ("address", f"{machine.address}/"), ("ssh-key", SSH_FINGERPRINT))
        if not page.field(name).startswith(wanted)
    ]
    if wrong:
        raise QuickstartError(
            f"the guest answers, but does not know what it was told: {', '.join(wrong)}",
            remedy="its serial console shows what it asked the metadata service",
        )
