"""Where VMs go, and why not elsewhere."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plasmavmc.core.placement import HostName, Offer, fits, place
from plasmavmc.core.sizes import Size
from ultracloud.base.faults import FailedPreconditionError, ResourceExhaustedError

SMALL = Size(1, 512, 5)
NOTHING = Size(0, 0, 0)
ROOMY = Size(8, 8192, 100)
SIZES = st.builds(Size, st.integers(0, 16), st.integers(0, 16_384), st.integers(0, 500))
OFFERS = st.lists(
    st.builds(
        Offer,
        host=st.sampled_from("abcdef").map(HostName),
        total=SIZES,
        used=SIZES,
        is_cordoned=st.booleans(),
        is_lost=st.booleans(),
    ),
    max_size=6,
    unique_by=lambda offer: offer.host,
)


def host(name: str, used: Size = NOTHING, total: Size = ROOMY, **marks: bool) -> Offer:
    return Offer(HostName(name), total, used, **marks)


def test_emptiest_host_is_taken() -> None:
    assert place(SMALL, [host("a", Size(4, 0, 0)), host("b", Size(2, 0, 0)), host("c", Size(0, 4096, 0))]) == "b"


def test_equal_hosts_are_taken_by_name() -> None:
    assert place(SMALL, [host("b"), host("a")]) == "a"


def test_no_host_at_all_is_no_refusal() -> None:
    assert place(SMALL, []) is None


def test_vm_larger_than_every_host_is_told_the_largest() -> None:
    with pytest.raises(FailedPreconditionError) as refusal:
        place(Size(1, 65_536, 0), [host("a"), host("b", total=Size(16, 16_384, 10))])
    assert refusal.value.public == (
        "the VM wants 1 vCPU, 65536 MiB of memory, 0 GiB of disk, and no host is that large;"
        " the largest offers 16 vCPU, 16384 MiB of memory, 10 GiB of disk"
    )


def test_full_cloud_says_what_each_host_lacks() -> None:
    offers = [
        host("a", used=Size(8, 0, 0)),
        host("b", used=Size(0, 8000, 0)),
        host("c", used=Size(0, 8000, 0)),
        host("d", is_cordoned=True),
        host("e", is_lost=True),
    ]
    with pytest.raises(ResourceExhaustedError) as refusal:
        place(SMALL, offers)
    assert refusal.value.public.partition(": ")[2] == (
        "2 hosts with only 192 MiB of memory free; 1 host not reachable; 1 host taking no new VMs;"
        " 1 host with only 0 vCPU free"
    )


@given(SIZES, OFFERS)
def test_chosen_host_has_room_and_takes_vms(wanted: Size, offers: list[Offer]) -> None:
    try:
        chosen = place(wanted, offers)
    except (FailedPreconditionError, ResourceExhaustedError):
        assert not any(fits(wanted, offer.free) and not offer.is_cordoned and not offer.is_lost for offer in offers)
        return
    taken = [offer for offer in offers if offer.host == chosen]
    assert (chosen is None) == (not offers)
    assert all(fits(wanted, offer.free) and not offer.is_cordoned and not offer.is_lost for offer in taken)


@given(SIZES, OFFERS)
def test_order_of_hosts_does_not_matter(wanted: Size, offers: list[Offer]) -> None:
    assert outcome(wanted, offers) == outcome(wanted, offers[::-1])


@given(SIZES, OFFERS)
def test_refusal_names_no_host(wanted: Size, offers: list[Offer]) -> None:
    named = [replace(offer, host=HostName(f"secret-{offer.host}")) for offer in offers]
    assert "secret" not in str(outcome(wanted, named)) or outcome(wanted, named) in {offer.host for offer in named}


def outcome(wanted: Size, offers: list[Offer]) -> str | None:
    try:
        return place(wanted, offers)
    except (FailedPreconditionError, ResourceExhaustedError) as refusal:
        return refusal.public.partition("; the largest")[0]
