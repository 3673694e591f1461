from __future__ import annotations

import pytest

from prismnet.core.ports import check_device_owner, check_placement
from ultracloud.base.faults import FailedPreconditionError, InvalidArgumentError

VM = "vm-01jdh4x0k3v8p7q2m9n5r6s7t8"


def test_free_fields_may_be_empty_or_sound() -> None:
    check_placement("", "", "")
    check_placement("node-1.rack", VM, "web-0")


@pytest.mark.parametrize(
    ("host", "device", "hostname"),
    [
        ("Node", "", ""),
        ("a/b", "", ""),
        ("x" * 64, "", ""),
        ("", "x" * 65, ""),
        ("", "two\nlines", ""),
        ("", "", "under_score"),
        ("", "", "-x"),
    ],
)
def test_malformed_fields_are_refused(host: str, device: str, hostname: str) -> None:
    with pytest.raises(InvalidArgumentError):
        check_placement(host, device, hostname)


def test_a_vms_port_is_not_anybodys() -> None:
    check_device_owner(VM, by_service=True)
    check_device_owner("my-probe", by_service=False)
    check_device_owner("", by_service=False)
    with pytest.raises(FailedPreconditionError, match=f"used by {VM}"):
        check_device_owner(VM, by_service=False)
