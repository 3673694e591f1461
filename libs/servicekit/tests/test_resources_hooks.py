"""What a kind's hooks can do: resolve, refuse, claim, serialise, hold back."""

from __future__ import annotations

import asyncio
import ipaddress

import pytest

from ultracloud.api.plasmavmc.v1 import plasmavmc_pb2 as vmc
from ultracloud.api.plasmavmc.v1.plasmavmc_rpc import IMAGES
from ultracloud.api.prismnet.v1 import prismnet_pb2 as net
from ultracloud.api.prismnet.v1.prismnet_rpc import PORTS, SUBNETS, VPCS
from ultracloud.api.resource.v1 import resource_pb2 as pb
from ultracloud.base.faults import (
    AbortedError,
    AlreadyExistsError,
    FailedPreconditionError,
    Fault,
    InvalidArgumentError,
    NotFoundError,
    PermissionDeniedError,
    ResourceExhaustedError,
)
from ultracloud.servicekit.resources import Context, Kind, KindServer, Resources
from ultracloud.servicekit.store import MemoryStore
from ultracloud.servicekit.testing import (
    DEVELOPER,
    OPERATOR,
    STRANGER,
    FakeCall,
    SetClock,
    account_principal,
    sample_authority,
)

DEV, FOE = account_principal(DEVELOPER), account_principal(STRANGER)


async def vpc_unused(context: Context, vpc: net.Vpc) -> None:
    subnets = [one for one in await context.list(SUBNET) if one.spec.vpc == vpc.metadata.id]
    if subnets:
        raise FailedPreconditionError(f"vpc '{vpc.metadata.name}' has subnet '{subnets[0].metadata.name}'")


async def admit_subnet(context: Context, new: net.Subnet, _old: net.Subnet | None) -> net.Subnet:
    vpc = await context.resolve(VPC, new.spec.vpc)
    new.spec.vpc = vpc.metadata.id
    wanted = ipaddress.ip_network(new.spec.cidr)
    for other in await context.list(SUBNET):
        if other.metadata.id != new.metadata.id and wanted.overlaps(ipaddress.ip_network(other.spec.cidr)):
            raise InvalidArgumentError(f"{wanted} overlaps subnet '{other.metadata.name}'")
    await asyncio.sleep(0)
    return new


async def admit_port(context: Context, new: net.Port, old: net.Port | None) -> net.Port:
    subnet = await context.resolve(SUBNET, new.spec.subnet)
    new.spec.subnet = subnet.metadata.id
    if old is not None:
        return new
    taken = {claim.rpartition("/")[2] for claim in await context.claimed(f"{subnet.metadata.id}/")}
    free = (str(address) for address in ipaddress.ip_network(subnet.spec.cidr).hosts() if str(address) not in taken)
    new.status.address = new.spec.address or next(free, "")
    if not new.status.address:
        raise ResourceExhaustedError("no free address")
    await asyncio.sleep(0)
    return new


VPC = Kind(
    name="Vpc",
    prefix="vpc",
    service=VPCS,
    message=net.Vpc,
    guards=lambda vpc: [vpc.metadata.id],
    deletable=vpc_unused,
)
SUBNET = Kind(
    name="Subnet",
    prefix="subnet",
    service=SUBNETS,
    message=net.Subnet,
    admit=admit_subnet,
    guards=lambda subnet: [subnet.spec.vpc],
)
PORT = Kind(
    name="Port",
    prefix="port",
    service=PORTS,
    message=net.Port,
    admit=admit_port,
    claims=lambda port: [f"{port.spec.subnet}/{port.status.address}"],
    finalizers=("wires",),
)
IMAGE = Kind(
    name="Image",
    prefix="img",
    service=IMAGES,
    message=vmc.Image,
    readable_by_all=lambda image: image.spec.public,
)


