"""What the guests of each VPC talk to: its DHCP server and its metadata proxy, in its router namespace."""

from __future__ import annotations

import socket
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass

from prismnet.agent.config import AgentConfig
from prismnet.agent.core.desired import router_name
from prismnet.agent.core.dhcp.server import Served, bindings_of, router_mac
from prismnet.agent.core.state import HOST_OWNER, NamespaceName, Owner
from prismnet.agent.shell.converge import Outcome
from prismnet.agent.shell.dhcp import DhcpServer
from prismnet.agent.shell.metadata import MetadataProxy
from prismnet.agent.shell.meters import Meters
from prismnet.core.ids import PortId
from prismnet.core.intent import Vpc
from ultracloud.servicekit.clock import Clock

Opener = Callable[[NamespaceName], Awaitable[tuple[socket.socket, socket.socket]]]
"""Opens the DHCP and the metadata socket of a router namespace."""


@dataclass(frozen=True, slots=True)
class _Endpoint:
    dhcp: DhcpServer
    metadata: MetadataProxy


class Endpoints:
    """Those of every VPC on the host.

    Args:
        opener: Makes sockets in a router namespace.
        config: Says where metadata comes from, and the MTU that DHCP tells.
        clock: For when a guest got its address.
        meters: Counts answers.
        leased: Called when a guest has got its address.
    """

    def __init__(
        self, opener: Opener, config: AgentConfig, clock: Clock, meters: Meters, leased: Callable[[], None]
    ) -> None:
        self.leases: dict[PortId, int] = {}
        self._open = opener
        self._config = config
        self._clock = clock
        self._meters = meters
        self._leased = leased
        self._endpoints: dict[NamespaceName, _Endpoint] = {}

    async def drop_all_but(self, vpcs: Collection[Vpc]) -> None:
        """Close those of VPCs that go: their sockets would keep the namespace alive."""
        for name in self._endpoints.keys() - {router_name(vpc) for vpc in vpcs}:
            await self._close(name)

    async def follow(self, outcome: Outcome) -> dict[Owner, str]:
        """Open what is missing, tell each what is new; gives who failed, and why."""
        failed = {}
        for vpc in outcome.intent.vpcs:
            name, owner = router_name(vpc), Owner(vpc.id)
            if owner in outcome.failed or HOST_OWNER in outcome.failed:
                continue
            if name in outcome.rebuilt:
                await self._close(name)
            try:
                await self._update(name, vpc)
            except OSError as error:
                failed[owner] = f"DHCP and metadata cannot be served: {error}"
        known = {port.id for vpc in outcome.intent.vpcs for port in vpc.ports}
        for port in self.leases.keys() - known:
            del self.leases[port]
        return failed

    async def close(self) -> None:
        """Stop serving all of them."""
        await self.drop_all_but(())

    async def _update(self, name: NamespaceName, vpc: Vpc) -> None:
        endpoint = self._endpoints.get(name)
        if endpoint is None:
            dhcp_socket, metadata_socket = await self._open(name)
            endpoint = _Endpoint(
                DhcpServer(dhcp_socket, router_mac(vpc), self._note_answer),
                MetadataProxy(self._config.metadata_socket, self._note_metadata),
            )
            await endpoint.metadata.start(metadata_socket)
            self._endpoints[name] = endpoint
        endpoint.dhcp.bindings = bindings_of(vpc, self._config.mtu)
        endpoint.metadata.ports = {port.address: port.id for port in vpc.ports}

    async def _close(self, name: NamespaceName) -> None:
        endpoint = self._endpoints.pop(name, None)
        if endpoint is not None:
            endpoint.dhcp.close()
            await endpoint.metadata.close()

    def _note_answer(self, served: Served) -> None:
        self._meters.dhcp_replies.labels(served.kind.name.lower()).inc()
        if served.leased:
            self.leases[served.port] = self._clock.now_ms()
            self._leased()

    def _note_metadata(self, status: int) -> None:
        self._meters.metadata_answers.labels(str(status)).inc()
