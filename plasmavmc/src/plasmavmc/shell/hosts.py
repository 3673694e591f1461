"""The Hosts RPCs: intents to agents, reports from them, and hosts for operators to see.

An agent speaks for its own host and for no other: its certificate says which. What it says of VMs that are not placed
there is not heard.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

from plasmavmc.core.status import from_report
from plasmavmc.shell.identities import account_of
from plasmavmc.shell.kinds import Kinds
from plasmavmc.shell.planner import intent_key
from plasmavmc.shell.presence import Presence
from plasmavmc.shell.records import condition_of, on_host
from plasmavmc.shell.secrets import values_of
from plasmavmc.shell.workloads import Workloads
from ultracloud.api.plasmavmc.v1 import plasmavmc_pb2 as pb
from ultracloud.api.rpc import Call
from ultracloud.base.faults import AlreadyExistsError, InvalidArgumentError, UnavailableError
from ultracloud.base.names import check_name
from ultracloud.base.principals import spiffe_principal
from ultracloud.servicekit import deadlines, pki
from ultracloud.servicekit.authn import require_agent
from ultracloud.servicekit.readiness import Gate
from ultracloud.servicekit.resources import (
    ROOT,
    Context,
    HostFeed,
    Key,
    KindServer,
    LastWrite,
    NewResource,
    Resources,
    World,
)
from ultracloud.servicekit.resources.conditions import news, put
from ultracloud.servicekit.resources.denials import note_asked
from ultracloud.servicekit.streams import closing

SERVICE = "plasmavmc"
REPORTED_MAX = 10_000
"""VMs in one report: more than a host can have."""


class HostServer(KindServer[pb.Host]):
    """Serves Hosts."""

    def __init__(
        self,
        resources: Resources,
        kinds: Kinds,
        world: World,
        touch: Callable[[Key], None],
        feed: HostFeed[pb.HostIntent],
        presence: Presence,
        gate: Gate,
        workloads: Workloads,
    ) -> None:
        """Make it; `gate` is open once `world` has been read, and reports are taken only then."""
        super().__init__(resources, kinds.host)
        self._kinds = kinds
        self._world = world
        self._touch = touch
        self._feed = feed
        self._presence = presence
        self._gate = gate
        self._workloads = workloads
        self._last = LastWrite(world)

    async def watch_host(self, request: pb.WatchHostRequest, call: Call) -> AsyncIterator[pb.HostIntent]:
        """Send the host's intent, and every newer one.

        Raises:
            PermissionDeniedError: The caller is not that host's agent.
        """
        require_agent(call, SERVICE, request.host)
        # A host that lost its last VM while we were away is in no record any more; it still must hear so.
        self._touch(intent_key(request.host))
        self._presence.opened(request.host)
        try:
            async with closing(self._feed.watch(request.host, request.known_generation)) as intents:
                async for intent in intents:
                    yield intent
        finally:
            self._presence.closed(request.host)

    async def report_host(self, request: pb.ReportHostRequest, call: Call) -> pb.ReportHostResponse:
        """Take in how a host and its VMs are.

        Raises:
            PermissionDeniedError: The caller is not that host's agent.
            InvalidArgumentError: The host's name is none, or the report is larger than any host.
            UnavailableError: This server has not read its records yet; the agent sends it again.
        """
        require_agent(call, SERVICE, request.host)
        if not self._gate.is_open:
            raise UnavailableError("plasmavmc has not read its records yet; try again in a moment", reason="STARTING")
        check_name(request.host, "host")
        if len(request.vms) > REPORTED_MAX:
            raise InvalidArgumentError(f"a report has at most {REPORTED_MAX} VMs")
        await self._take_host(request)
        self._presence.reported(request.host, request.generation, (report.id for report in request.vms))
        for report in request.vms:
            await self._take_vm(request, report)
        for vm in self._world.having(self._kinds.vm, "status.host", request.host):
            if vm.metadata.HasField("deleted_at"):
                self._touch(Key(self._kinds.vm.key, vm.metadata.id))
        return pb.ReportHostResponse()

    async def issue_workload(self, request: pb.IssueWorkloadTokenRequest, call: Call) -> pb.IssueWorkloadTokenResponse:
        """Give the agent of a VM's host a token of the VM's service account.

        Raises:
            PermissionDeniedError: The caller is not that host's agent, or the VM is not there, or runs as nobody.
        """
        note_asked(call, request.host, request.vm)
        require_agent(call, SERVICE, request.host)
        with deadlines.inside(call):
            # From the store, not from what this server has seen of it: a VM that has just gone elsewhere is not here.
            found = await self.resources.read(self._kinds.vm, request.vm)
            vm = account_of(found.message if found is not None else None, request.host)
            made = await self._workloads.identities.issue(vm, request.audience, request.ttl_s)
        return pb.IssueWorkloadTokenResponse(token=made.token, expires_at=made.expires_at)

    async def resolve_secrets(self, request: pb.ResolveVmSecretsRequest, call: Call) -> pb.ResolveVmSecretsResponse:
        """Give the agent of a VM's host what the VM's secrets hold now.

        Raises:
            PermissionDeniedError: The caller is not that host's agent, or the VM is not there; or VMs may not use one.
            NotFoundError: A secret is gone.
            UnavailableError: iam does not answer.
        """
        note_asked(call, request.host, request.vm)
        require_agent(call, SERVICE, request.host)
        with deadlines.inside(call):
            found = await self.resources.read(self._kinds.vm, request.vm)
            vm = on_host(found.message if found is not None else None, request.host)
            return pb.ResolveVmSecretsResponse(secrets=await values_of(self._workloads.secrets, vm))

    async def _take_host(self, request: pb.ReportHostRequest) -> None:
        """Make the host's record at its first report, and keep its capacity."""
        known = next((one for one in self._world.all(self._kinds.host) if one.metadata.name == request.host), None)
        if known is None:
            known = await self._made(request.host)
        if known.status.capacity == request.capacity and known.status.console_address == request.console_address:
            return

        def change(host: pb.Host) -> None:
            host.status.capacity.CopyFrom(request.capacity)
            host.status.console_address = request.console_address

        await self.resources.change_status(self._kinds.host, known.metadata.id, change)
        self._touch(Key(self._kinds.host.key, known.metadata.id))

    async def _made(self, name: str) -> pb.Host:
        """The record of a host that was not known."""
        principal = spiffe_principal(pki.service_identity(SERVICE))
        context = Context(self.resources, principal, ROOT, self.resources.clock)
        try:
            new = NewResource(self._kinds.host, name, pb.HostSpec(), {})
            return (await self.resources.create(context, new)).message
        except AlreadyExistsError:
            found = await self.resources.find(self._kinds.host, ROOT.id, name)
            if found is None:
                raise
            return found.message

    async def _take_vm(self, request: pb.ReportHostRequest, report: pb.VmReport) -> None:
        """Write what is new of one VM; a host repeats itself."""
        vm = self._world.get(self._kinds.vm, report.id)
        if vm is None or vm.status.host != request.host or vm.metadata.HasField("deleted_at"):
            return
        has_network = bool(vm.spec.nics) and len(vm.status.nics) == len(vm.spec.nics)
        findings = from_report(
            ready=report.ready, reason=report.reason, message=report.message, has_network=has_network
        )
        conditions = [condition_of(finding, report.generation) for finding in findings]
        accelerator = request.capacity.accelerator
        wanted = (report.power, report.reboot_count, accelerator)
        is_known = wanted == (vm.status.power, vm.status.reboot_count, vm.status.accelerator)
        if is_known and not news(vm, conditions) and self._last.is_known:
            return

        def change(message: pb.Vm) -> None:
            message.status.power = report.power
            message.status.reboot_count = report.reboot_count
            message.status.accelerator = accelerator
            put(message, self.resources.clock.now_ms(), conditions)

        self._last.note(await self.resources.change_status(self._kinds.vm, report.id, change))
