"""Between what the store keeps of the certificate authority and what the core decides on."""

from __future__ import annotations

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_der_private_key

from iam.core.ca_rotation import Authority, Certificate, Root
from iam.core.envelope import Context
from iam.shell.root_keys import RootKeys
from ultracloud.api.iam.v1 import ca_pb2 as pb
from ultracloud.api.iam.v1 import ca_state_pb2 as state_pb
from ultracloud.servicekit.certificates import Ca, certificate_pem, fingerprint

PREFIX = b"keys/ca"
STATE_KEY = b"keys/ca"
CERTIFICATES = b"keys/ca/certificates/"


def certificate_key(serial: str) -> bytes:
    """Where the record of a certificate is."""
    return CERTIFICATES + serial.encode()


def serial_of(certificate: x509.Certificate) -> str:
    """A certificate's serial number as it is written everywhere."""
    return f"{certificate.serial_number:x}"


def authority_of(state: state_pb.CaState) -> Authority:
    """What the core needs of it."""
    roots = tuple(
        Root(one.id, _ends_ms(x509.load_der_x509_certificate(one.certificate)), one.unaccounted_until_ms)
        for one in state.roots
    )
    return Authority(roots, state.signing, state.trust_version, state.since_ms)


def with_authority(
    state: state_pb.CaState, authority: Authority, added: state_pb.SealedRoot | None = None
) -> state_pb.CaState:
    """The state that the core decided on; `added` is the root that is new in it."""
    known = {one.id: one for one in state.roots}
    if added is not None:
        known[added.id] = added
    return state_pb.CaState(
        roots=[known[root.id] for root in authority.roots],
        signing=authority.signing,
        trust_version=authority.trust_version,
        since_ms=authority.since_ms,
    )


def certificate_of(value: bytes) -> Certificate:
    """A stored record of a certificate."""
    one = state_pb.IssuedCertificate.FromString(value)
    return Certificate(
        one.serial, one.identity, one.root, one.not_after_ms, one.trust_version, one.acknowledged_at_ms, one.replaces
    )


def render_certificate(one: Certificate) -> bytes:
    """The opposite."""
    return state_pb.IssuedCertificate(
        serial=one.serial,
        identity=one.identity,
        root=one.root,
        not_after_ms=one.not_after_ms,
        trust_version=one.trust_version,
        acknowledged_at_ms=one.acknowledged_at_ms,
        replaces=one.replaces,
    ).SerializeToString()


def trust_of(state: state_pb.CaState) -> pb.Trust:
    """Whom to trust."""
    texts = [certificate_pem(x509.load_der_x509_certificate(one.certificate)).decode() for one in state.roots]
    return pb.Trust(roots="".join(texts), version=state.trust_version, signing=state.signing)


def sealed_root(keys: RootKeys, ca: Ca, now_ms: int, unaccounted_until_ms: int = 0) -> state_pb.SealedRoot:
    """A root with its key sealed.

    Raises:
        UnavailableError: There is no root key yet.
    """
    identifier = fingerprint(ca.certificate)
    private = ca.key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    return state_pb.SealedRoot(
        id=identifier,
        certificate=ca.certificate.public_bytes(Encoding.DER),
        sealed_private=keys.seal(_context(identifier), private),
        created_at_ms=now_ms,
        unaccounted_until_ms=unaccounted_until_ms,
    )


def opened_root(keys: RootKeys, root: state_pb.SealedRoot) -> Ca:
    """A root with its key.

    Raises:
        RootKeyError, DataLossError, UnavailableError: As `RootKeys.open`.
    """
    certificate = x509.load_der_x509_certificate(root.certificate)
    private = load_der_private_key(keys.open(_context(root.id), root.sealed_private), password=None)
    assert isinstance(private, EllipticCurvePrivateKey), root.id
    assert private.public_key() == certificate.public_key(), root.id
    return Ca(certificate, private)


def resealed_root(keys: RootKeys, root: state_pb.SealedRoot) -> state_pb.SealedRoot:
    """The same, sealed with the newest root key."""
    fresh = state_pb.SealedRoot()
    fresh.CopyFrom(root)
    fresh.sealed_private = keys.seal(_context(root.id), keys.open(_context(root.id), root.sealed_private))
    return fresh


def _context(identifier: str) -> Context:
    return Context("certificate authority", path=identifier)


def _ends_ms(certificate: x509.Certificate) -> int:
    return int(certificate.not_valid_after_utc.timestamp() * 1000)
