"""Does the planner's actions. Each may be done again: what is there already is left, what is gone stays gone."""

from __future__ import annotations

import errno
import functools
import itertools
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, assert_never

from pyroute2 import IPRoute
from pyroute2.netlink.exceptions import NetlinkError

from prismnet.agent.core import host_ruleset, router_ruleset
from prismnet.agent.core.actions import (
    Action,
    AddAddress,
    AddRoute,
    CreateLink,
    CreateNamespace,
    DeleteLink,
    DeleteNamespace,
    ForgetConnections,
    LoadRuleset,
    RemoveAddress,
    RemoveRoute,
    SetLink,
    SetSysctl,
)
from prismnet.agent.core.nft_text import removal
from prismnet.agent.core.state import (
    HOST_OWNER,
    Address,
    Link,
    LinkKind,
    LinkName,
    NamespaceName,
    Owner,
    Route,
    Ruleset,
)
from prismnet.agent.shell import conntrack, nft, sysctls
from prismnet.agent.shell.netlink import DOOMED_GROUP, LINK_GROUP, KernelError, Netlink

LOOPBACK_INDEX = 1
BRIDGE_OPTIONS = {"br_stp_state": 0, "br_forward_delay": 0, "br_mcast_snooping": 0, "br_nf_call_iptables": 1}
"""No spanning tree: a bridge has one way out. No snooping: multicast is dropped."""

_GONE = frozenset({errno.ENODEV, errno.ENOENT, errno.EADDRNOTAVAIL, errno.ESRCH})
"""What the kernel says when what should go is not there."""


