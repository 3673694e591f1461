"""The reconciler's planner: VMs get a host and ports, images get their digests, hosts get their intents."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import assert_never

from plasmavmc.core import plan
from plasmavmc.core.plan import MakePort, Place, Release, RemovePort, plan_vm
from plasmavmc.core.reasons import Word
from plasmavmc.core.status import Finding
from plasmavmc.shell.image_admission import ImageAdmission
from plasmavmc.shell.intents import render_intent
from plasmavmc.shell.kinds import COMPUTE, Kinds
from plasmavmc.shell.network import Network, PortWish
from plasmavmc.shell.presence import Presence
from plasmavmc.shell.records import condition_of, nic_wish, set_conditions, vm_record
from ultracloud.api.plasmavmc.v1 import plasmavmc_pb2 as pb
from ultracloud.base.faults import Fault, UnavailableError
from ultracloud.base.principals import spiffe_principal
from ultracloud.servicekit import pki
from ultracloud.servicekit.resources import Context, HostFeed, Key, Resources, World
from ultracloud.servicekit.resources.conditions import holds, news
from ultracloud.servicekit.resources.places import place_of_id

HOST_INTENT = "host-intent"
HOST_LOST = "its host has not been heard of for a while; it goes on there as it was, if the host does"


@dataclass(frozen=True, slots=True)
class Publish:
    """Give a host its intent."""

    intent: pb.HostIntent


@dataclass(frozen=True, slots=True)
class ReadImage:
    """Hash the files of an image that was too large to hash at once."""

    id: str


@dataclass(frozen=True, slots=True)
class Say:
    """Write a condition."""

    key: Key
    finding: Finding


Action = plan.Action | Publish | ReadImage | Say


def intent_key(host: str) -> Key:
    """The key of a host's intent."""
    return Key(HOST_INTENT, host)


def affected(kinds: Kinds) -> Callable[[World, Key], Iterable[Key]]:
    """Whom a changed record concerns."""

    def concerned(world: World, key: Key) -> Iterable[Key]:
        if key.kind == kinds.vm.key:
            vm = world.get(kinds.vm, key.id)
            return [key, *([intent_key(vm.status.host)] if vm is not None and vm.status.host else [])]
        if key.kind == kinds.host.key:
            host = world.get(kinds.host, key.id)
            # Unplaced VMs may be placed when a host comes; deleted ones need not wait for a host that is removed.
            places = {"", host.metadata.name if host is not None else ""}
            vms = [vm for place in sorted(places) for vm in world.having(kinds.vm, "status.host", place)]
            return [key, *(Key(kinds.vm.key, vm.metadata.id) for vm in vms)]
        return [key]

    return concerned


