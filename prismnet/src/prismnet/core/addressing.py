"""Ranges and addresses: what a VPC's range may be, where a subnet fits, which address a port gets.

Source: RFC 4632 (CIDR), RFC 6890 (special-purpose ranges), RFC 6598 (shared address space, which transit links use).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from ipaddress import AddressValueError, IPv4Address, IPv4Network, NetmaskValueError

from prismnet.core.intent import VNI_MAX
from ultracloud.base.faults import (
    AlreadyExistsError,
    FailedPreconditionError,
    InvalidArgumentError,
    ResourceExhaustedError,
)

VPC_PREFIX_MIN, VPC_PREFIX_MAX = 8, 28
"""A /8 is the largest private range there is; a /28 still has room for one subnet of 13 ports."""
SUBNET_PREFIX_MIN, SUBNET_PREFIX_MAX = 16, 29
"""A /16 is one broadcast domain of 65,533 ports, more than a bridge should have; a /29 has 5."""
DNS_SERVERS_MAX = 8
"""Resolvers read three; the option could hold 63."""
TEXT_LENGTH_MAX = 64
"""Characters of a range that an error repeats."""

UNUSABLE = tuple(
    IPv4Network(cidr)
    for cidr in (
        "0.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "192.0.0.0/24",
        "224.0.0.0/3",
    )
)
"""Ranges in which a guest would lose something: this host, transit links, loopback, metadata, multicast."""


def parse_range(text: str, what: str) -> IPv4Network:
    """Read a range in its one canonical spelling.

    Raises:
        InvalidArgumentError: It is none; the sentence says which one was probably meant.
    """
    shown = ascii(text[:TEXT_LENGTH_MAX])
    try:
        network = IPv4Network(text, strict=False)
    except (AddressValueError, NetmaskValueError, ValueError):
        raise InvalidArgumentError(
            f"{what} {shown} is no IPv4 range; accepted: a network and its prefix length, such as 10.0.0.0/16",
            reason="CIDR_INVALID",
        ) from None
    if str(network) != text:
        raise InvalidArgumentError(
            f"{what} {shown} is not how this range is written; did you mean {network}?", reason="CIDR_INVALID"
        )
    return network


def parse_address(text: str, what: str) -> IPv4Address:
    """Read one unicast address.

    Raises:
        InvalidArgumentError: It is none.
    """
    try:
        address = IPv4Address(text)
    except AddressValueError:
        raise InvalidArgumentError(
            f"{what} {text[:TEXT_LENGTH_MAX]!a} is no IPv4 address, such as 10.0.0.5", reason="ADDRESS_INVALID"
        ) from None
    if address.is_multicast or address.is_unspecified or address.is_reserved or address.is_loopback:
        raise InvalidArgumentError(f"{what} {address} is no address of one machine", reason="ADDRESS_INVALID")
    return address


def check_vpc_range(text: str) -> IPv4Network:
    """The range of a new VPC.

    Raises:
        InvalidArgumentError: It is none, of the wrong size, or one in which guests would lose something.
    """
    network = parse_range(text, "cidr")
    if not VPC_PREFIX_MIN <= network.prefixlen <= VPC_PREFIX_MAX:
        raise InvalidArgumentError(
            f"cidr {network} has the wrong size for a VPC; accepted: /{VPC_PREFIX_MIN} to /{VPC_PREFIX_MAX}",
            reason="CIDR_SIZE",
        )
    for unusable in UNUSABLE:
        if network.overlaps(unusable):
            raise InvalidArgumentError(
                f"cidr {network} overlaps {unusable}, which has a meaning of its own",
                hint="use a private range: inside 10.0.0.0/8, 172.16.0.0/12 or 192.168.0.0/16",
                reason="CIDR_RESERVED",
            )
    return network


def check_subnet_range(text: str, vpc: IPv4Network, siblings: Mapping[str, IPv4Network]) -> IPv4Network:
    """The range of a new subnet.

    Args:
        text: As asked for.
        vpc: Range it must lie in.
        siblings: Ranges of the VPC's subnets by their names.

    Raises:
        InvalidArgumentError: It is none, of the wrong size, or outside the VPC.
        FailedPreconditionError: It overlaps a sibling, which is named.
    """
    network = parse_range(text, "cidr")
    if not SUBNET_PREFIX_MIN <= network.prefixlen <= SUBNET_PREFIX_MAX:
        raise InvalidArgumentError(
            f"cidr {network} has the wrong size for a subnet; accepted: /{SUBNET_PREFIX_MIN} to /{SUBNET_PREFIX_MAX}",
            reason="CIDR_SIZE",
        )
    if not network.subnet_of(vpc):
        raise InvalidArgumentError(
            f"cidr {network} is not inside the VPC's range {vpc}; choose one that is", reason="CIDR_OUTSIDE_VPC"
        )
    for name, other in sorted(siblings.items()):
        if network.overlaps(other):
            raise FailedPreconditionError(
                f"cidr {network} overlaps subnet '{name}' ({other}); choose a free range of {vpc}",
                reason="CIDR_OVERLAPS",
                metadata={"subnet": name, "cidr": str(other)},
            )
    return network


def check_dns_servers(texts: Collection[str]) -> None:
    """What DHCP will hand out as name servers.

    Raises:
        InvalidArgumentError: One is no address, or there are too many.
    """
    if len(texts) > DNS_SERVERS_MAX:
        raise InvalidArgumentError(
            f"{len(texts)} dns_servers; at most {DNS_SERVERS_MAX} are accepted", reason="DNS_SERVERS_INVALID"
        )
    for text in texts:
        parse_address(text, "dns server")


def gateway_of(subnet: IPv4Network) -> IPv4Address:
    """Where the router answers: the first usable address."""
    return subnet.network_address + 1


def addresses_total(subnet: IPv4Network) -> int:
    """How many ports fit: all but network, gateway and broadcast."""
    return subnet.num_addresses - 3


def choose_address(subnet: IPv4Network, taken: Collection[IPv4Address]) -> IPv4Address:
    """The lowest free address.

    Raises:
        ResourceExhaustedError: There is none.
    """
    candidate = gateway_of(subnet) + 1
    for address in sorted(taken):
        if address > candidate:
            break
        if address == candidate:
            candidate += 1
    if candidate >= subnet.broadcast_address:
        raise ResourceExhaustedError(
            f"all {addresses_total(subnet)} addresses of {subnet} are taken; delete ports or use another subnet",
            reason="SUBNET_FULL",
        )
    return candidate


def check_address(text: str, subnet: IPv4Network, holders: Mapping[IPv4Address, str]) -> IPv4Address:
    """An address that a port insists on.

    Args:
        text: As asked for.
        subnet: Range it must lie in.
        holders: Who has which address.

    Raises:
        InvalidArgumentError: It is none, outside the subnet, or one that no port can have.
        AlreadyExistsError: Somebody has it.
    """
    address = parse_address(text, "address")
    first, last = gateway_of(subnet) + 1, subnet.broadcast_address - 1
    if not first <= address <= last:
        raise InvalidArgumentError(
            f"address {address} cannot be had in {subnet}; accepted: {first} to {last}", reason="ADDRESS_OUTSIDE_SUBNET"
        )
    if address in holders:
        raise AlreadyExistsError(
            f"address {address} is taken by port '{holders[address]}'; leave address empty to get the lowest free one",
            reason="ADDRESS_TAKEN",
        )
    return address


def choose_vni(taken: Collection[int]) -> int:
    """The lowest free VPC number.

    Raises:
        ResourceExhaustedError: There is none.
    """
    candidate = 1
    for number in sorted(taken):
        if number > candidate:
            break
        if number == candidate:
            candidate += 1
    if candidate > VNI_MAX:
        raise ResourceExhaustedError(f"this cloud has its {VNI_MAX} VPCs; delete some", reason="VPCS_EXHAUSTED")
    return candidate
