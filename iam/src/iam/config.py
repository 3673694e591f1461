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

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from ultracloud.base.principals import PrincipalKind, spiffe_principal
from ultracloud.servicekit.settings import Settings

ADMINS_MAX = 100
"""Operators of one cloud; they are part of the policy that every service holds."""
_UPSTREAM_NAME = re.compile(r"[A-Za-z0-9-]{1,40}")
KEY_DAYS_MIN, KEY_DAYS_MAX = 1, 365
CERTIFICATE_TTL_S_MIN, CERTIFICATE_TTL_S_MAX = 10, 365 * 86_400
SETTLE_S_MIN, SETTLE_S_MAX = 6.0, 86_400.0
"""A process looks at its files every 5 seconds; a pause below that would let a rotation overtake it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Upstream:
    """Another issuer, through which users of one organisation may log in.

    Attributes:
        name: What people read on the button; also in paths.
        issuer: Its URL, as its discovery says it.
        client_id: What it calls us; our redirect address there is ``<our issuer>/login/callback``.
        client_secret_file: What we prove it with; without, we are a public client there.
        organisation: Name of the one whose users come from there.
        match: By what a user is found the first time: a verified ``email``, or the ``name`` before the ``@`` of
            `preferred_username`. The latter trusts the issuer to give no name twice.
        ca: Authority of its certificate, where the machine does not know it.
    """

    name: str
    issuer: str
    client_id: str
    organisation: str
    client_secret_file: Path | None = None
    match: Literal["email", "name"] = "email"
    ca: Path | None = None

    def __post_init__(self) -> None:
        if not _UPSTREAM_NAME.fullmatch(self.name):
            raise ValueError(f"the name of an upstream is {self.name!a}; accepted: 1 to 40 letters, digits, '-'")
        if not _is_issuer(self.issuer.partition("/")[0] + "//" + self.issuer.partition("//")[2].partition("/")[0]):
            raise ValueError(
                f"the issuer of upstream {self.name} is {self.issuer!a}; accepted: https://<host>[/<path>]"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class IamSettings(Settings):
    """What iam is told besides what every service is.

    Attributes:
        root_key_file: 32 bytes in hexadecimal that seal the signing keys; mode 0600. Without it the keys in flaredb are
            lost, and every token with them: keep a copy elsewhere.
        create_root_key: Whether to make the file at the first start, when nothing has been sealed yet.
        admins: SPIFFE ids of operators who own the whole cloud.
        signing_key_days: Age at which the next signing key is made.
        issuer: URL that people and programs reach the login at, without a path: the gateway's. Security keys are bound
            to its host. Without it, the address this iam listens on.
        upstreams: Other issuers through which people may log in.
        certificate_ttl_s: Lifetime of the certificates that iam issues; they are renewed at two thirds of it.
        ca_settle_s: Pause before each step of a rotation of the root, after the last holder has said its word.
    """

    root_key_file: Path
    create_root_key: bool = False
    admins: tuple[str, ...] = ()
    signing_key_days: int = 30
    issuer: str = ""
    upstreams: tuple[Upstream, ...] = ()
    certificate_ttl_s: int = 3 * 86_400
    ca_settle_s: float = 30.0

    def __post_init__(self) -> None:
        if len(self.admins) > ADMINS_MAX:
            raise ValueError(f"admins has {len(self.admins)} entries; at most {ADMINS_MAX} are accepted")
        for uri in self.admins:
            if spiffe_principal(uri).kind is not PrincipalKind.OPERATOR:
                raise ValueError(f"admins has {uri!a}; accepted: spiffe://ultracloud.local/operator/<name>")
        if len({one.name for one in self.upstreams}) < len(self.upstreams):
            raise ValueError("two upstreams have the same name")
        if self.issuer and not _is_issuer(self.issuer):
            raise ValueError(f"issuer is {self.issuer!a}; accepted: https://<host>[:<port>], and no slash at its end")
        if not KEY_DAYS_MIN <= self.signing_key_days <= KEY_DAYS_MAX:
            raise ValueError(f"signing_key_days is {self.signing_key_days}; accepted: {KEY_DAYS_MIN} to {KEY_DAYS_MAX}")
        if not CERTIFICATE_TTL_S_MIN <= self.certificate_ttl_s <= CERTIFICATE_TTL_S_MAX:
            raise ValueError(
                f"certificate_ttl_s is {self.certificate_ttl_s}; accepted: {CERTIFICATE_TTL_S_MIN} to "
                f"{CERTIFICATE_TTL_S_MAX}"
            )
        if not SETTLE_S_MIN <= self.ca_settle_s <= SETTLE_S_MAX:
            raise ValueError(f"ca_settle_s is {self.ca_settle_s:g}; accepted: {SETTLE_S_MIN:g} to {SETTLE_S_MAX:g}")


def _is_issuer(text: str) -> bool:
    """Whether it is an origin, in clear text only on this machine (OpenID Connect Discovery 1.0, 3)."""
    parts = urlsplit(text)
    is_here = parts.hostname in {"127.0.0.1", "localhost", "::1"}
    is_safe = parts.scheme == "https" or (parts.scheme == "http" and is_here)
    return is_safe and bool(parts.hostname) and text == f"{parts.scheme}://{parts.netloc}" and "@" not in text
