"""What a file is, by its first bytes: so that an image that is no image is refused by name, not by a VM that hangs.

Source: QEMU's docs/interop/qcow2.txt; Linux Documentation/arch/x86/boot.rst (HdrS), driver-api/early-userspace
(initramfs buffer format); the magic numbers of gzip (RFC 1952), xz, zstd (RFC 8878), bzip2, lzma, lz4, lzop.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from ultracloud.base.faults import InvalidArgumentError

HEAD_BYTES = 36 * 1024
"""How much of a file is looked at: an ISO 9660 volume says what it is at 32 KiB."""
SECTOR_BYTES = 512


class Role(Enum):
    """What a file shall serve as."""

    QCOW2 = "a qcow2 disk"
    RAW = "a raw disk"
    KERNEL = "a kernel"
    INITRD = "an initial RAM disk"


@dataclass(frozen=True, slots=True)
class _Signature:
    """Bytes at a place, and what a file with them is."""

    offset: int
    magic: bytes
    name: str


_ISO = "an ISO 9660 image"
_DISK = "a disk with a partition table or a file system"
_SIGNATURES = (
    _Signature(0x202, b"HdrS", "a Linux kernel (bzImage)"),
    _Signature(0, b"\x7fELF", "an ELF file"),
    _Signature(0, b"QFI\xfb", "a qcow2 disk"),
    _Signature(0, b"070701", "a cpio archive"),
    _Signature(0, b"070702", "a cpio archive"),
    _Signature(0, b"\x1f\x8b", "gzip data"),
    _Signature(0, b"\xfd7zXZ\x00", "xz data"),
    _Signature(0, b"\x28\xb5\x2f\xfd", "zstd data"),
    _Signature(0, b"BZh", "bzip2 data"),
    _Signature(0, b"\x5d\x00\x00", "lzma data"),
    _Signature(0, b"\x02\x21\x4c\x18", "lz4 data"),
    _Signature(0, b"\x04\x22\x4d\x18", "lz4 data"),
    _Signature(0, b"\x89LZO\x00", "lzop data"),
    _Signature(0, b"KDMV", "a VMDK disk"),
    _Signature(0, b"# Disk DescriptorFile", "a VMDK descriptor"),
    _Signature(0, b"conectix", "a VHD disk"),
    _Signature(0, b"vhdxfile", "a VHDX disk"),
    _Signature(0x40, b"\x7f\x10\xda\xbe", "a VDI disk"),
    _Signature(0x8001, b"CD001", _ISO),
    _Signature(257, b"ustar", "a tar archive"),
    _Signature(0, b"PK\x03\x04", "a zip archive"),
    _Signature(0, b"%PDF", "a PDF document"),
    _Signature(0, b"\x89PNG", "a PNG picture"),
    _Signature(0, b"#!", "a script"),
)
_COMPRESSED = ("gzip data", "xz data", "zstd data", "bzip2 data", "lzma data", "lz4 data", "lzop data")
_NAMES = {
    Role.QCOW2: ("a qcow2 disk",),
    Role.RAW: (_DISK, _ISO),
    Role.KERNEL: ("a Linux kernel (bzImage)", "an ELF file"),
    Role.INITRD: ("a cpio archive", *_COMPRESSED),
}
_ACCEPTED = {
    Role.QCOW2: "a qcow2 file",
    Role.RAW: "the bytes of a disk, a multiple of 512, with a partition table or a file system",
    Role.KERNEL: "a bzImage or an uncompressed vmlinux",
    Role.INITRD: "a cpio archive, plain or compressed with gzip, xz, zstd, bzip2, lzma, lz4 or lzop",
}
_EXT_MAGIC, _EXT_MAGIC_AT = b"\x53\xef", 0x438
_FILE_SYSTEMS = ((0, b"XFSB"), (0x10040, b"_BHRfS_M"), (3, b"NTFS"), (82, b"FAT32"), (54, b"FAT1"))


def name_of(head: bytes) -> str:
    """What a file that begins with `head` is, in a few words."""
    for signature in _SIGNATURES:
        if head.startswith(signature.magic, signature.offset):
            return signature.name
    if not head:
        return "an empty file"
    if head.isascii() and all(byte >= 32 or byte in b"\t\n\r\f" for byte in head):  # noqa: PLR2004 - ASCII's printables
        return "a text file"
    return _DISK if _is_disk(head) else "unknown data"


def check_role(head: bytes, size_bytes: int, role: Role) -> None:
    """Return if a file may serve as `role`.

    Args:
        head: The first HEAD_BYTES of it, or all of it.
        size_bytes: Its length.
        role: What it shall be.

    Raises:
        InvalidArgumentError: It is something else; the sentence says what it is and what is accepted.
    """
    found = name_of(head)
    if role is Role.RAW and size_bytes % SECTOR_BYTES:
        found = f"{size_bytes} bytes long"
    if found not in _NAMES[role]:
        raise InvalidArgumentError(
            f"the file is {found}, which cannot serve as {role.value}; accepted: {_ACCEPTED[role]}",
            reason="IMAGE_FORMAT",
            metadata={"found": found},
        )


def _is_disk(head: bytes) -> bool:
    """Whether it begins like a disk: a boot sector (also GPT's protective one) or a file system."""
    if head[510:512] == b"\x55\xaa":
        return True
    if head[_EXT_MAGIC_AT : _EXT_MAGIC_AT + 2] == _EXT_MAGIC:
        return True
    return any(head.startswith(magic, at) for at, magic in _FILE_SYSTEMS)
