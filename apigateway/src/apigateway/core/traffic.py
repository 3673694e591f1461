"""What can change while the gateway runs: limits, origins, proxies, closed operations, deadlines.

```toml
closed = ["hosts.delete"]                        # answered with 503
[principals]
per_second = 100
burst = 200
[sources]                                        # addresses, before it is known who calls
per_second = 200
burst = 400
[watches]
each = 100                                       # open at once, of one principal
[cors]
origins = ["https://console.example.org"]
[proxies]
trusted = ["10.0.0.5", "10.1.0.0/16"]        # whose X-Forwarded-For is believed; nobody's without it
[timeouts_s]
"vms.create" = 10.0
```
"""

from __future__ import annotations

import difflib
from collections.abc import Collection
from dataclasses import dataclass, field

from apigateway.core.proxies import network_of
from apigateway.core.rates import Rate

TIMEOUT_S_MAX = 120.0
"""A client that waits longer has been cut off by a proxy."""
DEFAULT_TIMEOUTS_S = {"operations.wait": 65.0}
"""Of operations that wait on purpose; all others have the channel's own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Watches:
    """How many streams may be open.

    Attributes:
        each: Of one principal.
        total: Of all.
    """

    each: int = 200
    total: int = 5000


@dataclass(frozen=True, slots=True, kw_only=True)
class Cors:
    """Who may call from a browser.

    Attributes:
        origins: ``https://console.example.org``, or ``*``.
    """

    origins: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for origin in self.origins:
            scheme, separator, host = origin.partition("://")
            if origin != "*" and (scheme not in ("http", "https") or not separator or not host or "/" in host):
                raise ValueError(f"{origin[:80]!a} is no origin; accepted: https://host[:port], or *")


@dataclass(frozen=True, slots=True, kw_only=True)
class ProxyAddresses:
    """Who passes requests on to this gateway.

    Attributes:
        trusted: Addresses and networks whose ``X-Forwarded-For`` says where a request comes from.
    """

    trusted: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for text in self.trusted:
            network_of(text)


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """Everything of it.

    Attributes:
        principals: How often each caller may call.
        sources: How often each address may, whoever calls from it.
        watches: Streams at once.
        cors: Origins.
        proxies: Those before this gateway.
        closed: Operations that are not served for now.
        timeouts_s: Seconds that operations may take, by name.
    """

    principals: Rate = field(default_factory=lambda: Rate(per_second=200, burst=400))
    sources: Rate = field(default_factory=lambda: Rate(per_second=500, burst=1000))
    watches: Watches = field(default_factory=Watches)
    cors: Cors = field(default_factory=Cors)
    proxies: ProxyAddresses = field(default_factory=ProxyAddresses)
    closed: tuple[str, ...] = ()
    timeouts_s: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for operation, seconds in self.timeouts_s.items():
            if not 0 < seconds <= TIMEOUT_S_MAX:
                raise ValueError(f"the timeout of {operation} is {seconds:g}; accepted: above 0, to {TIMEOUT_S_MAX:g}")


def check_names(traffic: Traffic, operations: Collection[str]) -> None:
    """Return if every operation that is named exists.

    Raises:
        ValueError: One does not.
    """
    for name in (*traffic.closed, *traffic.timeouts_s):
        if name not in operations:
            near = difflib.get_close_matches(name, operations, 1)
            raise ValueError(f"{name[:80]!a} is no operation{f'; did you mean {near[0]}?' if near else ''}")
