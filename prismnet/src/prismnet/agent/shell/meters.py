"""What an operator can read of the agent under ``/metrics``."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from prismnet.agent.core.reports import HostReport

CONVERGE_BUCKETS_S = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""From one port on a quiet host to hundreds at once."""


class Meters:
    """The agent's figures; `registry` is the process's."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.generation = Gauge(
            "prismnet_agent_intent_generation", "Generation of the intent applied last", registry=registry
        )
        self.converge_seconds = Histogram(
            "prismnet_agent_converge_seconds",
            "From an intent to the kernel",
            buckets=CONVERGE_BUCKETS_S,
            registry=registry,
        )
        self._ports = Gauge("prismnet_agent_ports", "Ports of the intent", ["ready"], registry=registry)
        self._vpcs = Gauge("prismnet_agent_vpcs", "VPCs of the intent", ["egress"], registry=registry)
        self.dhcp_replies = Counter("prismnet_agent_dhcp_replies", "DHCP answers", ["kind"], registry=registry)
        self.metadata_answers = Counter(
            "prismnet_agent_metadata_answers", "Metadata answers by HTTP status", ["status"], registry=registry
        )

    def take(self, report: HostReport) -> None:
        """Show what the server is told."""
        for value, word in ((True, "yes"), (False, "no")):
            self._ports.labels(word).set(sum(port.ready is value for port in report.ports))
            self._vpcs.labels(word).set(sum(vpc.egress is value for vpc in report.vpcs))
        self.generation.set(report.generation)
