"""What the guests of each VPC talk to: its DHCP server and its metadata proxy, in its router namespace."""

from __future__ import annotations

import socket
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from pathlib import Path

from prismnet.agent.core.desired import router_name
from prismnet.agent.core.dhcp.server import bindings_of, router_mac
from prismnet.agent.core.state import HOST_OWNER, NamespaceName, Owner
from prismnet.agent.shell.converge import Outcome
from prismnet.agent.shell.dhcp import DhcpServer
from prismnet.agent.shell.metadata import MetadataProxy
from prismnet.core.ids import PortId
from prismnet.core.intent import Vpc

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
        upstream: Where metadata comes from.
        mtu: What DHCP says.
        now_ms: Unix milliseconds.
        leased: Called when a guest has got its address.
    """

    def __init__(
        self, opener: Opener, upstream: Path, mtu: int, now_ms: Callable[[], int], leased: Callable[[], None]
    ) -> None:
        self.leases: dict[PortId, int] = {}
        self._open = opener
        self._upstream = upstream
        self._mtu = mtu
        self._now_ms = now_ms
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
                DhcpServer(dhcp_socket, router_mac(vpc), self._note_lease), MetadataProxy(self._upstream)
            )
            await endpoint.metadata.start(metadata_socket)
            self._endpoints[name] = endpoint
        endpoint.dhcp.bindings = bindings_of(vpc, self._mtu)
        endpoint.metadata.ports = {port.address: port.id for port in vpc.ports}

    async def _close(self, name: NamespaceName) -> None:
        endpoint = self._endpoints.pop(name, None)
        if endpoint is not None:
            endpoint.dhcp.close()
            await endpoint.metadata.close()

    def _note_lease(self, port: PortId) -> None:
        self.leases[port] = self._now_ms()
        self._leased()
