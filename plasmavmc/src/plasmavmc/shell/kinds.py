"""The four kinds of plasmavmc, as the resource kit wants them.

A VM is placed in the same transaction that makes it, under the guard `placement`: two VMs never get the same room, and
a VM that fits nowhere is refused at once, with the reason.

| claim | held by |
|---|---|
| ``image/<image>/vm/<vm>`` | a VM made from the image |
| ``host/<host>/vm/<vm>/<vcpus>/<memory>/<disk>`` | a VM placed on the host |
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from plasmavmc.core.placement import place
from plasmavmc.core.reasons import FLAVOUR_REASONS, HOST_REASONS, IMAGE_REASONS, VM_REASONS, Word
from plasmavmc.core.sizes import Size, check_size, disk_for_image
from plasmavmc.core.ssh_keys import check_ssh_keys
from plasmavmc.core.status import Finding
from plasmavmc.core.vms import (
    check_nic_count,
    check_user_data,
    choose_size,
    first_power,
    next_power,
)
from plasmavmc.shell.identities import admit_account
from plasmavmc.shell.image_admission import ImageAdmission, require_publisher
from plasmavmc.shell.network import Network
from plasmavmc.shell.records import (
    POWERS,
    host_claim,
    is_disconnected,
    nic_wish,
    offer_of,
    power_of,
    set_conditions,
    set_power,
    set_size,
    size_of,
)
from plasmavmc.shell.room import PLACEMENT, Room, WorldAt
from plasmavmc.shell.secrets import Secrets, admit_secrets
from ultracloud.api.plasmavmc.v1 import plasmavmc_pb2 as pb
from ultracloud.api.plasmavmc.v1.plasmavmc_rpc import FLAVOURS, HOSTS, IMAGES, VMS
from ultracloud.base.faults import FailedPreconditionError, InvalidArgumentError
from ultracloud.base.policy import PrincipalKind
from ultracloud.servicekit.resources import Context, Kind, Scope

COMPUTE = "compute"
"""The finalizer that keeps a VM's record until nothing of it is left on its host or in its network."""


@dataclass(frozen=True, slots=True)
class Kinds:
    """All kinds; made once, with what their admission needs."""

    image: Kind[pb.Image]
    flavour: Kind[pb.Flavour]
    host: Kind[pb.Host]
    vm: Kind[pb.Vm]

    @property
    def all(self) -> tuple[Kind[pb.Image], Kind[pb.Flavour], Kind[pb.Host], Kind[pb.Vm]]:
        """In the order they depend on each other."""
        return (self.image, self.flavour, self.host, self.vm)


def make_kinds(images: ImageAdmission, network: Network, secrets: Secrets, world_at: WorldAt) -> Kinds:
    """The kinds, over a way to read image files, a network, secrets, and what is placed where."""
    deletion = _Deletion(lambda: vm)
    image = Kind(
        name="Image",
        prefix="img",
        service=IMAGES,
        message=pb.Image,
        admit=images.admit,
        costs=lambda _image: {"images": 1},
        deletable=deletion.image,
        guards=lambda message: (f"image/{message.metadata.id}",),
        readable_by_all=lambda message: message.spec.public,
        immutable=frozenset({"format", "disk_url", "kernel_url", "initrd_url", "cmdline"}),
        reasons=IMAGE_REASONS,
    )
    flavour = Kind(
        name="Flavour",
        prefix="flv",
        service=FLAVOURS,
        message=pb.Flavour,
        admit=_admit_flavour,
        readable_by_all=lambda message: message.spec.public,
        reasons=FLAVOUR_REASONS,
    )
    host = Kind(
        name="Host",
        prefix="host",
        service=HOSTS,
        message=pb.Host,
        scope=Scope.ROOT,
        admit=_admit_host,
        deletable=deletion.host,
        guards=lambda _message: (PLACEMENT,),
        reasons=HOST_REASONS,
    )
    vm = Kind(
        name="Vm",
        prefix="vm",
        service=VMS,
        message=pb.Vm,
        admit=VmAdmission(image, flavour, host, network, secrets, Room(world_at, lambda: vm)).admit,
        claims=_vm_claims,
        costs=_vm_costs,
        guards=lambda message: (PLACEMENT, f"image/{message.spec.image}"),
        finalizers=(COMPUTE,),
        secret=frozenset({"user_data", "variables"}),
        indexed=("spec.image", "spec.flavour", "spec.nics.subnet", "status.host", "status.power"),
        reasons=VM_REASONS,
    )
    return Kinds(image, flavour, host, vm)