@dataclass(frozen=True, slots=True)
class Actuator:
    """Changes the kernel by `netlink`, in its thread."""

    netlink: Netlink

    def apply(self, actions: Iterable[Action]) -> dict[Owner, str]:
        """Do `actions` in order; gives who failed, and why.

        After a failure the rest of its owner's actions is left out. A failure of the host's own, such as rules that do
        not load, ends it all: nothing may appear that they do not guard.
        """
        failed: dict[Owner, str] = {}
        for (kind, name), run in itertools.groupby(actions, lambda action: (type(action), action.namespace)):
            wanted = [action for action in run if action.owner not in failed]
            if HOST_OWNER in failed:
                break
            try:
                if kind in (DeleteLink, ForgetConnections):
                    self._do_together(name, wanted)
                else:
                    self._do_each(wanted, failed)
            except (NetlinkError, OSError, KernelError) as error:
                failed |= {action.owner: f"{kind.__name__} failed: {error}" for action in wanted}
        return failed

    def _do_together(self, name: NamespaceName, actions: Iterable[Action]) -> None:
        """Do actions of one kind that cost hardly more in hundreds than alone."""
        self._delete_links(name, [action.name for action in actions if isinstance(action, DeleteLink)])
        gone = [action.tracked for action in actions if isinstance(action, ForgetConnections)]
        if gone:
            with self.netlink.namespaces.entered(name):
                conntrack.forget(gone)

    def _do_each(self, actions: Iterable[Action], failed: dict[Owner, str]) -> None:
        """Do actions one by one, noting failures."""
        for action in actions:
            if action.owner in failed or HOST_OWNER in failed:
                continue
            try:
                self._do(action)
            except (NetlinkError, OSError, nft.NftError, KernelError) as error:
                failed[action.owner] = f"{type(action).__name__} failed: {error}"

    def _do(self, action: Action) -> None:  # noqa: C901 - one case for each action there is
        match action:
            case CreateNamespace(_, name):
                self.netlink.namespaces.create(name)
                self.netlink.socket(name).link("set", index=LOOPBACK_INDEX, state="up")
            case DeleteNamespace(_, name):
                self.netlink.forget(name)
                self.netlink.namespaces.delete(name)
            case CreateLink(_, name, link, peer):
                self._create(name, link, peer)
            case SetLink(_, name, link):
                self._set(name, link)
            case DeleteLink(_, name) | ForgetConnections(_, name):
                self._do_together(name, [action])
            case AddAddress(_, name, address):
                self._address("replace", name, address)
            case RemoveAddress(_, name, address):
                _unless_gone(lambda: self._address("del", name, address))
            case AddRoute(_, name, route):
                self._route("replace", name, route)
            case RemoveRoute(_, name, route):
                _unless_gone(lambda: self._route("del", name, route))
            case SetSysctl(_, name, key, value):
                with self.netlink.namespaces.entered(name):
                    sysctls.write(key, value)
            case LoadRuleset(_, name, ruleset):
                self._load(name, ruleset)
            case _:
                assert_never(action)

    def _delete_links(self, name: NamespaceName, links: Iterable[LinkName]) -> None:
        """Remove links all at once."""
        socket = self.netlink.socket(name)
        indexes = [index for link in links if (index := self.netlink.find_index(name, link)) is not None]
        for index in indexes:
            _unless_gone(functools.partial(socket.link, "set", index=index, group=DOOMED_GROUP))
        if indexes:
            _unless_gone(functools.partial(socket.link, "del", group=DOOMED_GROUP))

    def _load(self, name: NamespaceName, ruleset: Ruleset | None) -> None:
        """Our tables, or none."""
        text = ruleset.text if ruleset else removal((*host_ruleset.FAMILIES, *router_ruleset.FAMILIES))
        with self.netlink.namespaces.entered(name):
            nft.load(text)

    def _create(self, name: NamespaceName, link: Link, peer: Link | None) -> None:
        """Make a link, down, then give it everything else."""
        socket = self.netlink.socket(name)
        common: dict[str, Any] = {"ifname": link.name, "group": LINK_GROUP, "mtu": link.mtu}
        try:
            match link.kind:
                case LinkKind.BRIDGE:
                    socket.link("add", kind="bridge", address=link.mac, **BRIDGE_OPTIONS, **common)
                case LinkKind.TAP:
                    # Opens /dev/net/tun, which gives a device of the namespace that the thread is in.
                    with self.netlink.namespaces.entered(name):
                        socket.link("add", kind="tuntap", mode="tap", ifname=link.name)
                case LinkKind.VETH:
                    self._create_veth(socket, link, peer, common)
                case _:
                    assert_never(link.kind)
        except NetlinkError as error:
            # Left by a plan that was cut short; if it is not what we want, the next look says so.
            if error.code != errno.EEXIST:
                raise
        self._set(name, link)
        if peer is not None and link.peer is not None:
            self._set(link.peer.namespace, peer)

    def _create_veth(self, socket: IPRoute, link: Link, peer: Link | None, common: Mapping[str, Any]) -> None:
        """Both ends at once, the far one born in its namespace."""
        if peer is None or link.peer is None:
            raise KernelError(f"{link.name} has no other end")
        descriptor = self.netlink.namespaces.open(link.peer.namespace)
        try:
            far: dict[str, Any] = {"ifname": peer.name, "net_ns_fd": descriptor, "address": peer.mac}
            socket.link("add", kind="veth", peer={**far, "mtu": peer.mtu, "group": LINK_GROUP}, **common)
        finally:
            os.close(descriptor)

    def _set(self, name: NamespaceName, link: Link) -> None:
        """Give a link all its attributes; it goes up last, when everything about it holds."""
        index = self.netlink.index(name, link.name)
        master = self.netlink.index(name, link.master) if link.master is not None else 0
        socket = self.netlink.socket(name)
        with self.netlink.namespaces.entered(name):
            sysctls.write(f"net.ipv6.conf.{link.name}.disable_ipv6", "0" if link.ipv6 else "1")
            sysctls.write(f"net.ipv4.conf.{link.name}.forwarding", "1" if link.forwarding else "0")
        if link.kind is LinkKind.BRIDGE:
            socket.link("set", index=index, kind="bridge", **BRIDGE_OPTIONS)
        attributes: dict[str, Any] = {"mtu": link.mtu, "group": LINK_GROUP}
        if link.mac is not None:
            attributes["address"] = link.mac
        socket.link("set", index=index, **attributes)
        socket.link("set", index=index, master=master, state="up" if link.up else "down")

    def _address(self, command: str, name: NamespaceName, address: Address) -> None:
        index, interface = self.netlink.index(name, address.link), address.interface
        socket = self.netlink.socket(name)
        socket.addr(command, index=index, address=str(interface.ip), prefixlen=interface.network.prefixlen)

    def _route(self, command: str, name: NamespaceName, route: Route) -> None:
        index = self.netlink.index(name, route.link)
        self.netlink.socket(name).route(command, dst=str(route.destination), gateway=str(route.gateway), oif=index)


def _unless_gone(remove: Callable[[], object]) -> None:
    """Remove what may have gone already."""
    try:
        remove()
    except NetlinkError as error:
        if error.code not in _GONE:
            raise
    except KernelError:
        # Its link is gone, and it with that.
        return
