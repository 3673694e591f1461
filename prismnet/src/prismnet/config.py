"""The server's configuration.

```toml
state_dir = "/var/lib/ultracloud/prismnet"
[listen]
address = "127.0.0.1:7004"
[peers]
flaredb = "127.0.0.1:7002"
iam = "127.0.0.1:7003"
chainfire = "127.0.0.1:2379"      # only where several replicas run: they share the work by its elections
[quota]
each = {vpcs = 20, ports = 500}   # of each project of which iam says nothing else
```
"""

from __future__ import annotations

from dataclasses import dataclass, field

from ultracloud.servicekit.settings import Quotas, Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class PrismnetSettings(Settings):
    """What prismnet is told besides what every service is.

    Attributes:
        quota: What projects may have at most of ``vpcs``, ``subnets``, ``security-groups`` and ``ports``.
    """

    quota: Quotas = field(default_factory=Quotas)
