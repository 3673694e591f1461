"""Why a peer cannot be reached, in words for the log: refused, no such host, another certificate than expected.

What went wrong, the attempt at a connection knows; this says what it means for whoever has to mend it.

Source: RFC 8446 4.4.3 (a client is done before the server has seen its certificate); OpenSSL, X509_verify_cert_error.
"""

from __future__ import annotations

import socket
import ssl

from ultracloud.servicekit import pki
from ultracloud.servicekit.pki import TlsIdentity
from ultracloud.wire import ConnectionFault

EXPIRED = 10
UNKNOWN_ISSUER = frozenset({18, 19, 20, 21})
"""OpenSSL's codes: self-signed, self-signed in the chain, no issuer here, no chain that could be verified."""


def reason_of(failure: Exception | None, identity: TlsIdentity | None, expect: str) -> str:
    """What the last attempt at a connection failed of.

    Args:
        failure: What it raised, or `ClientProtocol.loss`; None if none has come to an end.
        identity: Who we are; None speaks plaintext, or shows no certificate.
        expect: SPIFFE URI the server should have.
    """
    if identity is not None and (ours := _expired(identity)):
        return ours
    match failure:
        case None:
            why = "it has not answered yet"
        case TimeoutError():
            why = "no answer in time"
        case ssl.SSLError():
            why = _no_tls(failure, identity, expect)
        case socket.gaierror():
            why = f"its name is not found: {failure.strerror}"
        case EOFError() | ConnectionResetError():
            why = _ended(identity)
        case ConnectionFault():
            why = f"it speaks another protocol than HTTP/2: {failure.reason}"
        case _:
            why = str(failure)
    return why


def _expired(identity: TlsIdentity) -> str:
    try:
        has_expired = pki.expires_in_s(identity.certificate) < 0
    except (OSError, ValueError) as error:
        return f"our own certificate cannot be read: {error}"
    return f"our own certificate {identity.certificate} has expired" if has_expired else ""


def _no_tls(error: ssl.SSLError, identity: TlsIdentity | None, expect: str) -> str:
    """Why two sides do not come together over TLS."""
    if not isinstance(error, ssl.SSLCertVerificationError):
        # TLS 1.3 lets a client finish before the server has seen its certificate: the alert comes afterwards.
        is_told = "ALERT" in (error.reason or "")
        return f"{_ended(identity) if is_told else 'it speaks no TLS that we know'} ({error.reason})"
    if error.verify_code == EXPIRED:
        return f"its certificate has expired ({error.verify_message})"
    if error.verify_code in UNKNOWN_ISSUER:
        return f"its certificate is of an authority that we do not know: {error.verify_message}"
    return f"its certificate is not that of {expect}: {error.verify_message}"


def _ended(identity: TlsIdentity | None) -> str:
    """What it means that the other side ends a connection it has taken."""
    if identity is None:
        return "it takes no clear text; give a certificate"
    return f"it ends the connection, and may not accept our certificate {identity.certificate}"
