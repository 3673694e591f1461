"""Where requests come from: proxies of ours are believed, and nobody before them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apigateway.core.proxies import HOPS_MAX, Proxies

OURS = Proxies(["10.0.0.5", "10.1.0.0/16", "fd00::/8"])


@pytest.mark.parametrize(
    ("host", "told", "source"),
    [
        ("192.0.2.1", "", "192.0.2.1"),
        ("192.0.2.1", "6.6.6.6", "192.0.2.1"),
        ("10.0.0.5", "", "10.0.0.5"),
        ("10.0.0.5", "192.0.2.1", "192.0.2.1"),
        ("10.0.0.5", "6.6.6.6, 192.0.2.1", "192.0.2.1"),
        ("10.0.0.5", "6.6.6.6, 192.0.2.1, 10.1.2.3", "192.0.2.1"),
        ("10.0.0.5", "10.1.2.3", "10.1.2.3"),
        ("10.0.0.5", "192.0.2.1, unknown", "10.0.0.5"),
        ("10.0.0.5", "192.0.2.1,", "10.0.0.5"),
        ("10.0.0.5", "2001:db8::7", "2001:db8::7"),
        ("::ffff:10.0.0.5", "192.0.2.1", "192.0.2.1"),
        ("fd00::1", "192.0.2.1", "192.0.2.1"),
        ("unix", "192.0.2.1", "unix"),
    ],
)
def test_a_list_is_believed_from_its_end_as_long_as_the_word_is_ours(host: str, told: str, source: str) -> None:
    assert OURS.source(host, told) == source


@given(st.lists(st.ip_addresses().map(str) | st.text(max_size=20)))
def test_without_proxies_nothing_of_it_is_read(entries: list[str]) -> None:
    assert Proxies().source("192.0.2.1", ",".join(entries)) == "192.0.2.1"


@given(st.text(max_size=50), st.sampled_from(["192.0.2.1", "2001:db8::7"]))
def test_what_a_caller_writes_before_its_own_address_changes_nothing(written: str, caller: str) -> None:
    assert OURS.source("10.0.0.5", f"{written}, {caller}") == caller


def test_a_list_without_end_is_read_no_further_than_its_last_entries() -> None:
    assert OURS.source("10.0.0.5", ",".join(["6.6.6.6", *["10.0.0.5"] * HOPS_MAX])) == "10.0.0.5"


@pytest.mark.parametrize("text", ["", "proxy.example", "10.0.0.0/33", "10.0.0.1/8", "0.0.0.0/0", "::/0"])
def test_what_is_no_network_and_what_is_all_of_them_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"accepted|trusts everybody|appears"):
        Proxies([text])