class Net:
    """The three kinds of a network, as a developer calls them."""

    def __init__(self) -> None:
        self.resources = Resources(MemoryStore(), sample_authority(), SetClock(), [VPC, SUBNET, PORT, IMAGE])
        self.vpcs, self.subnets = KindServer(self.resources, VPC), KindServer(self.resources, SUBNET)
        self.ports, self.images = KindServer(self.resources, PORT), KindServer(self.resources, IMAGE)

    async def vpc(self, name: str = "v") -> net.Vpc:
        return await self.vpcs.create(net.CreateVpcRequest(project="blue", name=name, spec=net.VpcSpec()), call())

    async def subnet(self, name: str = "s", cidr: str = "10.0.0.0/24", vpc: str = "v") -> net.Subnet:
        spec = net.SubnetSpec(vpc=vpc, cidr=cidr)
        return await self.subnets.create(net.CreateSubnetRequest(project="blue", name=name, spec=spec), call())

    async def port(self, name: str, address: str = "") -> net.Port:
        spec = net.PortSpec(subnet="s", address=address)
        return await self.ports.create(net.CreatePortRequest(project="blue", name=name, spec=spec), call())

    async def network(self, cidr: str = "10.0.0.0/24") -> None:
        await self.vpc()
        await self.subnet(cidr=cidr)


def call() -> FakeCall:
    return FakeCall(principal=DEV)


def ref(name: str) -> pb.DeleteRequest:
    return pb.DeleteRequest(project="blue", ref=name)


def test_a_reference_by_name_is_stored_as_id() -> None:
    async def scenario() -> None:
        world = Net()
        vpc = await world.vpc()
        assert (await world.subnet()).spec.vpc == vpc.metadata.id
        with pytest.raises(NotFoundError, match="no vpc 'none' in project 'blue'") as refused:
            await world.subnet("t", vpc="none")
        assert refused.value.reason == "VPC_NOT_FOUND"

    asyncio.run(scenario())


def test_of_two_overlapping_subnets_made_at_once_one_is_refused() -> None:
    async def scenario() -> None:
        world = Net()
        await world.vpc()
        outcomes = await asyncio.gather(
            *(world.subnet(f"s{number}", f"10.0.{number % 2}.0/24") for number in range(8)), return_exceptions=True
        )
        made = [one for one in outcomes if isinstance(one, net.Subnet)]
        refused = [one for one in outcomes if isinstance(one, InvalidArgumentError)]
        assert (len(made), len(refused)) == (2, 6)
        assert {one.spec.cidr for one in made} == {"10.0.0.0/24", "10.0.1.0/24"}

    asyncio.run(scenario())


def test_a_vpc_is_not_deleted_while_a_subnet_is_made_in_it() -> None:
    async def scenario() -> None:
        for _ in range(20):
            world = Net()
            await world.vpc()
            made, deleted = await asyncio.gather(
                world.subnet(), world.vpcs.delete(ref("v"), call()), return_exceptions=True
            )
            assert isinstance(made, Fault) != isinstance(deleted, Fault), (made, deleted)

    asyncio.run(scenario())


def test_what_is_in_use_says_by_what() -> None:
    async def scenario() -> None:
        world = Net()
        await world.network()
        with pytest.raises(FailedPreconditionError, match="vpc 'v' has subnet 's'"):
            await world.vpcs.delete(ref("v"), call())
        await world.subnets.delete(ref("s"), call())
        await world.vpcs.delete(ref("v"), call())

    asyncio.run(scenario())


def test_addresses_asked_for_at_once_are_all_different() -> None:
    async def scenario() -> None:
        world = Net()
        await world.network()
        ports = await asyncio.gather(*(world.port(f"p{number}") for number in range(40)))
        assert len({port.status.address for port in ports}) == 40

    asyncio.run(scenario())


def test_a_wanted_address_that_is_taken_is_refused() -> None:
    async def scenario() -> None:
        world = Net()
        await world.network()
        port = await world.port("a", "10.0.0.7")
        with pytest.raises(
            AlreadyExistsError, match=f"{port.spec.subnet}/10.0.0.7 is taken by another port"
        ) as refused:
            await world.port("b", "10.0.0.7")
        assert refused.value.reason == "CLAIM_TAKEN"
        with pytest.raises(NotFoundError):
            await world.ports.get(pb.GetRequest(project="blue", ref="b"), call())

    asyncio.run(scenario())


