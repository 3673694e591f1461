"""The sections every service's configuration has. A service derives its own frozen dataclass from `Settings`.

```toml
state_dir = "/var/lib/ultracloud/chainfire"
[listen]
address = "127.0.0.1:2379"
unix = "/run/ultracloud/chainfire.sock"
[tls]
certificate = "chainfire.crt"     # relative paths start at the file's own folder
key = "chainfire.key"
ca = "ca.crt"
[peers]
iam = "127.0.0.1:7003"
chainfire = "10.0.0.1:2379,10.0.0.2:2379,10.0.0.3:2379"
```
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

DRAIN_S = 5.0
"""Seconds old calls get to finish on SIGTERM: more than any unary deadline would gain, less than systemd's 90."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listen:
    """Where the service listens.

    Attributes:
        address: ``host:port``; port 0 takes a free one, which the ready line tells.
        unix: Also a socket in the file system, for callers in other network namespaces.
    """

    address: str = "127.0.0.1:0"
    unix: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Tls:
    """Who the service is. All three files, or none: then it speaks plaintext, on loopback and unix sockets only.

    Attributes:
        renew: Whether this process replaces its certificate long before it ends, and follows whom to trust, by asking
            iam (``peers.iam``). The files must be its own to write.
    """

    certificate: Path | None = None
    key: Path | None = None
    ca: Path | None = None
    renew: bool = False

    def __post_init__(self) -> None:
        given = [name for name in ("certificate", "key", "ca") if getattr(self, name) is not None]
        if given and len(given) < 3:  # noqa: PLR2004 - certificate, key and ca
            raise ValueError(f"tls has only {' and '.join(given)}; give certificate, key and ca, or none of them")


@dataclass(frozen=True, slots=True, kw_only=True)
class Log:
    """What is logged, and where to: a file (appended to) instead of stderr."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    file: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Peers:
    """Where the other services are: ``host:port`` or ``unix:/path``; empty where this service needs none.

    Attributes:
        chainfire: May list several members, with commas between them; whichever answers is asked.
        flaredb: The same of the stores of one flaredb.
    """

    chainfire: str = ""
    flaredb: str = ""
    iam: str = ""
    prismnet: str = ""
    plasmavmc: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Quotas:
    """What projects may have at most, where iam says nothing of a project; what is not named has no limit.

    Attributes:
        each: What each project may have: ``each = {vms = 20, vcpus = 80}``.
        projects: Project id -> what that one may have instead.
    """

    each: dict[str, int] = field(default_factory=dict)
    projects: dict[str, dict[str, int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for quotas in (self.each, *self.projects.values()):
            for what, limit in quotas.items():
                if limit < 0:
                    raise ValueError(f"the quota of {what} is {limit}; accepted: 0 or more")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What every service is told.

    Attributes:
        state_dir: Folder that is this instance's alone; made if missing, locked while it runs.
        drain_s: Seconds calls get to finish on SIGTERM.
    """

    state_dir: Path
    listen: Listen = field(default_factory=Listen)
    tls: Tls = field(default_factory=Tls)
    log: Log = field(default_factory=Log)
    peers: Peers = field(default_factory=Peers)
    drain_s: float = DRAIN_S
