"""iam's configuration.

```toml
state_dir = "/var/lib/ultracloud/iam"
admins = ["spiffe://ultracloud.local/operator/ada"]
root_key_file = "root.key"
create_root_key = true
[peers]
flaredb = "127.0.0.1:7002"
```
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ultracloud.base.principals import PrincipalKind, spiffe_principal
from ultracloud.servicekit.settings import Settings

ADMINS_MAX = 100
"""Operators of one cloud; they are part of the policy that every service holds."""
KEY_DAYS_MIN, KEY_DAYS_MAX = 1, 365


@dataclass(frozen=True, slots=True, kw_only=True)
class IamSettings(Settings):
    """What iam is told besides what every service is.

    Attributes:
        root_key_file: 32 bytes in hexadecimal that seal the signing keys; mode 0600. Without it the keys in flaredb are
            lost, and every token with them: keep a copy elsewhere.
        create_root_key: Whether to make the file at the first start, when nothing has been sealed yet.
        admins: SPIFFE ids of operators who own the whole cloud.
        signing_key_days: Age at which the next signing key is made.
    """

    root_key_file: Path
    create_root_key: bool = False
    admins: tuple[str, ...] = ()
    signing_key_days: int = 30

    def __post_init__(self) -> None:
        if len(self.admins) > ADMINS_MAX:
            raise ValueError(f"admins has {len(self.admins)} entries; at most {ADMINS_MAX} are accepted")
        for uri in self.admins:
            if spiffe_principal(uri).kind is not PrincipalKind.OPERATOR:
                raise ValueError(f"admins has {uri!a}; accepted: spiffe://ultracloud.local/operator/<name>")
        if not KEY_DAYS_MIN <= self.signing_key_days <= KEY_DAYS_MAX:
            raise ValueError(f"signing_key_days is {self.signing_key_days}; accepted: {KEY_DAYS_MIN} to {KEY_DAYS_MAX}")
