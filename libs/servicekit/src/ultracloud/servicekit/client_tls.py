"""TLS for whoever speaks HTTP/2 to a server of ours."""

from __future__ import annotations

import ssl

from ultracloud.servicekit.pki import TlsIdentity


def client_context(identity: TlsIdentity) -> ssl.SSLContext:
    """A context for the files as they are now; it demands the server's name and a certificate of our authority's.

    Raises:
        OSError: A file cannot be read.
        ssl.SSLError: A file is not what it should be.
    """
    context = trusting_context(identity.ca.read_text())
    context.load_cert_chain(identity.certificate, identity.key)
    return context


def trusting_context(roots: str) -> ssl.SSLContext:
    """A context that shows no certificate, for whoever has none yet; `roots` is PEM.

    Raises:
        ssl.SSLError: `roots` is not what it should be.
    """
    context = ssl.create_default_context(cadata=roots)
    context.set_alpn_protocols(["h2"])
    return context
