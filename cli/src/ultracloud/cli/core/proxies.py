"""Whether a connection goes through a proxy, by the variables that curl and most programs read.

Source: curl(1), ENVIRONMENT; golang.org/x/net/http/httpproxy for suffixes, ports and ranges of NO_PROXY, and for this
machine, which is never reached through a proxy.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from ultracloud.cli.core.failures import UsageFailure

VARIABLES = ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY")
EXCEPTIONS = ("no_proxy", "NO_PROXY")
THIS_MACHINE = ("localhost", "::1")
PORT = 8080
"""Of a proxy that says none, as curl has 1080 for all kinds and most programs this for HTTP's."""


@dataclass(frozen=True, slots=True)
class Proxy:
    """A proxy that is asked to CONNECT.

    Attributes:
        authorization: Value of Proxy-Authorization; empty for none.
    """

    host: str
    port: int
    authorization: str = ""


def proxy_for(host: str, port: int, environment: Mapping[str, str]) -> Proxy | None:
    """The proxy to a server; None to connect directly.

    Raises:
        UsageFailure: The variable names something that is no proxy of ours.
    """
    name = next((name for name in VARIABLES if environment.get(name)), "")
    if not name or host in THIS_MACHINE or host.startswith("127."):
        return None
    exceptions = next((environment[name] for name in EXCEPTIONS if environment.get(name)), "")
    if any(excepts(entry.strip(), host, port) for entry in exceptions.split(",")):
        return None
    return _parse(name, environment[name])


def excepts(entry: str, host: str, port: int) -> bool:
    """Whether an entry of NO_PROXY means a server: `*`, a name with all below it, an address, or a range of them."""
    entry, host = entry.lower(), host.lower()
    if entry == "*":
        return True
    bare, colon, of_port = entry.rpartition(":")
    if colon and of_port.isdigit() and (bare.startswith("[") or ":" not in bare):
        if int(of_port) != port:
            return False
        entry = bare
    entry = entry.removeprefix("[").removesuffix("]").removeprefix("*").removeprefix(".")
    if "/" in entry:
        return _in_range(host, entry)
    return bool(entry) and (host == entry or host.endswith("." + entry))


def _in_range(host: str, text: str) -> bool:
    import ipaddress

    try:
        return ipaddress.ip_address(host) in ipaddress.ip_network(text, strict=False)
    except ValueError:
        return False


def _parse(name: str, text: str) -> Proxy:
    try:
        parts = urlsplit(text if "://" in text else f"http://{text}")
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    if parts.scheme != "http" or not parts.hostname:
        # What it says may have a password in it.
        raise UsageFailure(f"{name} names no proxy that can be used; accepted: http://[user:password@]host:port")
    login = ""
    if parts.username:
        said = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        login = "Basic " + base64.b64encode(said.encode()).decode()
    return Proxy(parts.hostname, port or PORT, login)
