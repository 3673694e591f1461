"""The gateway's configuration.

```toml
state_dir = "/var/lib/ultracloud/apigateway"
traffic = "traffic.toml"          # may change while it runs
[listen]
address = "0.0.0.0:443"
[public]                          # what browsers and curl are shown; without it, the certificate of [tls]
certificate = "api.example.org.crt"
key = "api.example.org.key"
[tls]                             # who the gateway is to the services behind it
certificate = "apigateway.crt"
key = "apigateway.key"
ca = "ca.crt"
[peers]
iam = "127.0.0.1:7003"
prismnet = "127.0.0.1:7004"
plasmavmc = "127.0.0.1:7005"
```
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from ultracloud.servicekit.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Public:
    """The certificate that callers are shown. Both files, or none; they are read again when they change."""

    certificate: Path | None = None
    key: Path | None = None

    def __post_init__(self) -> None:
        if (self.certificate is None) != (self.key is None):
            raise ValueError("public has a certificate or a key alone; give both, or none of them")


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewaySettings(Settings):
    """What the gateway is told besides what every service is.

    Attributes:
        public: What callers are shown.
        traffic: File with what can change while it runs; see `apigateway.core.traffic`. None keeps the defaults.
    """

    public: Public = field(default_factory=Public)
    traffic: Path | None = None
