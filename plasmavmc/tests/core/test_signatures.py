"""Files by their first bytes."""

from __future__ import annotations

import gzip
import lzma

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plasmavmc.core.signatures import HEAD_BYTES, Role, check_role, name_of
from ultracloud.base.faults import InvalidArgumentError

BZIMAGE = b"\0" * 510 + b"\x55\xaa\xeb\x66HdrS" + b"\0" * 100
MBR = b"\xeb\x63\x90" + b"\0" * 507 + b"\x55\xaa"
EXT4 = b"\0" * 0x438 + b"\x53\xef" + b"\0" * 100
ISO = b"\0" * 0x8001 + b"CD001" + b"\0" * 100
QCOW2 = b"QFI\xfb\0\0\0\x03" + b"\0" * 100
CPIO = b"070701" + b"0" * 104


def quiet_id(value: object) -> str:
    """A test's name holds no bytes: compressed ones have the time in them."""
    return value.name if isinstance(value, Role) else ""


@pytest.mark.parametrize(
    ("head", "role"),
    [
        (BZIMAGE, Role.KERNEL),
        (b"\x7fELF" + b"\0" * 60, Role.KERNEL),
        (CPIO, Role.INITRD),
        (gzip.compress(CPIO), Role.INITRD),
        (lzma.compress(CPIO), Role.INITRD),
        (b"\x28\xb5\x2f\xfd" + b"\0" * 9, Role.INITRD),
        (QCOW2, Role.QCOW2),
        (MBR, Role.RAW),
        (EXT4, Role.RAW),
        (ISO, Role.RAW),
    ],
    ids=quiet_id,
)
def test_right_file_is_accepted(head: bytes, role: Role) -> None:
    check_role(head, 512 * 1024, role)


@pytest.mark.parametrize(
    ("head", "role", "says"),
    [
        (
            b"#!/bin/sh\n",
            Role.QCOW2,
            "the file is a script, which cannot serve as a qcow2 disk; accepted: a qcow2 file",
        ),
        (b"", Role.KERNEL, "the file is an empty file"),
        (b"root:x:0:0:root\n", Role.RAW, "the file is a text file"),
        (QCOW2, Role.RAW, "the file is a qcow2 disk"),
        (MBR, Role.QCOW2, "a disk with a partition table"),
        (BZIMAGE, Role.RAW, r"a Linux kernel \(bzImage\)"),
        (BZIMAGE, Role.INITRD, "cannot serve as an initial RAM disk"),
        (gzip.compress(b"x"), Role.KERNEL, "the file is gzip data"),
        (b"KDMV" + b"\0" * 512, Role.RAW, "a VMDK disk"),
        (b"\x89PNG\r\n", Role.KERNEL, "a PNG picture"),
        (bytes(range(1, 256)), Role.RAW, "unknown data"),
    ],
    ids=quiet_id,
)
def test_wrong_file_is_refused_by_name(head: bytes, role: Role, says: str) -> None:
    with pytest.raises(InvalidArgumentError, match=says):
        check_role(head, 512 * 1024, role)


def test_raw_disk_of_an_odd_length_is_refused() -> None:
    with pytest.raises(InvalidArgumentError, match="the file is 1000 bytes long"):
        check_role(MBR, 1000, Role.RAW)


@given(st.binary(max_size=2048))
def test_any_bytes_have_a_name(head: bytes) -> None:
    assert name_of(head)


@given(st.binary(max_size=600), st.sampled_from(Role))
def test_any_bytes_are_accepted_or_refused(head: bytes, role: Role) -> None:
    try:
        check_role(head[:HEAD_BYTES], len(head), role)
    except InvalidArgumentError as refusal:
        assert refusal.reason == "IMAGE_FORMAT"  # noqa: PT017 - both outcomes are right
