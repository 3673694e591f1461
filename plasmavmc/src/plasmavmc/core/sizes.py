"""How large a VM may be; the limits, and why."""

from __future__ import annotations

from dataclasses import dataclass

from ultracloud.base.faults import InvalidArgumentError

VCPUS_MAX = 64
"""Without a NUMA topology more do not help a guest."""
MEMORY_MIB_MIN = 32
"""Below it no Linux kernel reaches its init."""
MEMORY_MIB_MAX = 1024 * 1024
"""1 TiB."""
DISK_GIB_MAX = 16 * 1024
"""16 TiB: what ext4 and qcow2 with its default clusters carry well."""
GIB = 1024**3


@dataclass(frozen=True, slots=True)
class Size:
    """What a VM takes of a host."""

    vcpus: int
    memory_mib: int
    disk_gib: int

    def __str__(self) -> str:
        """For sentences."""
        return f"{self.vcpus} vCPU, {self.memory_mib} MiB of memory, {self.disk_gib} GiB of disk"


def check_size(size: Size, what: str) -> Size:
    """Give `size` back if a VM may have it.

    Raises:
        InvalidArgumentError: A part is out of range; the sentence names the range.
    """
    for field, value, least, most in (
        ("vcpus", size.vcpus, 1, VCPUS_MAX),
        ("memory_mib", size.memory_mib, MEMORY_MIB_MIN, MEMORY_MIB_MAX),
        ("disk_gib", size.disk_gib, 0, DISK_GIB_MAX),
    ):
        if not least <= value <= most:
            raise InvalidArgumentError(
                f"{field} of the {what} is {value}; accepted: {least} to {most}",
                reason="SIZE_INVALID",
                metadata={"field": field},
            )
    return size


def disk_for_image(wanted_gib: int, virtual_size_bytes: int) -> int:
    """The disk's size for an image that a guest sees as `virtual_size_bytes`; 0 takes the image's own.

    Raises:
        InvalidArgumentError: The disk would be smaller than the image.
    """
    least_gib = -(-virtual_size_bytes // GIB)
    if wanted_gib and wanted_gib < least_gib:
        raise InvalidArgumentError(
            f"disk_gib is {wanted_gib}, but the image's disk has {least_gib} GiB; accepted: {least_gib} to"
            f" {DISK_GIB_MAX}, or 0 for the image's own size",
            reason="SIZE_INVALID",
            metadata={"field": "disk_gib"},
        )
    return wanted_gib or least_gib
