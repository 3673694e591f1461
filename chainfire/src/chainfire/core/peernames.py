"""Who a certificate says a peer is, and whether that is somebody to talk to.

Certificates of our own authority carry a SPIFFE URI, and then it alone decides. Those of etcd's kind carry names: a
server's must have the host of the URL it was dialled by, and either side's must be what the configuration allows, if it
says anything.

Source: the SPIFFE X.509-SVID specification; RFC 6125 6.4 (names in certificates); etcd's `peer-cert-allowed-cn` and
`peer-cert-allowed-hostname`.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from urllib.parse import urlsplit

SPIFFE = "spiffe://"
PEER_PATH = "/service/chainfire"


@dataclass(frozen=True, slots=True)
class Names:
    """What a certificate is for.

    Attributes:
        common_name: Of the subject; empty if it has none.
        uris: URIs among the alternative names.
        hosts: DNS names.
        addresses: IP addresses as text.
    """

    common_name: str = ""
    uris: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Allowed:
    """Which certificates of etcd's kind are a peer's; empty allows all that the authority has signed."""

    common_name: str = ""
    hostname: str = ""


@dataclass(frozen=True, slots=True)
class Address:
    """Where a peer URL leads."""

    host: str
    port: int
    is_tls: bool


def parse_url(url: str) -> Address:
    """The address of a peer URL: ``http://host:port`` or ``https://[::1]:port``.

    Raises:
        ValueError: It is no peer URL; the sentence says what is accepted.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    if not host or port is None or parts.scheme not in ("http", "https") or parts.path not in ("", "/"):
        raise ValueError(f"'{url}' is no peer URL; accepted: http://host:port or https://host:port")
    return Address(host, port, parts.scheme == "https")


def objection(names: Names, allowed: Allowed, dialled_host: str | None) -> str:
    """Why the owner of a certificate is no peer; empty if it is one.

    Args:
        names: The certificate's, whose signature is verified.
        allowed: The configuration.
        dialled_host: Of a server: the host of the URL; None of a client.
    """
    spiffe = [uri for uri in names.uris if uri.startswith(SPIFFE)]
    if spiffe:
        return _spiffe_objection(spiffe)
    if dialled_host is not None and not covers(names, dialled_host):
        shown = ", ".join((*names.hosts, *names.addresses)) or "no host"
        return f"its certificate is for {shown}, not for {dialled_host}"
    if allowed.common_name and names.common_name != allowed.common_name:
        return f"its certificate has the common name '{names.common_name}', not '{allowed.common_name}'"
    if allowed.hostname and not covers(names, allowed.hostname):
        return f"its certificate is not for the allowed host name '{allowed.hostname}'"
    return ""


def covers(names: Names, host: str) -> bool:
    """Whether a certificate is for a host name or an address."""
    address = _address(host)
    if address is not None:
        return any(_address(each) == address for each in names.addresses)
    wanted = host.rstrip(".").lower()
    return any(_matches(each.rstrip(".").lower(), wanted) for each in names.hosts)


def _spiffe_objection(uris: list[str]) -> str:
    if len(uris) > 1:
        return f"its certificate has {len(uris)} SPIFFE identities; expected one"
    domain, slash, path = uris[0][len(SPIFFE) :].partition("/")
    if domain and slash + path == PEER_PATH:
        return ""
    return f"its certificate is of {uris[0]}; members have {SPIFFE}<trust domain>{PEER_PATH}"


def _matches(pattern: str, host: str) -> bool:
    """RFC 6125 6.4.3: a star stands for the whole leftmost label, and for one."""
    if not pattern.startswith("*."):
        return pattern == host
    first, _, rest = host.partition(".")
    return bool(first) and rest == pattern[2:] and "." in rest


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None
