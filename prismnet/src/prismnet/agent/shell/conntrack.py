"""Conntrack entries of one address in one zone, found and deleted in the calling thread's network namespace.

Source: ctnetlink, net/netfilter/nf_conntrack_netlink.c; filtering a dump by tuple needs Linux 5.8.
"""

from __future__ import annotations

import errno
import socket

from pyroute2 import NFCTSocket
from pyroute2.netlink.exceptions import NetlinkError
from pyroute2.netlink.nfnetlink.nfctsocket import NFCTAttrTuple

from prismnet.agent.core.state import Tracked


def forget(tracked: Tracked) -> None:
    """Delete every entry that begins or ends at the address."""
    address = str(tracked.address)
    with NFCTSocket() as conntrack:
        for end in (NFCTAttrTuple(saddr=address), NFCTAttrTuple(daddr=address)):
            # All are read before one is deleted: an open dump would not take the request.
            for entry in list(conntrack.dump(tuple_orig=end)):
                if entry.get_attr("CTA_ZONE") == tracked.zone:
                    original = NFCTAttrTuple.from_netlink(socket.AF_INET, entry.get_attr("CTA_TUPLE_ORIG"))
                    _delete(conntrack, original, tracked.zone)


def _delete(conntrack: NFCTSocket, original: NFCTAttrTuple, zone: int) -> None:
    """Delete one entry, unless it has ended meanwhile."""
    try:
        conntrack.entry("del", tuple_orig=original, zone=zone)
    except NetlinkError as error:
        if error.code != errno.ENOENT:
            raise
