"""A tenant tries every RPC on another tenant's every resource, over real control planes.

Each try goes out twice: with the other's names and ids, and with ones of the same form that are nobody's. Both must get
the same answer, word for word, and neither may carry anything that the asker did not write.
"""

from __future__ import annotations

import asyncio
import importlib
import pkgutil
import re
import secrets
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cloud import running_cloud
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

import ultracloud.api
from ultracloud.api.iam.v1 import iam_pb2 as iam
from ultracloud.api.iam.v1 import iam_rpc
from ultracloud.api.plasmavmc.v1 import plasmavmc_pb2 as vmc
from ultracloud.api.plasmavmc.v1 import plasmavmc_rpc
from ultracloud.api.prismnet.v1 import prismnet_pb2 as net
from ultracloud.api.prismnet.v1 import prismnet_rpc
from ultracloud.api.rpc import Method, ServiceDescriptor
from ultracloud.base import ids
from ultracloud.base.faults import Fault
from ultracloud.servicekit import pki
from ultracloud.servicekit.channels import PeerChannel, connect

SERVICES = ("iam", "plasmavmc", "prismnet")
"""chainfire and flaredb stand below iam: no tenant reaches them."""
AT_ONCE = 48
SILENT_S = 1.0
"""A stream that says nothing for so long has nothing to tell."""
SECRET = "q7secret"
"""Part of everything of the victim's that the intruder never wrote."""
SPEC_REFS = {
    "vpc": "vpc",
    "subnet": "subnet",
    "subnets": "subnet",
    "security_groups": "securitygroup",
    "image": "image",
    "flavour": "flavour",
    "port": "port",
    "ports": "port",
    "service_account": "serviceaccount",
}
"""Field of a spec -> kind of what it names."""


@dataclass(frozen=True, slots=True)
class Victim:
    """What there is to find: by kind, (id, name) of one resource."""

    organisation: tuple[str, str]
    project: tuple[str, str]
    things: dict[str, tuple[str, str]] = field(default_factory=dict)

    def absent(self) -> Victim:
        """The same forms, of nobody."""
        return Victim(
            _nobody(self.organisation), _nobody(self.project), {kind: _nobody(one) for kind, one in self.things.items()}
        )


def _nobody(known: tuple[str, str]) -> tuple[str, str]:
    prefix = known[0].rpartition("-")[0]
    return ids.make_id(prefix, 1_700_000_000_000, secrets.token_bytes(ids.ENTROPY_BYTES)), f"n{secrets.token_hex(5)}"


@dataclass(frozen=True, slots=True)
class Try:
    """One call, with what it names so that answers can be compared."""

    service: str
    method: Method
    request: Message
    named: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.method.path} {' '.join(str(self.request).split())}"


def descriptors() -> Iterator[tuple[str, ServiceDescriptor]]:
    for found in pkgutil.walk_packages(ultracloud.api.__path__, "ultracloud.api."):
        if found.name.endswith("_rpc") and found.name.split(".")[2] in (*SERVICES, "quota", "operations", "trail"):
            for one in vars(importlib.import_module(found.name)).values():
                if isinstance(one, ServiceDescriptor):
                    owner = one.name.split(".")[1]
                    for service in (owner,) if owner in SERVICES else SERVICES:
                        yield service, one


def tries(victim: Victim, own: str) -> Iterator[Try]:
    """Every RPC with everything of `victim` that its request can name; also from the intruder's `own` project."""
    for service, descriptor in descriptors():
        kind = _kind(descriptor)
        known = victim.things.get(kind, victim.project)
        for method in descriptor.methods:
            for place in _places(method, victim, own):
                for ref in dict.fromkeys(known):
                    request, named = _request(method.request_type, victim, place, ref, kind)
                    yield Try(service, method, request, named)


def _kind(descriptor: ServiceDescriptor) -> str:
    plural = descriptor.name.rpartition(".")[2].lower()
    return plural.removesuffix("s") if plural != "policies" else plural


def _places(method: Method, victim: Victim, own: str) -> list[str]:
    """What may stand in `project`: the victim's by name, path and id, nothing, and the intruder's own."""
    if "project" not in method.request_type.DESCRIPTOR.fields_by_name:
        return [""]
    return [
        *victim.project,
        f"{victim.organisation[1]}/{victim.project[1]}",
        f"{victim.organisation[0]}/{victim.project[0]}",
        *victim.organisation,
        own,
        "",
    ]


