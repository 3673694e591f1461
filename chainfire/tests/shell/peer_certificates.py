"""Certificates of etcd's kind: names and no SPIFFE identity, from an authority that anybody could have made."""

from __future__ import annotations

import datetime as dt
import ipaddress
from collections.abc import Sequence
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from chainfire.core.peernames import Allowed
from chainfire.shell.peer_tls import PeerTls
from ultracloud.servicekit import pki
from ultracloud.testkit.pki import TlsMaterial


def spiffe(folder: Path, service: str = "chainfire") -> PeerTls:
    """A member's certificate of our own kind; each folder has an authority of its own."""
    identity = TlsMaterial(folder).service(service)
    return PeerTls(identity.certificate, identity.key, identity.ca)


def another(folder: Path, service: str) -> PeerTls:
    """A certificate of the authority that `folder` has already."""
    identity = pki.issue(pki.load_ca(folder), pki.service_identity(service), folder)
    return PeerTls(identity.certificate, identity.key, identity.ca)


class PlainAuthority:
    """An authority whose certificates have names alone."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        self.folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "etcd-ca")])
        self.ca = folder / "ca.crt"
        made = self._begun(self._name, self._key).add_extension(x509.BasicConstraints(True, None), critical=True)
        self.ca.write_bytes(made.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))

    def issue(
        self, name: str, hosts: Sequence[str] = ("localhost",), addresses: Sequence[str] = ("127.0.0.1",)
    ) -> PeerTls:
        """A certificate with the common name `name`."""
        key = ec.generate_private_key(ec.SECP256R1())
        names: list[x509.GeneralName] = [x509.DNSName(host) for host in hosts]
        names += [x509.IPAddress(ipaddress.ip_address(address)) for address in addresses]
        subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        made = self._begun(subject, key).add_extension(x509.SubjectAlternativeName(names), critical=False)
        files = PeerTls(self.folder / f"{name}.crt", self.folder / f"{name}.key", self.ca)
        files.certificate.write_bytes(made.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
        plain = (serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        files.key.write_bytes(key.private_bytes(serialization.Encoding.PEM, *plain))
        return files

    def _begun(self, subject: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
        now = dt.datetime.now(dt.UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - dt.timedelta(minutes=5))
            .not_valid_after(now + dt.timedelta(days=1))
        )


def allowing(files: PeerTls, common_name: str = "", hostname: str = "") -> PeerTls:
    """The same identity, but choosier."""
    return PeerTls(files.certificate, files.key, files.ca, Allowed(common_name, hostname))


def replace(files: PeerTls, other: PeerTls) -> None:
    """Put other files in place of these."""
    for old, new in ((files.certificate, other.certificate), (files.key, other.key), (files.ca, other.ca)):
        old.write_bytes(new.read_bytes())