# ---- images, flavours and hosts --------------------------------------------------------------------------------------


async def _admit_flavour(context: Context, new: pb.Flavour, old: pb.Flavour | None) -> pb.Flavour:
    check_size(size_of(new.spec), "flavour")
    if new.spec.public and not (old is not None and old.spec.public):
        await require_publisher(context)
    set_conditions(new, context.clock.now_ms(), Finding("Ready", True, Word.ACCEPTED.value))
    return new


def _admit_host(context: Context, new: pb.Host, old: pb.Host | None) -> pb.Host:
    if old is None and context.principal.kind is not PrincipalKind.SERVICE:
        raise FailedPreconditionError(
            "a host makes itself known; start plasmavmc's agent on it", reason="HOST_IS_REPORTED"
        )
    return new


@dataclass(frozen=True, slots=True)
class _Deletion:
    """Images and hosts are removed when no VM uses them."""

    vm: Callable[[], Kind[pb.Vm]]

    async def image(self, context: Context, record: pb.Image) -> None:
        """See `Kind.deletable`."""
        users = await context.claimed(f"image/{record.metadata.id}/vm/")
        await context.refuse_if_used(f"image '{record.metadata.name}'", self.vm(), users.values())

    async def host(self, context: Context, record: pb.Host) -> None:
        """The same; of a host that is lost, those that shall go anyway do not count."""
        users = set((await context.claimed(f"host/{record.metadata.name}/vm/")).values())
        if is_disconnected(record):
            found = await context.resources.read_many(self.vm(), sorted(users))
            users -= {one.metadata.id for one in found if one.metadata.HasField("deleted_at")}
        await context.refuse_if_used(f"host '{record.metadata.name}'", self.vm(), users)


# ---- VMs -------------------------------------------------------------------------------------------------------------


def _vm_claims(vm: pb.Vm) -> Iterable[str]:
    yield f"image/{vm.spec.image}/vm/{vm.metadata.id}"
    if vm.status.host:
        yield host_claim(vm.status.host, vm.metadata.id, size_of(vm.spec))


def _vm_costs(vm: pb.Vm) -> dict[str, int]:
    size = size_of(vm.spec)
    return {"vms": 1, "vcpus": size.vcpus, "memory-mib": size.memory_mib, "disk-gib": size.disk_gib}


def _keep_power(new: pb.VmSpec, old: pb.VmSpec) -> None:
    """The power after an update; what the caller left out stays as it was."""
    if new.power == pb.POWER_STATE_UNSPECIFIED:
        new.power = old.power
    new.reboot_count = new.reboot_count or old.reboot_count
    set_power(new, next_power(power_of(old), power_of(new)))


