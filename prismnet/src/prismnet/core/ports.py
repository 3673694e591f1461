"""What else of a port is checked: its host, its device, its host name."""

from __future__ import annotations

import re

from ultracloud.base.faults import FailedPreconditionError, InvalidArgumentError
from ultracloud.base.ids import is_id
from ultracloud.base.names import check_name

DEVICE_LENGTH_MAX = 64
"""An id, or a short word of a person's own."""
VM_PREFIX = "vm"
_HOST = re.compile(r"[a-z0-9]([a-z0-9._-]{0,61}[a-z0-9])?")


def check_placement(host: str, device: str, hostname: str) -> None:
    """The free fields of a port.

    Raises:
        InvalidArgumentError: One of them is malformed.
    """
    if host and not _HOST.fullmatch(host):
        raise InvalidArgumentError(
            f"host {host[:64]!a} is no host's name; accepted: 1 to 63 of a-z 0-9 . _ -", reason="HOST_INVALID"
        )
    if len(device) > DEVICE_LENGTH_MAX or not device.isascii() or not device.isprintable():
        raise InvalidArgumentError(
            f"device has over {DEVICE_LENGTH_MAX} characters or unprintable ones", reason="DEVICE_INVALID"
        )
    if hostname:
        check_name(hostname, "hostname")


def check_device_owner(device: str, *, by_service: bool) -> None:
    """A port that a VM uses is that VM's: only services give and take it.

    Raises:
        FailedPreconditionError: Somebody else tries.
    """
    if is_id(device, VM_PREFIX) and not by_service:
        raise FailedPreconditionError(
            f"the port is used by {device}; delete the VM, or take the interface off it, first", reason="PORT_IN_USE"
        )
