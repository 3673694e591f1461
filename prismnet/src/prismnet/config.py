"""The server's configuration.

```toml
state_dir = "/var/lib/ultracloud/prismnet"
[listen]
address = "127.0.0.1:7004"
[peers]
flaredb = "127.0.0.1:7002"
iam = "127.0.0.1:7003"
```
"""

from __future__ import annotations

from dataclasses import dataclass

from ultracloud.servicekit.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class PrismnetSettings(Settings):
    """What prismnet is told: what every service is, and nothing besides."""