@dataclass(frozen=True, slots=True)
class VmAdmission:
    """Checks and completes a VM's spec, and places it."""

    image: Kind[pb.Image]
    flavour: Kind[pb.Flavour]
    host: Kind[pb.Host]
    network: Network
    secrets: Secrets
    room: Room

    async def admit(self, context: Context, new: pb.Vm, old: pb.Vm | None) -> pb.Vm:
        """See `Kind.admit`."""
        image = await self._image(context, new, old)
        await self._size(context, new, old, image)
        keys = check_ssh_keys(tuple(new.spec.ssh_keys))
        del new.spec.ssh_keys[:]
        new.spec.ssh_keys.extend(keys)
        check_user_data(new.spec.user_data)
        await admit_account(context, new.spec, old.spec if old is not None else None)
        await admit_secrets(self.secrets, context, new.spec, old.spec if old is not None else None)
        if old is None:
            await self._begin(context, new)
        else:
            await self._keep_nics(context, new, old)
            _keep_power(new.spec, old.spec)
        await self._place(context, new, old)
        return new

    async def _keep_nics(self, context: Context, new: pb.Vm, old: pb.Vm) -> None:
        """An update may repeat the interfaces, by name or id, and not change them."""
        if list(new.spec.nics) == list(old.spec.nics):
            return
        wanted = [await self.network.resolve(context.place.id, nic_wish(nic)) for nic in new.spec.nics]
        if wanted != [nic_wish(nic) for nic in old.spec.nics]:
            raise InvalidArgumentError(
                "nics of a VM cannot change yet; delete it and make a new one", reason="FIELD_IMMUTABLE"
            )
        del new.spec.nics[:]
        new.spec.nics.extend(old.spec.nics)

    async def _image(self, context: Context, new: pb.Vm, old: pb.Vm | None) -> pb.Image:
        """The image, which a VM keeps for life."""
        if not new.spec.image:
            raise InvalidArgumentError("image of the VM is empty; give its name or id", reason="FIELD_MISSING")
        if old is not None and new.spec.image == old.spec.image:
            kept = await context.read(self.image, old.spec.image)
            assert kept is not None, f"image of {old.metadata.id} is gone, though a claim holds it"
            return kept
        image = await context.resolve(self.image, new.spec.image)
        if old is not None and image.metadata.id != old.spec.image:
            raise InvalidArgumentError(
                "image of a VM cannot change; delete it and make a new one", reason="FIELD_IMMUTABLE"
            )
        if not (image.status.disk_sha256 or image.status.kernel_sha256):
            raise FailedPreconditionError(
                f"image '{image.metadata.name}' is not verified yet; wait for its condition Ready",
                reason="IMAGE_NOT_READY",
            )
        new.spec.image = image.metadata.id
        return image

    async def _size(self, context: Context, new: pb.Vm, old: pb.Vm | None, image: pb.Image) -> None:
        """Sizes: a flavour's are copied when it is named anew, and stay when the flavour changes."""
        spec, before = new.spec, size_of(old.spec) if old is not None else None
        if old is not None and spec.flavour == old.spec.flavour and size_of(spec) == before:
            return
        named: Size | None = None
        if spec.flavour:
            flavour = await context.resolve(self.flavour, spec.flavour)
            spec.flavour, named = flavour.metadata.id, size_of(flavour.spec)
        size = choose_size(size_of(spec), named, before)
        size = Size(size.vcpus, size.memory_mib, disk_for_image(size.disk_gib, image.status.virtual_size_bytes))
        if before is not None and size.disk_gib != before.disk_gib:
            raise InvalidArgumentError(
                f"disk_gib cannot change from {before.disk_gib} to {size.disk_gib}; make a new VM for another disk",
                reason="FIELD_IMMUTABLE",
            )
        set_size(spec, size)

    async def _begin(self, context: Context, new: pb.Vm) -> None:
        """What only a new VM needs: its power, its interfaces resolved, its first conditions."""
        set_power(new.spec, first_power(POWERS.get(new.spec.power)))
        new.spec.force = False
        check_nic_count(len(new.spec.nics))
        for nic in new.spec.nics:
            if not nic.subnet:
                raise InvalidArgumentError("subnet of an interface is empty; give its name or id", reason="NIC_INVALID")
            resolved = await self.network.resolve(context.place.id, nic_wish(nic))
            nic.subnet = resolved.subnet
            del nic.security_groups[:]
            nic.security_groups.extend(resolved.groups)
        wired = (
            Finding("NetworkReady", False, Word.PORTS_PENDING.value)
            if new.spec.nics
            else Finding("NetworkReady", True, Word.NO_NETWORK.value)
        )
        waiting = Finding("Ready", False, Word.WAITING_FOR_HOST.value)
        set_conditions(new, context.clock.now_ms(), wired, waiting)
        new.status.power = pb.STOPPED

    async def _place(self, context: Context, new: pb.Vm, old: pb.Vm | None) -> None:
        """Choose a host, or see that the one it is on has room for its new size."""
        size = size_of(new.spec)
        if new.status.host and old is not None and size == size_of(old.spec):
            return
        used = await self.room.used(context, new.metadata.id)
        # Hosts as they are stored: what they have to give is written unguarded.
        hosts = await context.resources.all(self.host)
        offers = [offer_of(one.message, used(one.metadata.name)) for one in hosts]
        if new.status.host:
            # It is there already: whether the host takes new VMs does not matter, only whether it has room.
            here = [replace(one, is_cordoned=False, is_lost=False) for one in offers if one.host == new.status.host]
            place(size, here)
            return
        host = place(size, offers)
        if host is None:
            finding = Finding("Placed", False, Word.NO_HOST.value, "no host has reported yet; start plasmavmc's agent")
        else:
            new.status.host = host
            finding = Finding("Placed", True, Word.PLACED.value, f"on {host}")
        set_conditions(new, context.clock.now_ms(), finding)
