"""Why a peer cannot be reached, in words for the log: refused, no such host, another certificate than expected.

grpcio tells only that there is no connection. This makes one by hand and says where it fails.
"""

from __future__ import annotations

import asyncio
import ssl

from ultracloud.servicekit import pki
from ultracloud.servicekit.pki import TlsIdentity

ATTEMPT_S = 1.0
"""A handshake on one machine takes milliseconds; who waits for the answer has waited already."""


async def diagnose(target: str, identity: TlsIdentity | None, expect: str) -> str:
    """Try to connect as `channels.connect` would, and say what goes wrong.

    Args:
        target: ``host:port`` or ``unix:/path``.
        identity: Who we are; None tries plaintext.
        expect: SPIFFE URI the server should have.
    """
    try:
        if identity is not None and pki.expires_in_s(identity.certificate) < 0:
            return f"our own certificate {identity.certificate} has expired"
        context = _context(identity)
        async with asyncio.timeout(ATTEMPT_S):
            await _connect(target, context, pki.expected_name(expect) if identity else None)
    except TimeoutError:
        return f"no answer within {ATTEMPT_S:g} s"
    except ssl.SSLCertVerificationError as error:
        return f"its certificate is not that of {expect}: {error.verify_message}"
    except (OSError, ValueError) as error:
        return str(error)
    return "it takes connections now"


def _context(identity: TlsIdentity | None) -> ssl.SSLContext | None:
    """TLS as grpcio would do it."""
    if identity is None:
        return None
    context = ssl.create_default_context(cafile=str(identity.ca))
    context.load_cert_chain(identity.certificate, identity.key)
    context.set_alpn_protocols(["h2"])
    return context


async def _connect(target: str, context: ssl.SSLContext | None, name: str | None) -> None:
    """Connect and let go."""
    if target.startswith("unix:"):
        _, writer = await asyncio.open_unix_connection(target[len("unix:") :], ssl=context, server_hostname=name)
    else:
        host, _, port = target.rpartition(":")
        _, writer = await asyncio.open_connection(host.strip("[]"), int(port), ssl=context, server_hostname=name)
    writer.transport.abort()
