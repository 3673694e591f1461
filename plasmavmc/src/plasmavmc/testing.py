"""Fakes for tests that need one side of plasmavmc only."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from google.protobuf.timestamp_pb2 import Timestamp

from plasmavmc.shell.identities import WorkloadToken
from plasmavmc.shell.network import NicWish, PortMade, PortWish
from ultracloud.api.iam.v1 import secrets_pb2 as iam
from ultracloud.api.plasmavmc.v1 import plasmavmc_pb2 as pb
from ultracloud.api.rpc import Call
from ultracloud.base.faults import Fault, NotFoundError, UnavailableError
from ultracloud.servicekit.resources.hosts import HostFeed


class FakeHosts:
    """The server's side of an agent: hands out intents as told, and keeps what was reported.

    Attributes:
        reports: Every report, oldest first.
        secrets: What every VM's secrets hold.
        refusal: What whoever asks for them is told instead.
    """

    def __init__(self) -> None:
        self.feed: HostFeed[pb.HostIntent] = HostFeed()
        self.reports: list[pb.ReportHostRequest] = []
        self._reported = asyncio.Event()
        self.secrets: dict[str, bytes] = {}
        self.refusal: Fault | None = None

    def resolve_secrets(self, _request: pb.ResolveVmSecretsRequest, _call: Call, /) -> pb.ResolveVmSecretsResponse:
        """See `Hosts.ResolveSecrets`."""
        if self.refusal is not None:
            raise self.refusal
        told = [pb.ResolvedVmSecret(name=name, value=value) for name, value in self.secrets.items()]
        return pb.ResolveVmSecretsResponse(secrets=told)

    def want(self, intent: pb.HostIntent) -> None:
        """Publish an intent."""
        self.feed.offer(intent)

    async def watch_host(self, request: pb.WatchHostRequest, _call: Call, /) -> AsyncIterator[pb.HostIntent]:
        """See `Hosts.WatchHost`."""
        async for intent in self.feed.watch(request.host, request.known_generation):
            yield intent

    def report_host(self, request: pb.ReportHostRequest, _call: Call, /) -> pb.ReportHostResponse:
        """See `Hosts.ReportHost`."""
        self.reports.append(request)
        reported, self._reported = self._reported, asyncio.Event()
        reported.set()
        return pb.ReportHostResponse()

    def latest(self, vm: str) -> pb.VmReport | None:
        """The newest report on a VM; None if the newest report does not name it."""
        return next((one for one in self.reports[-1].vms if one.id == vm), None) if self.reports else None

    async def wait_reason(self, vm: str, reason: str) -> pb.VmReport:
        """Wait until the newest report says that `vm` is as it is for this reason."""
        while True:
            reported = self._reported
            report = self.latest(vm)
            if report is not None and report.reason == reason:
                return report
            await reported.wait()

    async def wait_gone(self, vm: str, generation: int) -> None:
        """Wait until a report for `generation` or later does not name `vm`."""
        while True:
            reported = self._reported
            if self.reports and self.reports[-1].generation >= generation and self.latest(vm) is None:
                return
            await reported.wait()


class NoSecrets:
    """`Secrets` of a cloud that has none."""

    async def find(self, project: str, ref: str) -> iam.Secret:
        """See `Secrets`."""
        raise NotFoundError(f"no secret {ref!a} in {project}")

    async def resolve(self, project: str, ref: iam.SecretRef) -> bytes:
        """See `Secrets`."""
        raise NotFoundError(f"no secret {ref.secret!a} in {project}")


class MemoryNetwork:
    """A `Network` that keeps ports in memory: subnets and groups are those that were added.

    Attributes:
        ports: By project and name.
        is_away: Whether it answers Unavailable to everything.
    """

    def __init__(self, *known: str) -> None:
        """Make it; `known` are the names of subnets and groups, in every project."""
        self.known = set(known)
        self.ports: dict[tuple[str, str], PortMade] = {}
        self.is_away = False

    async def resolve(self, _project: str, nic: NicWish) -> NicWish:
        """See `Network`."""
        self._check()
        for name in (nic.subnet, *nic.groups):
            if name not in self.known and name.removeprefix("id-of-") not in self.known:
                raise NotFoundError(f"no subnet or security group {name!a} in the project")
        return NicWish(_id(nic.subnet), tuple(_id(group) for group in nic.groups), nic.address)

    async def make_port(self, wish: PortWish) -> PortMade:
        """See `Network`."""
        self._check()
        key = (wish.project, wish.name)
        if key not in self.ports:
            number = len(self.ports) + 2
            address = wish.nic.address or f"10.0.0.{number}"
            port_id = f"port-01jd{number:022d}"
            self.ports[key] = PortMade(port_id, address, f"52:54:00:00:00:{number:02x}", f"tap{number}")
        return self.ports[key]

    async def remove_port(self, project: str, ref: str) -> None:
        """See `Network`."""
        self._check()
        for key, port in tuple(self.ports.items()):
            if key[0] == project and ref in (key[1], port.id):
                del self.ports[key]

    def _check(self) -> None:
        if self.is_away:
            raise UnavailableError("prismnet does not answer")


class SaidIdentities:
    """`Identities` whose tokens say what they are for, `<account> for <audience>`."""

    async def issue(self, vm: pb.Vm, audience: str, ttl_s: int) -> WorkloadToken:
        """See `Identities`."""
        return WorkloadToken(f"{vm.spec.service_account} for {audience}", Timestamp(seconds=ttl_s))


def _id(name: str) -> str:
    """The id of a subnet or group by name or id."""
    return name if name.startswith("id-of-") else f"id-of-{name}"
