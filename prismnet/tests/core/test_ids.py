from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from prismnet.core.ids import (
    PortId,
    VpcId,
    bridge_name,
    mac_of,
    namespace_path,
    router_port_name,
    tap_name,
    transit_name,
    veth_name,
)
from ultracloud.base.ids import make_id

IFNAMSIZ = 16
VPC = VpcId("vpc-01jdh4x0k3v8p7q2m9n5r6s7t8")
PORT = PortId("port-01jdh4x0k3v8p7q2m9n5r6s7t8")


def test_device_names_fit_the_kernel_and_say_whose_they_are() -> None:
    names = [bridge_name(VPC), router_port_name(VPC), transit_name(VPC), tap_name(PORT), veth_name(PORT)]
    assert names == ["br-m9n5r6s7t8", "rtm9n5r6s7t8", "trm9n5r6s7t8", "tapm9n5r6s7t8", "vpm9n5r6s7t8"]
    assert all(len(name) < IFNAMSIZ for name in names)
    assert namespace_path(PORT) == f"/run/netns/{PORT}"


@given(st.binary(min_size=10, max_size=10))
def test_a_mac_is_unicast_local_and_always_the_same(entropy: bytes) -> None:
    mac = mac_of(make_id("port", 1, entropy))
    octets = bytes.fromhex(mac.replace(":", ""))
    assert mac == mac_of(make_id("port", 1, entropy))
    assert len(octets) == 6
    assert octets[0] & 0b11 == 0b10
