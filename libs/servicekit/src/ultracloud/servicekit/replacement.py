"""A certificate and its key are two files, and a power cut may come between them.

So both are written beside their places first, then renamed, the key before the certificate; `finish_replacement` puts
things right at the next start.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ultracloud.servicekit.files import sync_folder, write_atomically
from ultracloud.servicekit.pki import TlsIdentity

if TYPE_CHECKING:
    from cryptography import x509


def read_certificate(path: Path) -> x509.Certificate:
    """The certificate in a file.

    Raises:
        OSError: It cannot be read.
        ValueError: It is none.
    """
    from cryptography import x509

    return x509.load_pem_x509_certificate(path.read_bytes())


def replace_pair(identity: TlsIdentity, certificate: bytes, key: bytes) -> None:
    """Replace a certificate and its key together, as far as files can.

    Raises:
        OSError: Disk full, no permission. The pair is the old one, or `finish_replacement` makes it the new one.
    """
    next_key, next_certificate = _beside(identity.key), _beside(identity.certificate)
    write_atomically(next_key, key, mode=0o600)
    write_atomically(next_certificate, certificate, mode=0o600)
    next_key.replace(identity.key)
    next_certificate.replace(identity.certificate)
    sync_folder(identity.key.parent)
    sync_folder(identity.certificate.parent)


def finish_replacement(identity: TlsIdentity) -> None:
    """Complete what `replace_pair` had begun when the machine stopped, or undo it. Call before the files are used.

    Raises:
        OSError: A file cannot be read or replaced.
    """
    next_key, next_certificate = _beside(identity.key), _beside(identity.certificate)
    if next_certificate.exists() and not next_key.exists() and _fit(next_certificate, identity.key):
        next_certificate.replace(identity.certificate)
    # Both beside their places: nothing was replaced yet, and the pair in place is good.
    for leftover in (next_key, next_certificate):
        leftover.unlink(missing_ok=True)


def _beside(path: Path) -> Path:
    return path.with_name(f".{path.name}.next")


def _fit(certificate: Path, key: Path) -> bool:
    """Whether a certificate is that of a key."""
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        public = load_pem_private_key(key.read_bytes(), password=None).public_key()
        return read_certificate(certificate).public_key() == public
    except ValueError:
        return False