def test_a_claim_is_free_again_once_its_holder_is_gone() -> None:
    async def scenario() -> None:
        world = Net()
        await world.network("10.0.0.0/30")
        first = await world.port("a")
        await world.port("b")
        with pytest.raises(ResourceExhaustedError):
            await world.port("c")
        await world.ports.delete(ref("a"), call())
        with pytest.raises(ResourceExhaustedError):
            await world.port("c")
        await world.resources.remove_finalizer(PORT, first.metadata.id, "wires")
        assert (await world.port("c")).status.address == first.status.address

    asyncio.run(scenario())


def test_a_finalizer_holds_a_deleted_resource_and_its_name() -> None:
    async def scenario() -> None:
        world = Net()
        await world.network()
        port = await world.port("a")
        deleted = await world.ports.delete(ref("a"), call())
        assert deleted.metadata.HasField("deleted_at")
        assert deleted.metadata.finalizers == ["wires"]
        assert await world.ports.delete(ref("a"), call()) == deleted
        with pytest.raises(FailedPreconditionError, match="port 'a' is being deleted and cannot change"):
            await world.ports.update(net.UpdatePortRequest(project="blue", ref="a", spec=port.spec), call())
        with pytest.raises(AlreadyExistsError) as taken:
            await world.port("a")
        assert taken.value.hint == "it is being deleted; its name is free when it is gone"
        await world.resources.remove_finalizer(PORT, port.metadata.id, "other")
        assert await world.resources.read(PORT, port.metadata.id) is not None
        await world.resources.remove_finalizer(PORT, port.metadata.id, "wires")
        await world.resources.remove_finalizer(PORT, port.metadata.id, "wires")
        assert await world.resources.read(PORT, port.metadata.id) is None

    asyncio.run(scenario())


def test_what_is_being_deleted_is_no_target_of_a_new_reference() -> None:
    async def scenario() -> None:
        world = Net()
        await world.network()
        await world.port("a")
        await world.ports.delete(ref("a"), call())
        context = await world.ports.enter(call(), "get", "blue")
        with pytest.raises(FailedPreconditionError, match="port 'a' is being deleted; use another"):
            await context.resolve(PORT, "a")
        assert (await context.resolve(PORT, "a", deleting=True)).metadata.name == "a"

    asyncio.run(scenario())


def image(project: str, name: str = "mini", *, public: bool = True) -> vmc.CreateImageRequest:
    return vmc.CreateImageRequest(project=project, name=name, spec=vmc.ImageSpec(public=public))


def test_a_public_resource_is_read_from_every_project_and_changed_from_its_own() -> None:
    async def scenario() -> None:
        world, root = Net(), FakeCall(principal=OPERATOR)
        public = await world.images.create(image("red"), root)
        private = await world.images.create(image("red", "secret", public=False), root)
        for given in (pb.GetRequest(project="blue", ref="mini"), pb.GetRequest(ref=public.metadata.id)):
            assert await world.images.get(given, call()) == public
        with pytest.raises(NotFoundError):
            await world.images.get(pb.GetRequest(project="blue", ref="secret"), call())
        with pytest.raises(NotFoundError):
            await world.images.get(pb.GetRequest(ref=private.metadata.id), call())
        with pytest.raises(NotFoundError):
            await world.images.delete(ref("mini"), call())
        with pytest.raises(NotFoundError):
            await world.images.delete(pb.DeleteRequest(ref=public.metadata.id), call())

    asyncio.run(scenario())


def test_a_list_ends_with_the_public_ones_of_others() -> None:
    async def scenario() -> None:
        world, root = Net(), FakeCall(principal=OPERATOR)
        await world.images.create(image("red", "c"), root)
        await world.images.create(image("red", "hidden", public=False), root)
        await world.images.create(image("blue", "z", public=False), call())
        await world.images.create(image("blue", "y"), root)
        names, token = [], ""
        for _ in range(5):
            page = await world.images.list(pb.ListRequest(project="blue", page_size=1, page_token=token), call())
            assert isinstance(page, vmc.ListImagesResponse)
            names += [one.metadata.name for one in page.items]
            token = page.next_page_token
            if not token:
                break
        assert (names, token) == (["y", "z", "c"], "")

    asyncio.run(scenario())


