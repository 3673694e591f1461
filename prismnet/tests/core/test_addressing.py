from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prismnet.core.addressing import (
    addresses_total,
    check_address,
    check_dns_servers,
    check_subnet_range,
    check_vpc_range,
    choose_address,
    choose_vni,
    gateway_of,
    parse_range,
)
from prismnet.core.intent import VNI_MAX
from ultracloud.base.faults import (
    AlreadyExistsError,
    FailedPreconditionError,
    Fault,
    InvalidArgumentError,
    ResourceExhaustedError,
)

VPC = IPv4Network("10.0.0.0/16")
SMALL = IPv4Network("10.0.0.0/29")


@pytest.mark.parametrize("text", ["10.0.0.0/8", "172.16.0.0/12", "192.168.7.0/28", "203.0.113.0/24"])
def test_a_vpc_may_have_private_and_public_ranges(text: str) -> None:
    assert str(check_vpc_range(text)) == text


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "is no IPv4 range"),
        ("10.0.0.0", "did you mean 10.0.0.0/32"),
        ("10.0.0.1/16", "did you mean 10.0.0.0/16"),
        ("10.0.0.0/255.255.0.0", "did you mean 10.0.0.0/16"),
        ("fd00::/64", "is no IPv4 range"),
        ("10.0.0.0/33", "is no IPv4 range"),
        ("x" * 500, "is no IPv4 range"),
        ("10.0.0.0/16\n", "is no IPv4 range"),
        ("10.0.0.0/29", "/8 to /28"),
        ("0.0.0.0/0", "/8 to /28"),
        ("127.0.0.0/8", "overlaps 127.0.0.0/8"),
        ("100.64.0.0/16", "overlaps 100.64.0.0/10"),
        ("169.254.0.0/16", "overlaps 169.254.0.0/16"),
        ("240.0.0.0/8", "overlaps 224.0.0.0/3"),
    ],
)
def test_a_bad_vpc_range_is_refused_with_what_is_accepted(text: str, says: str) -> None:
    with pytest.raises(InvalidArgumentError) as refused:
        check_vpc_range(text)
    assert says in refused.value.public
    assert len(refused.value.public) < 250


def test_a_subnet_that_overlaps_is_refused_by_name_and_range() -> None:
    siblings = {"web": IPv4Network("10.0.1.0/24"), "db": IPv4Network("10.0.2.0/24")}
    with pytest.raises(FailedPreconditionError) as refused:
        check_subnet_range("10.0.2.128/25", VPC, siblings)
    assert "overlaps subnet 'db' (10.0.2.0/24)" in refused.value.public
    assert refused.value.metadata == {"subnet": "db", "cidr": "10.0.2.0/24"}


@pytest.mark.parametrize(
    ("text", "says"),
    [("10.1.0.0/24", "not inside the VPC's range 10.0.0.0/16"), ("10.0.0.0/30", "/16 to /29"), ("1.2", "no IPv4")],
)
def test_a_subnet_outside_or_of_the_wrong_size_is_refused(text: str, says: str) -> None:
    with pytest.raises(InvalidArgumentError, match=says):
        check_subnet_range(text, VPC, {})


def test_addresses_are_given_lowest_first_and_never_the_gateway_or_the_ends() -> None:
    taken: list[IPv4Address] = []
    while len(taken) < addresses_total(SMALL):
        taken.append(choose_address(SMALL, taken))
    assert [str(address) for address in taken] == [f"10.0.0.{last}" for last in (2, 3, 4, 5, 6)]
    assert gateway_of(SMALL) not in taken
    with pytest.raises(ResourceExhaustedError, match=r"all 5 addresses of 10\.0\.0\.0/29 are taken"):
        choose_address(SMALL, taken)


@given(st.sets(st.integers(min_value=2, max_value=14)))
def test_a_chosen_address_is_free_and_the_lowest(used: set[int]) -> None:
    subnet = IPv4Network("10.0.0.0/28")
    free = sorted(set(range(2, 15)) - used)
    taken = [subnet.network_address + number for number in used]
    if free:
        assert choose_address(subnet, taken) == subnet.network_address + free[0]
    else:
        with pytest.raises(ResourceExhaustedError):
            choose_address(subnet, taken)


def test_a_wanted_address_is_checked() -> None:
    holders = {IPv4Address("10.0.0.3"): "web-0"}
    assert str(check_address("10.0.0.2", SMALL, holders)) == "10.0.0.2"
    with pytest.raises(AlreadyExistsError, match="taken by port 'web-0'"):
        check_address("10.0.0.3", SMALL, holders)
    for outside in ("10.0.0.0", "10.0.0.1", "10.0.0.7", "10.0.1.2"):
        with pytest.raises(InvalidArgumentError, match=r"accepted: 10\.0\.0\.2 to 10\.0\.0\.6"):
            check_address(outside, SMALL, holders)


def test_name_servers_are_machines_and_few() -> None:
    check_dns_servers(["1.1.1.1", "10.0.0.53"])
    for bad in ("224.0.0.1", "0.0.0.0", "127.0.0.1", "ns1", "255.255.255.255"):
        with pytest.raises(InvalidArgumentError):
            check_dns_servers([bad])
    with pytest.raises(InvalidArgumentError, match="at most 8"):
        check_dns_servers(["1.1.1.1"] * 9)


def test_vpc_numbers_are_reused_lowest_first() -> None:
    assert choose_vni([]) == 1
    assert choose_vni([1, 2, 4]) == 3
    with pytest.raises(ResourceExhaustedError):
        choose_vni(range(1, VNI_MAX + 1))


@given(st.text(max_size=40))
def test_a_range_is_either_canonical_or_refused(text: str) -> None:
    try:
        assert str(parse_range(text, "cidr")) == text
    except Fault as refused:
        assert isinstance(refused, InvalidArgumentError)  # noqa: PT017 - both outcomes are right, nothing else is