@dataclass(frozen=True, slots=True)
class VmPlanner:
    """Decides with the core, acts on the kit, the network and the feed."""

    resources: Resources
    kinds: Kinds
    network: Network
    images: ImageAdmission
    feed: HostFeed[pb.HostIntent]
    presence: Presence
    world: Callable[[], World]

    def plan(self, world: World, key: Key) -> Sequence[Action]:
        """What to do about one key."""
        if key.kind == HOST_INTENT:
            return [Publish(render_intent(world, self.kinds, key.id))]
        if key.kind == self.kinds.image.key:
            image = world.get(self.kinds.image, key.id)
            return [ReadImage(key.id)] if image is not None and not holds(image, "Ready") else []
        if key.kind == self.kinds.host.key:
            return self._plan_host(world, key)
        vm = world.get(self.kinds.vm, key.id) if key.kind == self.kinds.vm.key else None
        return self._plan_vm(world, key, vm) if vm is not None else []

    def _plan_vm(self, world: World, key: Key, vm: pb.Vm) -> Sequence[Action]:
        """What to do about a VM; while it goes, say so."""
        record = vm_record(vm)
        names = {host.metadata.name for host in world.all(self.kinds.host)}
        is_on_host = record.host in names and not self.presence.is_gone(record.host, vm.metadata.id)
        actions: list[Action] = list(plan_vm(record, is_on_host=is_on_host, has_hosts=bool(names)))
        deleting = Finding("Ready", False, Word.DELETING.value)
        if record.is_deleted and not any(one.reason == Word.DELETING.value for one in vm.status.conditions):
            actions.insert(0, Say(key, deleting))
        return actions

    def _plan_host(self, world: World, key: Key) -> Sequence[Action]:
        """Whether a host's agent is there."""
        host = world.get(self.kinds.host, key.id)
        if host is None:
            return []
        finding = self.presence.finding(host.metadata.name)
        is_new = finding is not None and news(host, [condition_of(finding, host.metadata.generation)])
        return [Say(key, finding)] if finding is not None and is_new else []

    async def act(self, action: Action) -> None:
        """Do it; twice is harmless."""
        match action:
            case Publish(intent):
                self.feed.offer(intent)
            case ReadImage(identifier):
                await self._read_image(identifier)
            case Say(key, finding):
                await self._say(key, finding)
                if key.kind == self.kinds.host.key:
                    await self._tell_tenants(key, finding)
            case Place(vm):
                await self._place(vm)
            case MakePort():
                await self._make_port(action)
            case RemovePort(_, project, ref):
                await self.network.remove_port(project, ref)
            case Release(vm):
                await self.resources.remove_finalizer(self.kinds.vm, vm, COMPUTE)
            case _:
                assert_never(action)

    async def _say(self, key: Key, finding: Finding) -> None:
        """Write one condition."""
        kind = self.resources.kinds[key.kind]
        stored = await self.resources.read(kind, key.id)
        if stored is not None:
            condition = condition_of(finding, stored.metadata.generation)
            await self.resources.write_status(kind, key.id, None, [condition])

    async def _tell_tenants(self, key: Key, finding: Finding) -> None:
        """Note in the events of the VMs of a host that it is lost, or back."""
        host = self.world().get(self.kinds.host, key.id)
        if host is None:
            return
        reason, said = ("HostBack", "its host is heard of again") if finding.holds else ("HostLost", HOST_LOST)
        for vm in self.world().having(self.kinds.vm, "status.host", host.metadata.name):
            await self.resources.record_event(self.kinds.vm, vm.metadata.id, reason, said)

    async def _place(self, vm: str) -> None:
        """Admission places what has no host; an update that changes nothing else is enough."""
        stored = await self.resources.read(self.kinds.vm, vm)
        if stored is None:
            return
        project = place_of_id(self.resources.authority.snapshot.policy, self.kinds.vm, stored.metadata.project)
        principal = spiffe_principal(pki.service_identity("plasmavmc"))
        context = Context(self.resources, principal, project, self.resources.clock)
        try:
            await self.resources.update(context, self.kinds.vm, vm, lambda message: message)
        except Fault as error:
            await self._say(Key(self.kinds.vm.key, vm), Finding("Placed", False, Word.NO_HOST.value, error.public))
            raise

    async def _make_port(self, action: MakePort) -> None:
        """Make a port and write it down."""
        vm = self.world().get(self.kinds.vm, action.id)
        if vm is None or vm.metadata.HasField("deleted_at"):
            return
        wish = PortWish(
            project=vm.metadata.project,
            name=action.name,
            nic=nic_wish(vm.spec.nics[action.index]),
            host=vm.status.host,
            vm=action.id,
            hostname=vm.metadata.name,
        )
        try:
            port = await self.network.make_port(wish)
        except Fault as error:
            word = Word.PORTS_PENDING if isinstance(error, UnavailableError) else Word.PORT_REFUSED
            finding = Finding("NetworkReady", False, word.value, error.public)
            await self._say(Key(self.kinds.vm.key, action.id), finding)
            raise
        made = pb.NicStatus(port=port.id, address=port.address, mac=port.mac, device_name=port.device_name)

        def write(message: pb.Vm) -> None:
            if len(message.status.nics) == action.index:
                message.status.nics.append(made)
            if len(message.status.nics) == len(message.spec.nics):
                wired = Finding("NetworkReady", True, Word.PORTS_MADE.value)
                set_conditions(message, self.resources.clock.now_ms(), wired)

        await self.resources.change_status(self.kinds.vm, action.id, write)

    async def _read_image(self, identifier: str) -> None:
        """Hash, and say whether it worked."""
        image = self.world().get(self.kinds.image, identifier)
        if image is None:
            return
        key = Key(self.kinds.image.key, identifier)
        try:
            status = await self.images.read(image)
        except Fault as error:
            word = Word.FILE_CHANGED if error.reason == "IMAGE_CHANGED" else Word.FILE_UNREADABLE
            await self._say(key, Finding("Ready", False, word.value, error.public))
            raise
        done = condition_of(Finding("Ready", True, Word.VERIFIED.value), image.metadata.generation)
        await self.resources.write_status(self.kinds.image, identifier, status, [done])
