"""Conntrack entries of addresses in zones, found and deleted in the calling thread's network namespace.

A dump makes the kernel walk its whole table, 12 ms for the usual quarter of a million buckets, whatever it yields. A
few addresses are dumped each by itself, which yields nothing else; more of one zone are dumped as the zone.

Source: ctnetlink, net/netfilter/nf_conntrack_netlink.c. Filtering a dump by tuple needs Linux 5.8, by zone 6.8; an
older kernel yields more than was asked for, which is looked through here.
"""

from __future__ import annotations

import errno
import itertools
import socket
from collections.abc import Iterable, Iterator
from ipaddress import IPv4Address
from typing import Any

from pyroute2 import NFCTSocket
from pyroute2.netlink.exceptions import NetlinkError
from pyroute2.netlink.nfnetlink.nfctsocket import NFCTAttrTuple

from prismnet.agent.core.state import Tracked

SINGLE_MAX = 4
"""Addresses of one zone up to which each is dumped by itself, twice."""


def forget(gone: Iterable[Tracked]) -> None:
    """Delete every entry that begins or ends at one of these addresses."""
    with NFCTSocket() as conntrack:
        for zone, group in itertools.groupby(sorted(gone), lambda tracked: tracked.zone):
            addresses = {str(tracked.address) for tracked in group}
            # All are read before one is deleted: an open dump would not take the request.
            for entry in list(_entries(conntrack, zone, addresses)):
                _delete(conntrack, entry, zone)


def _entries(conntrack: NFCTSocket, zone: int, addresses: set[str]) -> Iterator[NFCTAttrTuple]:
    """Original tuples of one zone that begin or end at one of `addresses`."""
    for message in _dumped(conntrack, zone, addresses):
        original = NFCTAttrTuple.from_netlink(socket.AF_INET, message.get_attr("CTA_TUPLE_ORIG"))
        if message.get_attr("CTA_ZONE") == zone and addresses & {original.saddr, original.daddr}:
            yield original


def _dumped(conntrack: NFCTSocket, zone: int, addresses: set[str]) -> Iterator[Any]:
    """Messages among which those are."""
    if len(addresses) > SINGLE_MAX:
        yield from conntrack.dump(zone=zone)
        return
    for address in sorted(addresses, key=IPv4Address):
        yield from conntrack.dump(tuple_orig=NFCTAttrTuple(saddr=address))
        yield from conntrack.dump(tuple_orig=NFCTAttrTuple(daddr=address))


def _delete(conntrack: NFCTSocket, original: NFCTAttrTuple, zone: int) -> None:
    """Delete one entry, unless it has ended meanwhile."""
    try:
        conntrack.entry("del", tuple_orig=original, zone=zone)
    except NetlinkError as error:
        if error.code != errno.ENOENT:
            raise
