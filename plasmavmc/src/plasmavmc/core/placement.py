"""Placement: which host a VM goes to, and why not to the others.

Pure: hosts with what they offer and what is reserved on them in, a host or a refusal out. The choice is the host that
is emptiest after it (spread), so that one dead host takes few VMs along; ties fall to the name, so that the same
question has the same answer.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NewType

from plasmavmc.core.sizes import Size
from ultracloud.base.faults import FailedPreconditionError, ResourceExhaustedError

HostName = NewType("HostName", str)
EXPLAINED_MAX = 5
"""Hosts named in a refusal; an operator lists the rest."""


@dataclass(frozen=True, slots=True)
class Offer:
    """One host.

    Attributes:
        total: What VMs may use of it.
        used: What is reserved for VMs placed there.
        is_cordoned: An operator wants no new VM there.
        is_lost: Its agent has been away for too long.
    """

    host: HostName
    total: Size
    used: Size
    is_cordoned: bool = False
    is_lost: bool = False

    @property
    def free(self) -> Size:
        """What is left; never below 0."""
        return Size(
            max(0, self.total.vcpus - self.used.vcpus),
            max(0, self.total.memory_mib - self.used.memory_mib),
            max(0, self.total.disk_gib - self.used.disk_gib),
        )


def place(wanted: Size, offers: Sequence[Offer]) -> HostName | None:
    """Choose a host for a VM of this size; None if there is no host at all yet.

    Raises:
        FailedPreconditionError: No host is that large, even empty.
        ResourceExhaustedError: Those that are large enough have no room now, or take no VMs.
    """
    if not offers:
        return None
    if not any(fits(wanted, offer.total) for offer in offers):
        raise FailedPreconditionError(
            f"the VM wants {wanted}, and no host is that large; the largest offers {_largest(offers)}",
            hint="choose a smaller flavour, or add a larger host",
            reason="VM_LARGER_THAN_ANY_HOST",
        )
    candidates = [offer for offer in offers if not offer.is_cordoned and not offer.is_lost and fits(wanted, offer.free)]
    if not candidates:
        raise ResourceExhaustedError(
            f"no host has room for {wanted}: {explain(wanted, offers)}",
            hint="delete or shrink VMs, or add a host",
            reason="NO_CAPACITY",
        )
    return min(candidates, key=lambda offer: (fullness(wanted, offer), offer.host)).host


def fits(wanted: Size, available: Size) -> bool:
    """Whether `wanted` is within `available` in every dimension."""
    return (
        wanted.vcpus <= available.vcpus
        and wanted.memory_mib <= available.memory_mib
        and wanted.disk_gib <= available.disk_gib
    )


def fullness(wanted: Size, offer: Offer) -> float:
    """How full the host's fullest dimension would be with the VM on it, 0 to 1."""
    parts = (
        (offer.used.vcpus + wanted.vcpus, offer.total.vcpus),
        (offer.used.memory_mib + wanted.memory_mib, offer.total.memory_mib),
        (offer.used.disk_gib + wanted.disk_gib, offer.total.disk_gib),
    )
    return max(used / total if total else 0.0 for used, total in parts)


def explain(wanted: Size, offers: Iterable[Offer]) -> str:
    """Why each host does not take it. Hosts are counted, not named: their names are the operator's business."""
    reasons: dict[str, int] = {}
    for offer in offers:
        reason = _why_not(wanted, offer)
        reasons[reason] = reasons.get(reason, 0) + 1
    shown = sorted(reasons.items(), key=lambda item: (-item[1], item[0]))[:EXPLAINED_MAX]
    return "; ".join(f"{count} host{'s' if count > 1 else ''} {reason}" for reason, count in shown)


def _why_not(wanted: Size, offer: Offer) -> str:
    """What speaks against one host."""
    if offer.is_lost:
        return "not reachable"
    if offer.is_cordoned:
        return "taking no new VMs"
    free = offer.free
    for name, need, left in (
        ("vCPU", wanted.vcpus, free.vcpus),
        ("MiB of memory", wanted.memory_mib, free.memory_mib),
        ("GiB of disk", wanted.disk_gib, free.disk_gib),
    ):
        if need > left:
            return f"with only {left} {name} free"
    return "with room"


def _largest(offers: Iterable[Offer]) -> Size:
    """The most any host offers, dimension by dimension of the one with the most memory."""
    return max((offer.total for offer in offers), key=lambda total: (total.memory_mib, total.vcpus, total.disk_gib))
