"""The Vms RPCs: the kit's six, and start, stop, reboot, console."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Protocol

from plasmavmc.core.reasons import Reason
from plasmavmc.core.vms import Power, PowerSpec, rebooted, started
from plasmavmc.shell.kinds import Kinds
from plasmavmc.shell.records import power_of, set_power
from ultracloud.api.plasmavmc.v1 import plasmavmc_pb2 as pb
from ultracloud.api.plasmavmc.v1.plasmavmc_rpc import HostConsoleClient
from ultracloud.api.rpc import Call
from ultracloud.base.faults import FailedPreconditionError, InvalidArgumentError, UnavailableError
from ultracloud.servicekit import channels, deadlines, pki
from ultracloud.servicekit.channels import PeerChannel
from ultracloud.servicekit.pki import TlsIdentity
from ultracloud.servicekit.resources import KindServer, Resources
from ultracloud.servicekit.resources.conditions import find
from ultracloud.servicekit.streams import closing, while_allowed

FIRST_MESSAGE_S = 10.0
"""How long a caller of Console gets to say which VM it wants."""


class Consoles(Protocol):
    """Where hosts serve their VMs' consoles."""

    async def attach_to(self, host: str) -> HostConsoleClient:
        """The way to a host's consoles.

        Raises:
            UnavailableError: Its agent has not said where yet.
        """
        ...


class VmServer(KindServer[pb.Vm]):
    """Serves Vms."""

    def __init__(self, resources: Resources, kinds: Kinds, consoles: Consoles) -> None:
        super().__init__(resources, kinds.vm)
        self._consoles = consoles

    async def start(self, request: pb.PowerRequest, call: Call) -> pb.Vm:
        """Let it run; nothing changes if it does."""

        def change(vm: pb.Vm) -> PowerSpec:
            ready = find(vm, "Ready")
            is_off = ready is not None and ready.reason == Reason.GUEST_STOPPED.value
            # What the guest's end was said of must be the start that is wanted now, or a second Start counts twice.
            is_current = vm.status.reboot_count == vm.spec.reboot_count
            return started(power_of(vm.spec), guest_is_off=is_off and is_current)

        return await self._change_power(request, call, "start", change, force=False)

    async def stop(self, request: pb.PowerRequest, call: Call) -> pb.Vm:
        """Ask the guest to switch itself off; with `force`, pull the plug."""
        return await self._change_power(
            request,
            call,
            "stop",
            lambda vm: PowerSpec(Power.STOPPED, vm.spec.reboot_count),
            force=request.force,
        )

    async def reboot(self, request: pb.PowerRequest, call: Call) -> pb.Vm:
        """Stop it, then start it.

        Raises:
            FailedPreconditionError: It is stopped.
        """
        return await self._change_power(
            request, call, "reboot", lambda vm: rebooted(power_of(vm.spec)), force=request.force
        )

    async def _change_power(
        self, request: pb.PowerRequest, call: Call, verb: str, decide: Callable[[pb.Vm], PowerSpec], *, force: bool
    ) -> pb.Vm:
        """Change the power of a VM as `decide` says."""
        with deadlines.inside(call):
            located = await self.locate(call, verb, request.project, request.ref)

            def change(vm: pb.Vm) -> pb.Vm:
                wanted = decide(vm)
                if wanted != power_of(vm.spec):
                    set_power(vm.spec, wanted)
                    vm.spec.force = force
                elif force:
                    vm.spec.force = True
                return vm

            identifier = located.stored.metadata.id
            done = await self.resources.update(located.context, self.kind, identifier, change, request.etag)
            return self._audited(located.context, verb, done)

    async def console(self, requests: AsyncIterator[pb.ConsoleInput], call: Call) -> AsyncIterator[pb.ConsoleOutput]:
        """Relay the serial console of a VM from its host.

        Raises:
            FailedPreconditionError: It is on no host.
            UnavailableError: Its host's agent is away.
            PermissionDeniedError: The caller may not, or may no longer.
        """
        try:
            async with asyncio.timeout(FIRST_MESSAGE_S):
                first = await anext(requests)
        except (StopAsyncIteration, TimeoutError):
            raise InvalidArgumentError("the first message must name the VM in `project` and `ref`") from None
        with deadlines.inside(call):
            located = await self.locate(call, "console", first.project, first.ref)
        vm = located.stored.message
        if not vm.status.host:
            raise FailedPreconditionError(f"vm '{vm.metadata.name}' is on no host yet", reason="VM_NOT_PLACED")
        self._audited(located.context, "console", located.stored)
        client = await self._consoles.attach_to(vm.status.host)
        output = client.attach(_relayed(vm.metadata.id, first, requests))
        async with closing(while_allowed(output, lambda: self.require_still(located, "console"))) as allowed:
            async for chunk in allowed:
                yield chunk


async def _relayed(
    vm: str, first: pb.ConsoleInput, requests: AsyncIterator[pb.ConsoleInput]
) -> AsyncIterator[pb.ConsoleInput]:
    """What the host's agent is told: the VM by id, then the keys."""
    yield pb.ConsoleInput(
        ref=vm,
        backlog_bytes=first.backlog_bytes,
        read_only=first.read_only,
        no_follow=first.no_follow,
        keys=first.keys,
    )
    async for message in requests:
        yield pb.ConsoleInput(keys=message.keys)


class HostChannels:
    """Channels to agents, made when first needed and again when an agent moves."""

    def __init__(self, identity: TlsIdentity | None, address_of: Callable[[str], str]) -> None:
        """Make it; `address_of` gives where a host's agent serves consoles, empty if that is not known."""
        self._identity = identity
        self._address_of = address_of
        self._channels: dict[str, tuple[str, PeerChannel]] = {}

    async def attach_to(self, host: str) -> HostConsoleClient:
        """See `Consoles`."""
        address = self._address_of(host)
        if not address:
            raise UnavailableError("the VM's host has not reported yet; try again in a moment", reason="HOST_AWAY")
        known = self._channels.get(host)
        if known is None or known[0] != address:
            if known is not None:
                await known[1].close()
            expect = pki.agent_identity("plasmavmc", host) if self._identity is not None else ""
            known = self._channels[host] = (address, channels.connect(address, self._identity, expect))
        return HostConsoleClient(known[1])

    async def close(self) -> None:
        """Close all."""
        for _, channel in self._channels.values():
            await channel.close()