def _request(
    message: type[Message], victim: Victim, place: str, ref: str, kind: str
) -> tuple[Message, tuple[str, ...]]:
    """A request about `ref` in `place`, and the texts of the victim's that stand in it."""
    request: Any = message()
    values = {
        "project": place,
        "ref": ref,
        "organisation": victim.organisation[1],
        "service_account": ref if kind == "token" else victim.things["serviceaccount"][1],
        "principal": f"serviceaccount:{victim.things['serviceaccount'][0]}",
        "permission": "prismnet.vpcs.get",
        "resource": f"projects/{victim.project[0]}",
        "host": "node-1",
        "id": ref,
        "operation": ref,
        "name": f"i{secrets.token_hex(5)}",  # or the second of two that may be made would be refused
    }
    for name, one in request.DESCRIPTOR.fields_by_name.items():
        if one.type == FieldDescriptor.TYPE_STRING and not one.is_repeated and name in values:
            setattr(request, name, values[name])
        elif name == "spec" and one.message_type is not None:
            _fill_spec(request.spec, victim)
    named = (
        values["name"],
        *victim.organisation,
        *victim.project,
        *(text for pair in victim.things.values() for text in pair),
    )
    return request, named


def _fill_spec(spec: Any, victim: Victim) -> None:
    """References to the victim's things, wherever a spec can have one."""
    for name, one in spec.DESCRIPTOR.fields_by_name.items():
        if one.type == FieldDescriptor.TYPE_STRING and SPEC_REFS.get(name) in victim.things:
            identifier = victim.things[SPEC_REFS[name]][0]
            if one.is_repeated:
                getattr(spec, name).append(identifier)
            else:
                setattr(spec, name, identifier)
        elif name == "cidr":
            spec.cidr = "10.66.0.0/24"
    if isinstance(spec, iam.BindingSpec):
        spec.role = "viewer"
        spec.resource = f"projects/{victim.project[0]}/environments/{victim.things['environment'][0]}"
        spec.principals.append(f"serviceaccount:{victim.things['serviceaccount'][0]}")
    if isinstance(spec, iam.RoleSpec):
        spec.permissions.append("prismnet.*")


async def answer(channel: PeerChannel, one: Try) -> str:
    """What came back, with everything that was named made alike."""
    method = one.method
    try:
        async with asyncio.timeout(20):
            if method.server_streaming:
                said = await first_of(channel, method, one.request)
            else:
                said = f"OK {await channel.unary(method.path, one.request, method.response_type)}"
    except Fault as fault:
        said = f"{fault.code_name} {fault.reason} {fault.public} | {fault.hint}"
    for text in sorted(one.named, key=len, reverse=True):
        said = said.replace(text, "X")
    # What each call makes anew, and what tells only of time.
    said = re.sub(r"\b[a-z]+-[0-9a-hjkmnp-tv-z]{26}\b", "ID", said)
    return re.sub(r"(etag|version|seconds|nanos|vni|request_id|next_page_token): ?\S+", r"\1", said)


async def first_of(channel: PeerChannel, method: Method, request: Message) -> str:
    """The first message of a stream, or that there is none for a while."""
    sent: Message | AsyncIterator[Message] = only(request) if method.client_streaming else request
    stream = channel.stream(method.path, sent, method.response_type)
    try:
        async with asyncio.timeout(SILENT_S):
            return f"STREAM {await anext(stream)}"
    except TimeoutError:
        return "SILENT"
    except StopAsyncIteration:
        return "ENDED"


async def only(request: Message) -> AsyncIterator[Message]:
    yield request


@dataclass(frozen=True, slots=True)
class Scene:
    """Two tenants on one cloud; `channels` speak for the intruder, who owns another organisation."""

    channels: Mapping[str, PeerChannel]
    victim: Victim
    own: str


@asynccontextmanager
async def scene(folder: Path) -> AsyncIterator[Scene]:
    async with AsyncExitStack() as stack:
        cloud = await stack.enter_async_context(running_cloud(folder))
        files = pki.issue(pki.load_ca(cloud.ca.parent), pki.operator_identity("nobody"), folder / "nobody")
        raw: dict[str, PeerChannel] = {}
        for service, address in cloud.addresses.items():
            raw[service] = connect(address, files, pki.service_identity(service))
            stack.push_async_callback(raw[service].close)
        owner = {service: channel.with_token(cloud.token) for service, channel in raw.items()}
        victim = await populate(owner)
        token = await settle_intruder(owner["iam"])
        yield Scene({service: channel.with_token(token) for service, channel in raw.items()}, victim, "lair")


async def settle_intruder(channel: PeerChannel) -> str:
    """An organisation with a project and an account that owns it all; its token."""
    organisation = await iam_rpc.OrganisationsClient(channel).create(iam.CreateOrganisationRequest(name="evil"))
    await iam_rpc.ProjectsClient(channel).create(iam.CreateProjectRequest(project="evil", name="lair"))
    accounts = iam_rpc.ServiceAccountsClient(channel)
    account = await accounts.create(iam.CreateServiceAccountRequest(project="lair", name="boss"))
    spec = iam.BindingSpec(
        role="owner",
        principals=[f"serviceaccount:{account.metadata.id}"],
        resource=f"organisations/{organisation.metadata.id}",
    )
    await iam_rpc.BindingsClient(channel).create(iam.CreateBindingRequest(project="evil", name="boss", spec=spec))
    asked = iam.IssueTokenRequest(project="lair", service_account="boss", ttl_s=3600)
    return (await iam_rpc.TokensClient(channel).issue(asked)).token


