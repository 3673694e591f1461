"""Netlink sockets, one for each namespace, and which links in them are ours.

Ours is what carries our name pattern and our interface group: nobody's bridge is removed because it is called
``br-backend``.

Source: rtnetlink(7).
"""

from __future__ import annotations

import errno
import re
from dataclasses import dataclass, field

from pyroute2 import IPRoute
from pyroute2.netlink.exceptions import NetlinkError

from prismnet.agent.core.desired import ETH0, LAN, WAN
from prismnet.agent.core.state import Link, LinkKind, LinkName, NamespaceName
from prismnet.agent.shell.namespaces import Namespaces

LINK_GROUP = 0x756C
"""Interface group that marks a link as ours: "ul" in ASCII. `ip link show group 30060` lists them."""
DOOMED_GROUP = 0x756D
"""Group of our links that are about to be removed together: the kernel takes 20 ms to remove a link, or a hundred."""
INNER_NAMES = frozenset({LAN, WAN, ETH0})
"""Links we make inside namespaces, which are ours as a whole or the user's but for these."""

_OUR_NAME = re.compile(r"(?:br-|rt|tr|tap|vp)[0-9a-hjkmnp-tv-z]{10}")


class KernelError(Exception):
    """The kernel refused; the sentence says what."""


@dataclass(frozen=True, slots=True)
class Netlink:
    """Sockets by namespace. pyroute2's sockets belong to the thread that opened them, and so does this."""

    namespaces: Namespaces
    _sockets: dict[NamespaceName, IPRoute] = field(default_factory=dict)

    def socket(self, name: NamespaceName) -> IPRoute:
        """A socket that lives in the namespace."""
        opened = self._sockets.get(name)
        if opened is None:
            with self.namespaces.entered(name):
                opened = self._sockets[name] = IPRoute(groups=0)
        return opened

    def forget(self, name: NamespaceName) -> None:
        """Close the namespace's socket, which would keep it alive."""
        opened = self._sockets.pop(name, None)
        if opened is not None:
            opened.close()

    def close(self) -> None:
        """Close all of them."""
        for name in list(self._sockets):
            self.forget(name)
        self.namespaces.close()

    def find_index(self, name: NamespaceName, link: LinkName) -> int | None:
        """The kernel's number of a link, None if there is none of this name."""
        try:
            found = list(self.socket(name).link("get", ifname=link))
        except NetlinkError as error:
            if error.code == errno.ENODEV:
                return None
            raise
        return int(found[0]["index"])

    def index(self, name: NamespaceName, link: LinkName) -> int:
        """The same of a link that must be there.

        Raises:
            KernelError: It is not.
        """
        found = self.find_index(name, link)
        if found is None:
            raise KernelError(f"link {link} does not exist")
        return found


def is_ours(link: Link, group: int) -> bool:
    """Our pattern and our group; or a tap that lost us between being made and being marked."""
    if not _OUR_NAME.fullmatch(link.name):
        return False
    return group in (LINK_GROUP, DOOMED_GROUP) or (
        link.kind is LinkKind.TAP and group == 0 and not link.up and link.master is None
    )
