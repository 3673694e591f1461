"""URLs of listeners: where a member serves clients or other members.

Source: etcd 3.5 as observed: the schemes it takes, and its sentences.
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

SCHEMES = ("http", "https", "unix", "unixs")


@dataclass(frozen=True, slots=True)
class Url:
    """Where to listen, or where somebody listens.

    Attributes:
        text: As it was given.
        scheme: http, https, unix or unixs.
        host: Empty for a unix socket.
        port: 0 for a unix socket.
        path: Of a unix socket.
    """

    text: str
    scheme: str
    host: str = ""
    port: int = 0
    path: str = ""

    @property
    def is_tls(self) -> bool:
        """Whether TLS is spoken there."""
        return self.scheme in ("https", "unixs")

    @property
    def address(self) -> str:
        """``host:port`` or ``unix:PATH``."""
        if self.scheme.startswith("unix"):
            return f"unix:{self.path}"
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def url_of(text: str) -> Url:
    """The URL of a listener.

    Raises:
        ValueError: It is none that etcd takes; the message is etcd's.
    """
    split = urlsplit(text)
    if split.scheme not in SCHEMES:
        raise ValueError(f"URL scheme must be http, https, unix, or unixs: {text}")
    if split.scheme.startswith("unix"):
        return Url(text, split.scheme, path=split.netloc + split.path)
    host, colon, port = split.netloc.rpartition(":")
    if not colon or not port.isdigit() or int(port) > 65_535:  # noqa: PLR2004 - ports have 16 bits
        raise ValueError(f'URL address does not have the form "host:port": {text}')
    if split.path:
        raise ValueError(f"URL must not contain a path: {text}")
    return Url(text, split.scheme, host.removeprefix("[").removesuffix("]"), int(port))
