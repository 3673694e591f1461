"""Certificates as such: making roots and leaves, requests for leaves, and reading what is in them. No files here.

Keys are P-256: every TLS library verifies it fast and BoringSSL refuses Ed25519.

Source: RFC 5280 (certificates), RFC 2986 (certification requests), the SPIFFE X.509-SVID specification.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import ipaddress
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ultracloud.base.principals import SPIFFE_PREFIX, TRUST_DOMAIN

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey, EllipticCurvePublicKey

BACKDATED = dt.timedelta(minutes=5)
"""Certificates begin a little in the past, so that a host whose clock lags accepts a fresh one."""
COMMON_NAME_LENGTH_MAX = 64
"""RFC 5280 appendix A.1, ub-common-name."""


@dataclass(frozen=True, slots=True)
class Ca:
    """A certificate authority with its key in memory."""

    certificate: x509.Certificate
    key: EllipticCurvePrivateKey


@dataclass(frozen=True, slots=True)
class Names:
    """What a certificate, or a request for one, says of its owner; the DNS name of the identity is not among them."""

    identity: str
    hosts: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()


def dns_name(identity: str) -> str:
    """The DNS name a certificate of `identity` also has: ``flaredb.service.ultracloud.local``."""
    assert identity.startswith(SPIFFE_PREFIX), identity
    return ".".join([*reversed(identity[len(SPIFFE_PREFIX) :].split("/")), TRUST_DOMAIN])


def new_key() -> EllipticCurvePrivateKey:
    """A fresh private key."""
    from cryptography.hazmat.primitives.asymmetric import ec

    return ec.generate_private_key(ec.SECP256R1())


def new_root(name: str, days: float) -> Ca:
    """A fresh authority."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes

    key = new_key()
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
        _begun(subject, subject, key.public_key(), dt.timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    return Ca(certificate, key)


def new_leaf(ca: Ca, names: Names, public: EllipticCurvePublicKey, lifetime: dt.timedelta) -> x509.Certificate:
    """A certificate for the holder of a key; it serves as server and as client."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.x509.oid import ExtendedKeyUsageOID

    path = names.identity[len(SPIFFE_PREFIX) :]
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, path[:COMMON_NAME_LENGTH_MAX])])
    uses = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH])
    issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(ca.key.public_key())
    return (
        _begun(subject, ca.certificate.subject, public, lifetime)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_alternatives(names), critical=False)
        .add_extension(uses, critical=False)
        .add_extension(issuer, critical=False)
        .sign(ca.key, hashes.SHA256())
    )


def request_for(key: EllipticCurvePrivateKey, names: Names) -> bytes:
    """A certification request, PEM."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.serialization import Encoding

    path = names.identity[len(SPIFFE_PREFIX) :]
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, path[:COMMON_NAME_LENGTH_MAX])])
    builder = x509.CertificateSigningRequestBuilder().subject_name(subject)
    return (
        builder.add_extension(_alternatives(names), critical=False)
        .sign(key, hashes.SHA256())
        .public_bytes(Encoding.PEM)
    )


def names_of(source: x509.Certificate | x509.CertificateSigningRequest) -> Names:
    """What is certified, or to be.

    Raises:
        ValueError: It does not have exactly one URI.
    """
    from cryptography import x509

    try:
        found = source.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        raise ValueError("it names nobody") from None
    uris = found.get_values_for_type(x509.UniformResourceIdentifier)
    if len(uris) != 1 or not uris[0].startswith(SPIFFE_PREFIX):
        raise ValueError(f"it must have exactly one URI, and that begin with {SPIFFE_PREFIX}")
    hosts = tuple(name for name in found.get_values_for_type(x509.DNSName) if name != dns_name(uris[0]))
    addresses = tuple(str(address) for address in found.get_values_for_type(x509.IPAddress))
    return Names(uris[0], hosts, addresses)


def fingerprint(certificate: x509.Certificate) -> str:
    """SHA-256 of a certificate, in hexadecimal."""
    from cryptography.hazmat.primitives.serialization import Encoding

    return hashlib.sha256(certificate.public_bytes(Encoding.DER)).hexdigest()


def certificate_pem(certificate: x509.Certificate) -> bytes:
    """The certificate as text."""
    from cryptography.hazmat.primitives.serialization import Encoding

    return certificate.public_bytes(Encoding.PEM)


def key_pem(key: EllipticCurvePrivateKey) -> bytes:
    """The key as unencrypted PKCS #8; the file's mode protects it."""
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _alternatives(names: Names) -> x509.SubjectAlternativeName:
    """All names of a certificate."""
    from cryptography import x509

    return x509.SubjectAlternativeName(
        [
            x509.UniformResourceIdentifier(names.identity),
            x509.DNSName(dns_name(names.identity)),
            *(x509.DNSName(host) for host in names.hosts),
            *(x509.IPAddress(ipaddress.ip_address(address)) for address in names.addresses),
        ]
    )


def _begun(
    subject: x509.Name, issuer: x509.Name, public: EllipticCurvePublicKey, lifetime: dt.timedelta
) -> x509.CertificateBuilder:
    """What all our certificates have."""
    from cryptography import x509

    now = dt.datetime.now(dt.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)
        # RFC 5280 4.1.2.2: at most 20 octets, positive.
        .serial_number(secrets.randbits(159) | 1)
        .not_valid_before(now - BACKDATED)
        .not_valid_after(now + lifetime)
    )
