"""TLS: contexts made of files, replaced under a running server, and who a client's certificate says it is.

Listeners keep one outer context for ever; on each handshake it hands over to the newest one made of the files. So a
reload touches no socket, fails as a whole if a file is bad, and also drops authorities that are no longer in the file.

Source: RFC 8446; RFC 7301 (ALPN); the SPIFFE X.509-SVID specification.
"""

from __future__ import annotations

import asyncio
import ssl

from ultracloud.wire.shell.options import TlsFiles

ALPN = ("h2", "http/1.1")
SPIFFE = "spiffe://"


class TlsKeeper:
    """The server's TLS identity.

    Args:
        files: Where it is.

    Raises:
        OSError: A file cannot be read.
        ssl.SSLError: A file is not what it should be.
    """

    def __init__(self, files: TlsFiles) -> None:
        self._files = files
        self._current = make_context(files)
        self.context = make_context(files)
        """For listeners."""
        self.context.sni_callback = self._hand_over

    def reload(self) -> None:
        """Read the files again; handshakes from now on use what they say. On an error the old identity stays.

        Raises:
            OSError: A file cannot be read.
            ssl.SSLError: A file is not what it should be.
        """
        self._current = make_context(self._files)

    def _hand_over(self, connection: ssl.SSLObject, _name: str | None, _context: ssl.SSLContext) -> None:
        """OpenSSL asks this in each handshake, with a server name or without."""
        connection.context = self._current


def make_context(files: TlsFiles) -> ssl.SSLContext:
    """A context for one state of the files: TLS 1.3 only, since every client is ours, grpcio or Go.

    Sessions are not resumed: a ticket would let in a client whose authority has since been dropped.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.num_tickets = 0
    context.load_cert_chain(files.certificate, files.key)
    context.set_alpn_protocols(list(ALPN))
    if files.client_ca is not None:
        context.load_verify_locations(cafile=files.client_ca)
        context.verify_mode = ssl.CERT_REQUIRED if files.require_client_cert else ssl.CERT_OPTIONAL
    return context


def spiffe_identity(transport: asyncio.BaseTransport) -> str | None:
    """The SPIFFE URI of the client's certificate; None without a certificate or without exactly one such URI."""
    certificate = transport.get_extra_info("peercert")
    names = certificate.get("subjectAltName", ()) if certificate else ()
    found = [value for kind, value in names if kind == "URI" and value.startswith(SPIFFE)]
    return found[0] if len(found) == 1 else None


def common_name(transport: asyncio.BaseTransport) -> str | None:
    """The CommonName of the client's certificate, empty if it has none; None without a certificate."""
    certificate = transport.get_extra_info("peercert")
    if not certificate:
        return None
    names = [value for part in certificate.get("subject", ()) for kind, value in part if kind == "commonName"]
    # Of several the last counts, as in Go's x509.
    return names[-1] if names else ""


def alpn_protocol(transport: asyncio.BaseTransport) -> str | None:
    """What the client chose in the handshake; None without TLS or without a choice."""
    connection = transport.get_extra_info("ssl_object")
    return connection.selected_alpn_protocol() if connection is not None else None
