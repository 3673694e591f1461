"""Reads the kernel's network as a State: what is ours in it, and the names of what is not."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from typing import Any

from prismnet.agent.core import host_ruleset, router_ruleset
from prismnet.agent.core.desired import PORT_SYSCTLS, ROUTER_SYSCTLS
from prismnet.agent.core.state import (
    HOST,
    HOST_OWNER,
    Address,
    Link,
    LinkKind,
    LinkName,
    Namespace,
    NamespaceName,
    Owner,
    Route,
    Ruleset,
    State,
)
from prismnet.agent.shell import nft, sysctls
from prismnet.agent.shell.netlink import DOOMED_GROUP, INNER_NAMES, Netlink, is_ours
from prismnet.core.ids import PORT_PREFIX, VPC_PREFIX
from ultracloud.base.ids import is_id

IFF_UP = 1
AF_INET = 2
TABLE_MAIN, PROTOCOL_KERNEL, TYPE_UNICAST = 254, 2, 1
ANYWHERE = "0.0.0.0"  # noqa: S104 - a destination, not where somebody listens

_KINDS = frozenset(kind.value for kind in LinkKind)


@dataclass(frozen=True, slots=True)
class _SeenLink:
    """One link as listed: `link` is None for a kind we never make."""

    index: int
    name: LinkName
    group: int
    link: Link | None


@dataclass(frozen=True, slots=True)
class Reader:
    """Reads by `netlink`, in its thread.

    Attributes:
        uplink: Configured link to the outside, whether it exists or not.
    """

    netlink: Netlink
    uplink: LinkName | None

    def read(self) -> State:
        """Everything."""
        seen = self._links(HOST)
        ours = [item for item in seen if item.link is not None and is_ours(item.link, item.group)]
        foreign = frozenset(item.name for item in seen) - {item.name for item in ours}
        asked = [f"net.ipv4.conf.{self.uplink}.forwarding"] if self.uplink in foreign else []
        namespaces = {HOST: self._namespace(HOST, HOST_OWNER, ours, asked, host_ruleset.FAMILIES)}
        for name in self.netlink.namespaces.names():
            if is_id(name, VPC_PREFIX):
                namespaces[name] = self._inner(name, ROUTER_SYSCTLS, router_ruleset.FAMILIES)
            elif is_id(name, PORT_PREFIX):
                namespaces[name] = replace(self._inner(name, PORT_SYSCTLS, ()), exclusive=False)
        return State(namespaces, foreign)

    def _inner(self, name: NamespaceName, asked: Iterable[str], families: tuple[str, ...]) -> Namespace:
        """A namespace that we made; links a user put into it are left alone."""
        ours = [item for item in self._links(name) if item.link is not None and item.name in INNER_NAMES]
        return self._namespace(name, Owner(name), ours, asked, families)

    def _namespace(
        self,
        name: NamespaceName,
        owner: Owner,
        links: Iterable[_SeenLink],
        asked: Iterable[str],
        families: tuple[str, ...],
    ) -> Namespace:
        """The rest of one namespace, once its links are known."""
        names = {item.index: item.name for item in links}
        with self.netlink.namespaces.entered(name):
            return Namespace(
                owner=owner,
                links={item.name: item.link for item in links if item.link is not None},
                addresses=self._addresses(name, names),
                routes=self._routes(name, names),
                sysctls={key: value for key in asked if (value := sysctls.read(key)) is not None},
                ruleset=_common_digest(nft.digests(), families) if families else None,
            )

    def _links(self, name: NamespaceName) -> list[_SeenLink]:
        """Every link of a namespace."""
        messages = list(self.netlink.socket(name).get_links())
        names = {message["index"]: LinkName(message.get("ifname")) for message in messages}
        with self.netlink.namespaces.entered(name):
            return [
                _SeenLink(index, names[index], group := message.get("group") or 0, _link(message, names, group))
                for message in messages
                if (index := message["index"])
            ]

    def _addresses(self, name: NamespaceName, names: Mapping[int, LinkName]) -> frozenset[Address]:
        return frozenset(
            Address(names[message["index"]], IPv4Interface(f"{message.get('address')}/{message['prefixlen']}"))
            for message in self.netlink.socket(name).get_addr(family=AF_INET)
            if message["index"] in names
        )

    def _routes(self, name: NamespaceName, names: Mapping[int, LinkName]) -> frozenset[Route]:
        """Gateway routes of the main table; the kernel's own follow from addresses."""
        return frozenset(
            Route(
                IPv4Network(f"{message.get('dst') or ANYWHERE}/{message['dst_len']}"),
                IPv4Address(message.get("gateway")),
                names[message.get("oif")],
            )
            for message in self.netlink.socket(name).get_routes(family=AF_INET, table=TABLE_MAIN)
            if message.get("oif") in names
            and message.get("gateway")
            and message["type"] == TYPE_UNICAST
            and message["proto"] != PROTOCOL_KERNEL
        )


def _link(message: Any, names: Mapping[int, LinkName], group: int) -> Link | None:
    """One RTM_NEWLINK message as a Link; read in its namespace, for the sysctls."""
    name = names[message["index"]]
    linkinfo = message.get("linkinfo")
    kind = linkinfo.get("kind") if linkinfo else None
    if kind not in _KINDS:
        return None
    options = linkinfo.get("data") if kind == LinkKind.BRIDGE.value else None
    master = message.get("master")
    return Link(
        name=name,
        kind=LinkKind(kind),
        mtu=message.get("mtu"),
        mac=message.get("address"),
        master=names.get(master) if master else None,
        # One that was to be removed when we were killed goes with the next that are, unless it is made ours again:
        # telling it as down does that.
        up=bool(message["flags"] & IFF_UP) and group != DOOMED_GROUP,
        filtered=bool(options and options.get("br_nf_call_iptables")),
        forwarding=sysctls.read(f"net.ipv4.conf.{name}.forwarding") == "1",
        ipv6=sysctls.read(f"net.ipv6.conf.{name}.disable_ipv6") == "0",
    )


def _common_digest(digests: Mapping[str, str], families: tuple[str, ...]) -> Ruleset | None:
    """One digest for all our tables of a namespace; an empty one if they differ or one is missing."""
    if not digests:
        return None
    found = {digests.get(family, "") for family in families}
    return Ruleset(found.pop() if len(found) == 1 else "")
