"""Where a service is entered: addresses and sockets, each with its certificate or in clear text."""

from __future__ import annotations

import errno
import ipaddress
import os
import socket
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ultracloud.servicekit.errors import ConfigError, StartError

if TYPE_CHECKING:
    from ultracloud.servicekit.pki import TlsIdentity
    from ultracloud.servicekit.settings import Listen
    from ultracloud.wire import TlsFiles

UNIX = "unix:"
UNIX_PATH_BYTES_MAX = 107
"""unix(7): sun_path has 108 bytes, one of them the terminating zero."""


@dataclass(frozen=True, slots=True)
class Door:
    """One listener.

    Attributes:
        address: ``host:port``, port 0 takes a free one, or ``unix:PATH``.
        tls: What is shown and asked for; None speaks clear text.
        pages_only: Serve the pages and no calls.
    """

    address: str
    tls: TlsFiles | None = None
    pages_only: bool = False


def doors_of(listen: Listen, identity: TlsIdentity | None, *, require_client_certificate: bool) -> list[Door]:
    """The doors that settings name: the address and the socket.

    Raises:
        ConfigError: The address is none, or would serve clear text to other machines.
    """
    from ultracloud.wire import TlsFiles

    host, _ = parse_address(listen.address)
    if identity is None and not is_loopback(host):
        raise ConfigError(f"listen.address {listen.address} is not loopback, and there is no [tls]; set tls first")
    tls = TlsFiles(identity.certificate, identity.key, identity.ca, require_client_certificate) if identity else None
    doors = [Door(listen.address, tls)]
    if listen.unix is not None:
        doors.append(Door(f"{UNIX}{listen.unix}", tls))
    return doors


def parse_address(address: str) -> tuple[str, int]:
    """Host and port of ``host:port`` or ``[v6]:port``.

    Raises:
        ConfigError: It is neither.
    """
    host, _, port = address.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not host or not port.isdigit() or int(port) > 65_535:  # noqa: PLR2004 - ports have 16 bits
        raise ConfigError(f"listen.address '{address}' is no address; accepted: host:port, port 0 takes a free one")
    return host, int(port)


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach it."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def clear_socket(service: str, path: Path) -> None:
    """Remove the socket that a killed run left; the folder must be there."""
    if len(os.fsencode(path)) > UNIX_PATH_BYTES_MAX:
        raise ConfigError(f"listen.unix {path} is over {UNIX_PATH_BYTES_MAX} bytes; choose a shorter path")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    except OSError as error:
        is_taken = isinstance(error, (FileExistsError, NotADirectoryError))
        why = f"{path.parent} is no folder" if is_taken else error.strerror
        raise StartError(f"{service}: cannot listen on {path}: {why}; choose another listen.unix") from error
    if not stat.S_ISSOCK(mode):
        raise StartError(f"{service}: cannot listen on {path}: a file of another kind is there; move it away")
    with socket.socket(socket.AF_UNIX) as probe:
        probe.setblocking(False)
        try:
            probe.connect(str(path))
        except (ConnectionRefusedError, FileNotFoundError):
            path.unlink(missing_ok=True)
            return
        except BlockingIOError:
            pass
    raise StartError(
        f"{service}: cannot listen on {path}: in use by another process; choose another listen.unix or stop it"
    )


def why(error: OSError) -> str:
    """The reason an address cannot be had, and what to do."""
    if isinstance(error, socket.gaierror):
        return "no such host; check listen.address"
    match error.errno:
        case errno.EADDRINUSE:
            return "in use by another process; choose another listen.address or stop it (ss -ltnp names it)"
        case errno.EADDRNOTAVAIL:
            return "this machine has no such address (ip address lists them); change listen.address"
        case errno.EACCES | errno.EPERM:
            return "no permission; ports below 1024 need root or CAP_NET_BIND_SERVICE"
        case _:
            return str(error.strerror or error)
