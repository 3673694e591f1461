"""Why a peer cannot be reached, in words for the log: refused, no such host, another certificate than expected.

A channel tells only that there is no connection. This makes one by hand and says where it fails.
"""

from __future__ import annotations

import asyncio
import ssl

from ultracloud.servicekit import pki
from ultracloud.servicekit.client_tls import client_context
from ultracloud.servicekit.pki import TlsIdentity

ATTEMPT_S = 1.0
"""A handshake on one machine takes milliseconds; who waits for the answer has waited already."""
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes.fromhex("000000040000000000")
"""What a client says first, with empty SETTINGS (RFC 9113 3.4): every server of HTTP/2 answers with its own."""
SETTINGS_TYPE = 4


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
        context = client_context(identity) if identity is not None else None
        async with asyncio.timeout(ATTEMPT_S):
            await _connect(target, context, pki.expected_name(expect) if identity else None)
    except TimeoutError:
        return f"no answer within {ATTEMPT_S:g} s"
    except ssl.SSLError as error:
        return _no_tls(error, identity, expect)
    except (EOFError, ConnectionResetError):
        return _ended(identity)
    except (OSError, ValueError) as error:
        return str(error)
    return "it answers now"


def _no_tls(error: ssl.SSLError, identity: TlsIdentity | None, expect: str) -> str:
    """Why two sides that both speak TLS, or not, do not come together."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not that of {expect}: {error.verify_message}"
    # TLS 1.3 lets a client finish before the server has seen its certificate: the alert comes afterwards.
    is_told = "ALERT" in (error.reason or "")
    return f"{_ended(identity) if is_told else 'it speaks no TLS that we know'} ({error.reason})"


def _ended(identity: TlsIdentity | None) -> str:
    """What it means that the other side ends a connection it has taken."""
    if identity is None:
        return "it takes no clear text; give a certificate"
    return f"it ends the connection, and may not accept our certificate {identity.certificate}"


async def _connect(target: str, context: ssl.SSLContext | None, name: str | None) -> None:
    """Connect, have it say something, and let go.

    Raises:
        EOFError: What it says is no HTTP/2, or nothing.
    """
    if target.startswith("unix:"):
        reader, writer = await asyncio.open_unix_connection(target[len("unix:") :], ssl=context, server_hostname=name)
    else:
        host, _, port = target.rpartition(":")
        reader, writer = await asyncio.open_connection(host.strip("[]"), int(port), ssl=context, server_hostname=name)
    try:
        writer.write(PREFACE)
        first = await reader.readexactly(4)
        if first[3] != SETTINGS_TYPE:
            # A server of TLS answers clear text with an alert in clear text, and ends.
            raise EOFError
    finally:
        writer.transport.abort()
