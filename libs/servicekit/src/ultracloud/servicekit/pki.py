"""The cluster's own certificate authority: who is who, without anybody outside.

A certificate names its owner twice: as a SPIFFE URI, which servers read to know who calls, and as a DNS name below
`ultracloud.local`, which clients demand of the server they reach (grpcio checks names, not URIs). Both are signed, so
both are equally binding. Keys are P-256: every TLS library verifies it fast and BoringSSL refuses Ed25519.

Source: RFC 5280; the SPIFFE X.509-SVID specification.
"""

from __future__ import annotations

import datetime as dt
import ipaddress
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ultracloud.base.principals import SPIFFE_PREFIX, TRUST_DOMAIN
from ultracloud.servicekit.files import write_atomically

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

CA_DAYS = 3650
CERTIFICATE_DAYS = 365
_BACKDATED = dt.timedelta(minutes=5)
"""Certificates begin a little in the past, so that a host whose clock lags accepts a fresh one."""


@dataclass(frozen=True, slots=True)
class TlsIdentity:
    """Files with who we are and whom we trust."""

    certificate: Path
    key: Path
    ca: Path


@dataclass(frozen=True, slots=True)
class Ca:
    """A certificate authority with its key in memory."""

    certificate: x509.Certificate
    key: EllipticCurvePrivateKey


def service_identity(service: str) -> str:
    """``spiffe://ultracloud.local/service/<service>``."""
    return f"{SPIFFE_PREFIX}service/{service}"


def agent_identity(service: str, host: str) -> str:
    """``spiffe://ultracloud.local/agent/<service>/<host>``."""
    return f"{SPIFFE_PREFIX}agent/{service}/{host}"


def operator_identity(name: str) -> str:
    """``spiffe://ultracloud.local/operator/<name>``."""
    return f"{SPIFFE_PREFIX}operator/{name}"


def dns_name(identity: str) -> str:
    """The DNS name a certificate of `identity` also has: ``flaredb.service.ultracloud.local``."""
    assert identity.startswith(SPIFFE_PREFIX), identity
    return ".".join([*reversed(identity[len(SPIFFE_PREFIX) :].split("/")), TRUST_DOMAIN])


def expected_name(expect: str) -> str:
    """The DNS name to demand of a server: that of its SPIFFE URI, or `expect` itself, which servers of others have."""
    return dns_name(expect) if expect.startswith(SPIFFE_PREFIX) else expect


def make_ca(folder: Path, name: str = "UltraCloud CA", days: int = CA_DAYS) -> Ca:
    """Make an authority and write ``ca.crt`` and ``ca.key`` into `folder`; what was there is replaced."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    usage = x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=True,
        crl_sign=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
    certificate = (
        _begun(subject, subject, key, days)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    folder.mkdir(parents=True, exist_ok=True)
    _write(folder / "ca.key", _key_pem(key))
    _write(folder / "ca.crt", _certificate_pem(certificate))
    return Ca(certificate, key)


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
    days: int = CERTIFICATE_DAYS,
) -> TlsIdentity:
    """Issue a certificate for a SPIFFE `identity`; writes ``<name>.crt``, ``<name>.key`` and ``ca.crt`` into `folder`.

    `name` is the identity's path with ``-`` for ``/``: ``service-flaredb``. It serves as server and as client.
    """
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import ExtendedKeyUsageOID

    key = ec.generate_private_key(ec.SECP256R1())
    path = identity[len(SPIFFE_PREFIX) :]
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, path[:64])])
    alternatives = [
        x509.UniformResourceIdentifier(identity),
        x509.DNSName(dns_name(identity)),
        *(x509.DNSName(host) for host in hosts),
        *(x509.IPAddress(ipaddress.ip_address(address)) for address in addresses),
    ]
    uses = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH])
    certificate = (
        _begun(subject, ca.certificate.subject, key, days)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        .add_extension(uses, critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(ca.certificate.public_key()),  # type: ignore[arg-type]
            critical=False,
        )
        .sign(ca.key, hashes.SHA256())
    )
    folder.mkdir(parents=True, exist_ok=True)
    name = path.replace("/", "-")
    files = TlsIdentity(folder / f"{name}.crt", folder / f"{name}.key", folder / "ca.crt")
    _write(files.key, _key_pem(key))
    _write(files.certificate, _certificate_pem(certificate))
    _write(files.ca, _certificate_pem(ca.certificate))
    return files


def _begun(subject: x509.Name, issuer: x509.Name, key: EllipticCurvePrivateKey, days: int) -> x509.CertificateBuilder:
    """What all our certificates have."""
    from cryptography import x509

    now = dt.datetime.now(dt.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        # RFC 5280 4.1.2.2: at most 20 octets, positive.
        .serial_number(secrets.randbits(159) | 1)
        .not_valid_before(now - _BACKDATED)
        .not_valid_after(now + dt.timedelta(days=days))
    )


def _write(path: Path, content: bytes) -> None:
    """Write with mode 0600: a certificate is public, but nobody else has business in the folder."""
    # A file that stays as it was must not look replaced: services in the same folder would renew for nothing.
    if not path.exists() or path.read_bytes() != content:
        write_atomically(path, content, mode=0o600)


def _certificate_pem(certificate: x509.Certificate) -> bytes:
    """The certificate as text."""
    from cryptography.hazmat.primitives.serialization import Encoding

    return certificate.public_bytes(Encoding.PEM)


def _key_pem(key: EllipticCurvePrivateKey) -> bytes:
    """The key as unencrypted PKCS #8; the file's mode protects it."""
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def expires_in_s(certificate: Path) -> float:
    """Seconds until the certificate in the file ends; negative once it has."""
    from cryptography import x509

    ends = x509.load_pem_x509_certificate(certificate.read_bytes()).not_valid_after_utc
    return (ends - dt.datetime.now(dt.UTC)).total_seconds()


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
