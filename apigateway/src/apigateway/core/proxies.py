"""Where a request comes from, when proxies of ours stand before the gateway.

Whoever connects may write what they like into `X-Forwarded-For`; a proxy that is ours adds what it has seen at the end.
So the list is read from its end, as long as the word is one of ours. Without proxies nothing of it is read.

Source: RFC 7239 section 8.1 (why a list is believed from its end only); X-Forwarded-For as proxies send it.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from functools import lru_cache

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
HEADER = "x-forwarded-for"
HOPS_MAX = 16
"""Proxies behind each other; more entries are not read."""


class Proxies:
    """Those that are ours.

    Args:
        networks: Addresses and networks of them.

    Raises:
        ValueError: One is none.
    """

    def __init__(self, networks: Sequence[str] = ()) -> None:
        self._networks = tuple(network_of(text) for text in networks)

    def __bool__(self) -> bool:
        return bool(self._networks)

    def source(self, host: str, told: str) -> str:
        """The address that a request comes from.

        Args:
            host: The other end of the connection.
            told: What the header field says, empty without one.
        """
        source = host
        for entry in [each.strip() for each in told.split(",")][: -HOPS_MAX - 1 : -1]:
            if not self._is_ours(source) or _address(entry) is None:
                break
            source = entry
        return source

    def _is_ours(self, text: str) -> bool:
        address = _address(text)
        return address is not None and any(address in network for network in self._networks)


def network_of(text: str) -> Network:
    """A network, or one address as such.

    Raises:
        ValueError: It is neither, or all addresses there are, which would let everybody say where they call from.
    """
    try:
        network = ipaddress.ip_network(text)
    except ValueError as error:
        raise ValueError(f"{text[:80]!a} is no address or network; accepted: 10.0.0.5, 10.1.0.0/16") from error
    if network.prefixlen == 0:
        raise ValueError(f"{text} trusts everybody; name the proxies")
    return network


@lru_cache(maxsize=4096)
def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """An address; IPv4 in the form of IPv6 is IPv4, which is how a socket for both tells it."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    mapped = getattr(address, "ipv4_mapped", None)
    return mapped if mapped is not None else address
