"""Words of a VM's spec."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plasmavmc.core.sizes import Size, check_size, disk_for_image
from plasmavmc.core.vms import (
    USER_DATA_BYTES_MAX,
    Power,
    PowerSpec,
    check_cmdline,
    check_nic_count,
    check_user_data,
    choose_size,
    first_power,
    next_power,
    rebooted,
    started,
)
from ultracloud.base.faults import FailedPreconditionError, InvalidArgumentError

FREE, FLAVOUR, NONE = Size(1, 256, 0), Size(2, 512, 10), Size(0, 0, 0)
GIB = 1024**3


def test_new_vm_runs_and_counts_its_first_start() -> None:
    assert first_power(None) == PowerSpec(Power.RUNNING, 1)
    assert first_power(Power.STOPPED) == PowerSpec(Power.STOPPED, 0)


def test_start_counts_only_what_is_off() -> None:
    assert started(PowerSpec(Power.STOPPED, 0), guest_is_off=False) == PowerSpec(Power.RUNNING, 1)
    assert started(PowerSpec(Power.RUNNING, 1), guest_is_off=False) == PowerSpec(Power.RUNNING, 1)
    assert started(PowerSpec(Power.RUNNING, 1), guest_is_off=True) == PowerSpec(Power.RUNNING, 2)


def test_stopped_vm_cannot_reboot() -> None:
    assert rebooted(PowerSpec(Power.RUNNING, 1)) == PowerSpec(Power.RUNNING, 2)
    with pytest.raises(FailedPreconditionError, match="start it instead"):
        rebooted(PowerSpec(Power.STOPPED, 1))


def test_update_that_starts_counts_by_itself() -> None:
    off = PowerSpec(Power.STOPPED, 3)
    assert next_power(off, PowerSpec(Power.RUNNING, 3)) == PowerSpec(Power.RUNNING, 4)
    assert next_power(off, PowerSpec(Power.RUNNING, 7)) == PowerSpec(Power.RUNNING, 7)


def test_nobody_counts_back() -> None:
    with pytest.raises(InvalidArgumentError, match="reboot_count is 2; it is 3 already"):
        next_power(PowerSpec(Power.RUNNING, 3), PowerSpec(Power.RUNNING, 2))


def test_size_is_the_flavours_or_free_and_never_both() -> None:
    assert choose_size(FREE, None, None) == FREE
    assert choose_size(NONE, FLAVOUR, None) == FLAVOUR
    assert choose_size(FREE, FLAVOUR, before=FREE) == FLAVOUR
    with pytest.raises(InvalidArgumentError, match="give a flavour or sizes, not both"):
        choose_size(FREE, FLAVOUR, None)


@pytest.mark.parametrize(
    ("size", "says"),
    [
        (NONE, "vcpus of the VM is 0; accepted: 1 to 64"),
        (Size(65, 256, 0), "vcpus of the VM is 65"),
        (Size(1, 31, 0), "memory_mib of the VM is 31; accepted: 32 to 1048576"),
        (Size(1, 256, 16385), "disk_gib of the VM is 16385; accepted: 0 to 16384"),
    ],
)
def test_size_out_of_range_is_told_the_range(size: Size, says: str) -> None:
    with pytest.raises(InvalidArgumentError, match=says):
        check_size(size, "VM")


def test_disk_is_never_smaller_than_its_image() -> None:
    assert disk_for_image(0, 0) == 0
    assert disk_for_image(0, GIB + 1) == 2
    assert disk_for_image(5, GIB) == 5
    with pytest.raises(InvalidArgumentError, match="disk_gib is 1, but the image's disk has 2 GiB"):
        disk_for_image(1, 2 * GIB)


@given(st.text())
def test_cmdline_is_printable_ascii_or_refused(text: str) -> None:
    if text.isascii() and (not text or text.isprintable()):
        check_cmdline(text)
    else:
        with pytest.raises(InvalidArgumentError, match="cmdline"):
            check_cmdline(text)


def test_user_data_is_counted_in_bytes() -> None:
    check_user_data("x" * USER_DATA_BYTES_MAX)
    with pytest.raises(InvalidArgumentError, match="user_data has 32769 bytes"):
        check_user_data("x" * (USER_DATA_BYTES_MAX + 1))
    with pytest.raises(InvalidArgumentError, match="user_data has 49152 bytes"):
        check_user_data("\u2603" * (USER_DATA_BYTES_MAX // 2))


def test_long_cmdline_and_many_nics_are_refused() -> None:
    with pytest.raises(InvalidArgumentError, match="at most 2047"):
        check_cmdline("x" * 2048)
    with pytest.raises(InvalidArgumentError, match="9 nics; at most 8"):
        check_nic_count(9)