async def populate(owner: Mapping[str, PeerChannel]) -> Victim:
    """One of everything that can be made without hosts; the names are secret."""
    things: dict[str, tuple[str, str]] = {}

    def note(kind: str, made: Any) -> None:
        things[kind] = (made.metadata.id, made.metadata.name)

    top, place = f"{SECRET}-org", f"{SECRET}-project"
    organisation = await iam_rpc.OrganisationsClient(owner["iam"]).create(iam.CreateOrganisationRequest(name=top))
    project = await iam_rpc.ProjectsClient(owner["iam"]).create(iam.CreateProjectRequest(project=top, name=place))
    note("organisation", organisation)
    note("project", project)
    await populate_iam(owner["iam"], top, place, note)
    await populate_network(owner["prismnet"], place, things, note)
    sized = vmc.FlavourSpec(vcpus=1, memory_mib=256)
    flavours = plasmavmc_rpc.FlavoursClient(owner["plasmavmc"])
    note("flavour", await flavours.create(vmc.CreateFlavourRequest(project=place, name=f"{SECRET}-size", spec=sized)))
    return Victim(things["organisation"], things["project"], things)


async def populate_iam(channel: PeerChannel, top: str, place: str, note: Any) -> None:
    accounts, users = iam_rpc.ServiceAccountsClient(channel), iam_rpc.UsersClient(channel)
    note("serviceaccount", await accounts.create(iam.CreateServiceAccountRequest(project=place, name=f"{SECRET}-sa")))
    inside = iam_rpc.EnvironmentsClient(channel)
    note("environment", await inside.create(iam.CreateEnvironmentRequest(project=place, name=f"{SECRET}-env")))
    note("user", await users.create(iam.CreateUserRequest(project=top, name=f"{SECRET}-user")))
    note("group", await iam_rpc.GroupsClient(channel).create(iam.CreateGroupRequest(project=top, name=f"{SECRET}-grp")))
    role = iam.RoleSpec(permissions=["prismnet.*"])
    roles = iam_rpc.RolesClient(channel)
    note("role", await roles.create(iam.CreateRoleRequest(project=top, name=f"{SECRET}-role", spec=role)))
    bound = iam.BindingSpec(
        role="viewer", principals=[f"serviceaccount:{place}/{SECRET}-sa"], resource=f"projects/{place}"
    )
    bindings = iam_rpc.BindingsClient(channel)
    note("binding", await bindings.create(iam.CreateBindingRequest(project=top, name=f"{SECRET}-bind", spec=bound)))


async def populate_network(channel: PeerChannel, place: str, things: dict[str, tuple[str, str]], note: Any) -> None:
    vpcs, subnets = prismnet_rpc.VpcsClient(channel), prismnet_rpc.SubnetsClient(channel)
    groups, ports = prismnet_rpc.SecurityGroupsClient(channel), prismnet_rpc.PortsClient(channel)
    range_ = net.VpcSpec(cidr="10.77.0.0/16")
    note("vpc", await vpcs.create(net.CreateVpcRequest(project=place, name=f"{SECRET}-vpc", spec=range_)))
    part = net.SubnetSpec(vpc=things["vpc"][0], cidr="10.77.1.0/24")
    note("subnet", await subnets.create(net.CreateSubnetRequest(project=place, name=f"{SECRET}-subnet", spec=part)))
    wanted = net.CreateSecurityGroupRequest(project=place, name=f"{SECRET}-sg")
    note("securitygroup", await groups.create(wanted))
    plug = net.PortSpec(subnet=things["subnet"][0])
    note("port", await ports.create(net.CreatePortRequest(project=place, name=f"{SECRET}-port", spec=plug)))


def test_no_rpc_tells_a_tenant_anything_of_another_ones_resources(tmp_path: Path) -> None:
    async def scenario() -> list[str]:
        async with scene(tmp_path) as made:
            limit = asyncio.Semaphore(AT_ONCE)

            async def compare(present: Try, absent: Try) -> list[str]:
                async with limit:
                    channel = made.channels[present.service]
                    told, other = await answer(channel, present), await answer(channel, absent)
                wrong = []
                if told != other:
                    wrong.append(f"{present}\n    is answered   {told}\n    of nobody's   {other}")
                if SECRET in told:
                    wrong.append(f"{present}\n    tells a secret: {told}")
                return wrong

            nobody = made.victim.absent()
            pairs = list(zip(tries(made.victim, made.own), tries(nobody, made.own), strict=True))
            assert len(pairs) > 500
            found: list[list[str]] = []
            for makes in (False, True):  # what is made in the intruder's own project comes into its lists
                phase = [pair for pair in pairs if (pair[0].method.name == "Create") is makes]
                found += await asyncio.gather(*(compare(*pair) for pair in phase))
            return [line for lines in found for line in lines]

    leaks = asyncio.run(scenario())
    assert not leaks, f"{len(leaks)} leaks:\n" + "\n".join(leaks[:40])
