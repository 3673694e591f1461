"""What a VM may be asked to be: the words of its spec, checked and completed.

Pure; what must be looked up (image, flavour, subnets) is resolved by the shell and comes in.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum

from plasmavmc.core.sizes import Size, check_size
from ultracloud.base.faults import FailedPreconditionError, InvalidArgumentError

USER_DATA_BYTES_MAX = 32 * 1024
"""Twice EC2's 16 KiB; what is larger belongs on a server the user data fetches it from."""
NICS_MAX = 8
CMDLINE_LENGTH_MAX = 2047
"""Linux on x86 has 2048 bytes for it (COMMAND_LINE_SIZE), the final NUL included."""


class Power(Enum):
    """Whether a VM runs, wanted or found."""

    RUNNING = "running"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class PowerSpec:
    """The part of a spec that says whether it runs.

    Attributes:
        reboot_count: How often it shall have been started on purpose.
    """

    power: Power
    reboot_count: int


def first_power(wanted: Power | None) -> PowerSpec:
    """The power of a new VM: it runs unless it shall not, and its first start is number 1."""
    power = wanted or Power.RUNNING
    return PowerSpec(power, 1 if power is Power.RUNNING else 0)


def next_power(old: PowerSpec, wanted: PowerSpec) -> PowerSpec:
    """The power after an update from `old` to `wanted`: a start counts, and nobody counts back.

    Raises:
        InvalidArgumentError: `wanted` has a smaller count.
    """
    if wanted.reboot_count < old.reboot_count:
        raise InvalidArgumentError(
            f"reboot_count is {wanted.reboot_count}; it is {old.reboot_count} already and only grows",
            reason="REBOOT_COUNT_INVALID",
        )
    starts = old.power is Power.STOPPED and wanted.power is Power.RUNNING
    if starts and wanted.reboot_count == old.reboot_count:
        return replace(wanted, reboot_count=old.reboot_count + 1)
    return wanted


def started(old: PowerSpec, *, guest_is_off: bool) -> PowerSpec:
    """The power after a Start; unchanged if the VM runs or is about to."""
    if old.power is Power.STOPPED or guest_is_off:
        return PowerSpec(Power.RUNNING, old.reboot_count + 1)
    return old


def rebooted(old: PowerSpec) -> PowerSpec:
    """The power after a Reboot.

    Raises:
        FailedPreconditionError: The VM is stopped.
    """
    if old.power is Power.STOPPED:
        raise FailedPreconditionError("the VM is stopped; start it instead", reason="VM_STOPPED")
    return PowerSpec(Power.RUNNING, old.reboot_count + 1)


def choose_size(free: Size, flavour: Size | None, before: Size | None) -> Size:
    """The size of a VM: its flavour's, or the free one.

    Args:
        free: The sizes in the spec; all 0 if the caller gave none.
        flavour: The flavour's, if one is named.
        before: The size the VM had, on an update: repeating it beside a flavour is no contradiction.

    Raises:
        InvalidArgumentError: Both are given and differ, or a part is out of range.
    """
    if flavour is None:
        return check_size(free, "VM")
    given = any((free.vcpus, free.memory_mib, free.disk_gib))
    if given and free not in (flavour, before):
        raise InvalidArgumentError(
            f"the flavour has {flavour}, and the spec asks for {free}; give a flavour or sizes, not both",
            reason="SIZE_INVALID",
        )
    return check_size(flavour, "flavour")


def check_user_data(text: str) -> None:
    """Return if the user data fits.

    Raises:
        InvalidArgumentError: It is too long.
    """
    length = len(text.encode())
    if length > USER_DATA_BYTES_MAX:
        raise InvalidArgumentError(
            f"user_data has {length} bytes; at most {USER_DATA_BYTES_MAX} are accepted; let it fetch the rest",
            reason="USER_DATA_TOO_LONG",
        )


def check_nic_count(count: int) -> None:
    """Return if a VM may have that many interfaces.

    Raises:
        InvalidArgumentError: It may not.
    """
    if count > NICS_MAX:
        raise InvalidArgumentError(f"{count} nics; at most {NICS_MAX} are accepted", reason="NICS_TOO_MANY")


def check_cmdline(text: str) -> None:
    """Return if the kernel can be given these arguments.

    Raises:
        InvalidArgumentError: They are too long or hold what a command line cannot.
    """
    if len(text) > CMDLINE_LENGTH_MAX:
        raise InvalidArgumentError(
            f"cmdline has {len(text)} characters; at most {CMDLINE_LENGTH_MAX} are accepted", reason="CMDLINE_INVALID"
        )
    wrong = next((letter for letter in text if not (letter.isascii() and letter.isprintable())), "")
    if wrong:
        raise InvalidArgumentError(
            f"cmdline holds {wrong!a}; accepted: printable ASCII characters on one line", reason="CMDLINE_INVALID"
        )