def test_an_own_resource_goes_before_a_public_one_of_the_same_name() -> None:
    async def scenario() -> None:
        world = Net()
        await world.images.create(image("red"), FakeCall(principal=OPERATOR))
        own = await world.images.create(image("blue", public=False), call())
        assert await world.images.get(pb.GetRequest(project="blue", ref="mini"), call()) == own

    asyncio.run(scenario())


def test_a_resource_that_stops_being_public_is_hidden() -> None:
    async def scenario() -> None:
        world, root = Net(), FakeCall(principal=OPERATOR)
        await world.images.create(image("red"), root)
        await world.images.update(vmc.UpdateImageRequest(project="red", ref="mini", spec=vmc.ImageSpec()), root)
        with pytest.raises(NotFoundError):
            await world.images.get(pb.GetRequest(project="blue", ref="mini"), call())
        await world.images.update(
            vmc.UpdateImageRequest(project="red", ref="mini", spec=vmc.ImageSpec(public=True)), root
        )
        await world.images.get(pb.GetRequest(project="blue", ref="mini"), call())
        await world.images.delete(pb.DeleteRequest(project="red", ref="mini"), root)
        with pytest.raises(NotFoundError):
            await world.images.get(pb.GetRequest(project="blue", ref="mini"), call())

    asyncio.run(scenario())


def test_a_hook_cannot_change_who_a_resource_is() -> None:
    async def steal(_context: Context, new: net.Vpc, _old: net.Vpc | None) -> net.Vpc:
        new.metadata.id, new.metadata.project, new.metadata.name = "vpc-x", "proj-x", "other"
        new.spec.cidr = "10.0.0.0/8"
        return new

    async def scenario() -> None:
        kind = Kind(name="Vpc", prefix="vpc", service=VPCS, message=net.Vpc, admit=steal)
        vpcs = KindServer(Resources(MemoryStore(), sample_authority(), SetClock(), [kind]), kind)
        made = await vpcs.create(net.CreateVpcRequest(project="blue", name="mine", spec=net.VpcSpec()), call())
        assert (made.metadata.name, made.spec.cidr) == ("mine", "10.0.0.0/8")
        assert made.metadata.id.startswith("vpc-0")

    asyncio.run(scenario())


def test_contention_without_end_is_aborted() -> None:
    async def scenario() -> None:
        world = Net()
        await world.network()

        async def meddle(context: Context, new: net.Vpc, old: net.Vpc | None) -> net.Vpc:
            if old is not None:
                await context.resources.store.txn({}, {b"g/" + new.metadata.id.encode(): b""})
            return new

        kind = Kind(
            name="Vpc", prefix="vpc", service=VPCS, message=net.Vpc, admit=meddle, guards=lambda vpc: [vpc.metadata.id]
        )
        vpcs = KindServer(world.resources, kind)
        request = net.UpdateVpcRequest(project="blue", ref="v", spec=net.VpcSpec(cidr="10.0.0.0/8"))
        with pytest.raises(AbortedError, match="too many others change this"):
            await vpcs.update(request, call())

    asyncio.run(scenario())


def test_a_stranger_may_not_even_try() -> None:
    async def scenario() -> None:
        world = Net()
        await world.network()
        stranger = FakeCall(principal=FOE)
        requests = (
            world.vpcs.create(net.CreateVpcRequest(project="blue", name="BAD NAME"), stranger),
            world.vpcs.update(net.UpdateVpcRequest(project="blue", ref="v", update_mask=["nope"]), stranger),
            world.vpcs.delete(ref("v"), stranger),
            world.vpcs.list(pb.ListRequest(project="blue", page_token="?", page_size=-1), stranger),
            anext(world.vpcs.watch(pb.WatchRequest(project="blue", from_version=-1), stranger)),
        )
        for request in requests:
            with pytest.raises(PermissionDeniedError, match="in project 'blue', or there is no such project"):
                await request

    asyncio.run(scenario())
