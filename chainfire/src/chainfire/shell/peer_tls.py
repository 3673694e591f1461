"""TLS between members: contexts made of files, replaced under running listeners, and whose certificate was shown."""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import dataclass
from pathlib import Path

from chainfire.core.peernames import Allowed, Names, objection

EVERYBODY = Allowed()


@dataclass(frozen=True, slots=True)
class PeerTls:
    """Where a member's identity towards the others is, in PEM.

    Attributes:
        certificate: With intermediates behind it. It serves as server and as client.
        key: Its private key.
        ca: Authorities that sign members' certificates.
        allowed: Which of theirs are members', where certificates carry no SPIFFE identity.
    """

    certificate: Path
    key: Path
    ca: Path
    allowed: Allowed = EVERYBODY


class PeerContexts:
    """The contexts for new connections, as of the last reading of the files.

    Raises:
        OSError: A file cannot be read.
        ssl.SSLError: A file is not what it should be.
    """

    def __init__(self, files: PeerTls) -> None:
        self._files = files
        self.allowed = files.allowed
        self.server, self.client = _contexts(files)

    def reload(self) -> None:
        """Read the files again; open connections stay. On an error nothing changes.

        Raises:
            OSError: A file cannot be read.
            ssl.SSLError: A file is not what it should be.
        """
        self.server, self.client = _contexts(self._files)

    def objection(self, transport: asyncio.BaseTransport, dialled_host: str | None) -> str:
        """Why the other end of a connection is no peer; empty if it is one."""
        return objection(_names_of(transport), self.allowed, dialled_host)


def _contexts(files: PeerTls) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Contexts for the two ends. All members are ours, so TLS 1.3 is enough."""
    server, client = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    # Names are checked in core.peernames: a SPIFFE identity counts whatever the host is called.
    client.check_hostname = False
    # A ticket would let in a member whose authority has since been dropped.
    server.num_tickets = 0
    for context in (server, client):
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_cert_chain(files.certificate, files.key)
        context.load_verify_locations(cafile=files.ca)
    return server, client


def _names_of(transport: asyncio.BaseTransport) -> Names:
    """What the certificate says that the other end has shown."""
    certificate = transport.get_extra_info("peercert") or {}
    alternatives = certificate.get("subjectAltName", ())

    def of(kind: str) -> tuple[str, ...]:
        return tuple(value for each, value in alternatives if each == kind)

    subject = [pair for names in certificate.get("subject", ()) for pair in names]
    common = [value for key, value in subject if key == "commonName"]
    return Names(common[0] if common else "", of("URI"), of("DNS"), of("IP Address"))
