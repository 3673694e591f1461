"""What the agent tells the server: which ports stand, which do not and why, and which VPCs reach the outside."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from prismnet.agent.core.desired import HostSettings
from prismnet.agent.core.state import HOST_OWNER, LinkName, Owner
from prismnet.core.ids import PortId, VpcId
from prismnet.core.intent import HostIntent, Vpc


@dataclass(frozen=True, slots=True)
class PortReport:
    """One port.

    Attributes:
        message: Why it is not ready; empty if it is.
        leased_at_ms: Unix milliseconds of the last address confirmed by DHCP; 0 for none.
    """

    id: PortId
    generation: int
    ready: bool
    message: str
    leased_at_ms: int


@dataclass(frozen=True, slots=True)
class VpcReport:
    """One VPC: whether its traffic can leave the host, and if not, why."""

    id: VpcId
    egress: bool
    message: str


@dataclass(frozen=True, slots=True)
class HostReport:
    """One host, at one generation of its intent."""

    host: str
    generation: int
    ports: tuple[PortReport, ...]
    vpcs: tuple[VpcReport, ...]


def report(
    intent: HostIntent,
    settings: HostSettings,
    uplink: LinkName | None,
    failed: Mapping[Owner, str],
    leases: Mapping[PortId, int],
) -> HostReport:
    """What to say after an intent was applied.

    Args:
        intent: What was applied.
        settings: With the uplink as found.
        uplink: The uplink as configured.
        failed: Who failed, and why.
        leases: When each port's guest last got its address.
    """
    ports = tuple(
        PortReport(
            id=port.id,
            generation=port.generation,
            ready=not (why := _why_not(failed, Owner(port.id), Owner(vpc.id))),
            message=why,
            leased_at_ms=leases.get(port.id, 0),
        )
        for vpc in intent.vpcs
        for port in vpc.ports
    )
    vpcs = tuple(_vpc_report(vpc, settings, uplink, failed) for vpc in intent.vpcs)
    return HostReport(intent.host, intent.generation, ports, vpcs)


def _vpc_report(vpc: Vpc, settings: HostSettings, uplink: LinkName | None, failed: Mapping[Owner, str]) -> VpcReport:
    """Whether a VPC reaches the outside."""
    why = _why_not(failed, Owner(vpc.id))
    if not why and not vpc.egress_nat:
        why = "egress_nat is off for this VPC"
    if not why and uplink is None:
        why = "this host has no uplink configured; set 'uplink' in its agent's configuration"
    if not why and settings.uplink is None:
        why = f"this host's uplink '{uplink}' does not exist; egress starts when it appears"
    return VpcReport(vpc.id, egress=not why, message=why)


def _why_not(failed: Mapping[Owner, str], *owners: Owner) -> str:
    """The first failure that stands in the way of any of `owners`."""
    return next((failed[owner] for owner in (*owners, HOST_OWNER) if owner in failed), "")
