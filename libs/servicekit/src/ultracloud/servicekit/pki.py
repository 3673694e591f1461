"""The cluster's own certificate authority: who is who, without anybody outside.

A certificate names its owner twice: as a SPIFFE URI, which servers read to know who calls, and as a DNS name below
`ultracloud.local`, which clients demand of the server they reach (grpcio checks names, not URIs). Both are signed, so
both are equally binding. Keys are P-256: every TLS library verifies it fast and BoringSSL refuses Ed25519.

Source: RFC 5280; the SPIFFE X.509-SVID specification.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ultracloud.base.principals import SPIFFE_PREFIX
from ultracloud.servicekit.certificates import (
    Ca,
    Names,
    certificate_pem,
    dns_name,
    key_pem,
    new_key,
    new_leaf,
    new_root,
)
from ultracloud.servicekit.files import write_atomically

__all__ = [
    "Ca",
    "TlsIdentity",
    "agent_identity",
    "dns_name",
    "expected_name",
    "expires_in_s",
    "file_stamp",
    "file_stem",
    "issue",
    "load_ca",
    "make_ca",
    "node_identity",
    "operator_identity",
    "service_identity",
    "stamp_of",
]

CA_DAYS = 3650
CERTIFICATE_DAYS = 365


@dataclass(frozen=True, slots=True)
class TlsIdentity:
    """Files with who we are and whom we trust."""

    certificate: Path
    key: Path
    ca: Path


def node_identity(host: str) -> str:
    """``spiffe://ultracloud.local/node/<host>``: a machine, which gets the certificates of the agents on it."""
    return f"{SPIFFE_PREFIX}node/{host}"


def service_identity(service: str) -> str:
    """``spiffe://ultracloud.local/service/<service>``."""
    return f"{SPIFFE_PREFIX}service/{service}"


def agent_identity(service: str, host: str) -> str:
    """``spiffe://ultracloud.local/agent/<service>/<host>``."""
    return f"{SPIFFE_PREFIX}agent/{service}/{host}"


def operator_identity(name: str) -> str:
    """``spiffe://ultracloud.local/operator/<name>``."""
    return f"{SPIFFE_PREFIX}operator/{name}"


def expected_name(expect: str) -> str:
    """The DNS name to demand of a server: that of its SPIFFE URI, or `expect` itself, which servers of others have."""
    return dns_name(expect) if expect.startswith(SPIFFE_PREFIX) else expect


def make_ca(folder: Path, name: str = "UltraCloud CA", days: int = CA_DAYS) -> Ca:
    """Make an authority and write ``ca.crt`` and ``ca.key`` into `folder`; what was there is replaced."""
    ca = new_root(name, days)
    folder.mkdir(parents=True, exist_ok=True)
    _write(folder / "ca.key", key_pem(ca.key))
    _write(folder / "ca.crt", certificate_pem(ca.certificate))
    return ca


def load_ca(folder: Path) -> Ca:
    """The authority that `make_ca` wrote into `folder`.

    Raises:
        OSError: A file is missing or unreadable.
        ValueError: A file is no certificate or no key.
    """
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    key = load_pem_private_key((folder / "ca.key").read_bytes(), password=None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise ValueError(f"{folder / 'ca.key'} is no P-256 key")  # noqa: TRY004 - the file is wrong, not an argument
    return Ca(x509.load_pem_x509_certificate((folder / "ca.crt").read_bytes()), key)


def issue(
    ca: Ca,
    identity: str,
    folder: Path,
    *,
    hosts: Sequence[str] = ("localhost",),
    addresses: Sequence[str] = ("127.0.0.1",),
    days: float = CERTIFICATE_DAYS,
) -> TlsIdentity:
    """Issue a certificate for a SPIFFE `identity`; writes ``<name>.crt``, ``<name>.key`` and ``ca.crt`` into `folder`.

    `name` is the identity's path with ``-`` for ``/``: ``service-flaredb``. It serves as server and as client.
    """
    key = new_key()
    names = Names(identity, tuple(hosts), tuple(addresses))
    certificate = new_leaf(ca, names, key.public_key(), dt.timedelta(days=days))
    folder.mkdir(parents=True, exist_ok=True)
    name = file_stem(identity)
    files = TlsIdentity(folder / f"{name}.crt", folder / f"{name}.key", folder / "ca.crt")
    _write(files.key, key_pem(key))
    _write(files.certificate, certificate_pem(certificate))
    _write(files.ca, certificate_pem(ca.certificate))
    return files


def _write(path: Path, content: bytes) -> None:
    """Write with mode 0600: a certificate is public, but nobody else has business in the folder."""
    # A file that stays as it was must not look replaced: services in the same folder would renew for nothing.
    if not path.exists() or path.read_bytes() != content:
        write_atomically(path, content, mode=0o600)


def expires_in_s(certificate: Path) -> float:
    """Seconds until the certificate in the file ends; negative once it has."""
    from cryptography import x509

    ends = x509.load_pem_x509_certificate(certificate.read_bytes()).not_valid_after_utc
    return (ends - dt.datetime.now(dt.UTC)).total_seconds()


def file_stem(identity: str) -> str:
    """How the files of an identity begin: ``service-flaredb``."""
    return identity[len(SPIFFE_PREFIX) :].replace("/", "-")


def file_stamp(identity: TlsIdentity) -> tuple[int, ...]:
    """Changes when one of the identity's files is replaced; a missing file counts as unchanged zeros."""
    return stamp_of((identity.certificate, identity.key, identity.ca))


def stamp_of(files: Iterable[Path]) -> tuple[int, ...]:
    """The same of any files."""
    stamp: list[int] = []
    for path in files:
        try:
            status = path.stat()
        except FileNotFoundError:
            stamp.extend((0, 0))
        else:
            stamp.extend((status.st_mtime_ns, status.st_ino))
    return tuple(stamp)
