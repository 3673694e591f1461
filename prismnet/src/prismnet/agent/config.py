"""The agent's configuration file.

```toml
host = "node-1"
state_dir = "/var/lib/ultracloud/prismnet-agent"
uplink = "eth0"
[peers]
prismnet = "unix:/run/ultracloud/prismnet.sock"
```
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv4Network
from pathlib import Path

from prismnet.agent.core.desired import HostSettings
from prismnet.agent.core.state import LinkName
from prismnet.core.ids import NAMESPACE_FOLDER
from ultracloud.servicekit.settings import Settings

MTU_MIN, MTU_MAX = 576, 65_521
"""RFC 791: every host takes 576. The kernel's virtual links end at 65,535 less an Ethernet header."""
TRANSIT = "100.64.0.0/10"
"""RFC 6598: shared address space, which no tenant and no office network has."""

_LINK = re.compile(r"[!-.0-~]{1,15}")


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentConfig(Settings):
    """What the agent is told.

    Attributes:
        host: This host's name, as in its certificate and in ports' `host`.
        uplink: Link that leads outside; empty for none: then no VPC has egress, and its condition says so.
        mtu: Of tenant links; DHCP tells guests.
        transit_cidr: Range for the links between router namespaces and the host, seen by nobody outside.
        metadata_socket: Where plasmavmc's agent serves metadata.
        namespaces: Folder of namespace names.
    """

    host: str
    uplink: str = ""
    mtu: int = 1450
    transit_cidr: str = TRANSIT
    metadata_socket: Path = Path("/run/ultracloud/plasmavmc-metadata.sock")
    namespaces: Path = Path(NAMESPACE_FOLDER)

    def __post_init__(self) -> None:
        if not self.host:
            raise ValueError("host is empty; it must be this host's name")
        if self.uplink and not _LINK.fullmatch(self.uplink):
            raise ValueError(f"uplink '{self.uplink}' is no link's name; it must be 1 to 15 characters without '/'")
        if not MTU_MIN <= self.mtu <= MTU_MAX:
            raise ValueError(f"mtu {self.mtu} is out of range; it must be {MTU_MIN} to {MTU_MAX}")
        self.host_settings()

    @property
    def uplink_name(self) -> LinkName | None:
        """The uplink, None for none."""
        return LinkName(self.uplink) if self.uplink else None

    def host_settings(self) -> HostSettings:
        """What the planner needs of all this.

        Raises:
            ValueError: The transit range is no range, or too small.
        """
        return HostSettings(uplink=self.uplink_name, mtu=self.mtu, transit=IPv4Network(self.transit_cidr))
