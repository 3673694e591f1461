"""Signing keys and how they are sealed: private keys (Ed25519, P-256) under ChaCha20-Poly1305 with the root key.

The kid and the public key are associated data: a sealed key moved under another name does not open.

Source: RFC 8032 (Ed25519), RFC 8439 (ChaCha20-Poly1305).
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from iam.core.keyring import SigningKey
from iam.errors import RootKeyError
from ultracloud.api.iam.v1 import keys_pb2 as pb

NONCE_BYTES = 12
P256_BYTES = 32
KID_LENGTH = 16
"""Hexadecimal digits: 64 bits of the public key's digest tell a ring's few keys apart."""


def make_sealed_key(root_key: bytes, now_ms: int) -> pb.SealedKey:
    """A new signing key, sealed."""
    private = Ed25519PrivateKey.generate()
    public = private.public_key().public_bytes_raw()
    kid = hashlib.sha256(public).hexdigest()[:KID_LENGTH]
    nonce = os.urandom(NONCE_BYTES)
    sealed = ChaCha20Poly1305(root_key).encrypt(nonce, private.private_bytes_raw(), _bound_to(kid, public))
    return pb.SealedKey(kid=kid, ed25519_public=public, sealed_private=nonce + sealed, created_at_ms=now_ms)


def make_sealed_p256_key(root_key: bytes, now_ms: int) -> pb.SealedKey:
    """A new signing key for others, sealed."""
    private = ec.generate_private_key(ec.SECP256R1())
    public = _point(private)
    kid = hashlib.sha256(public).hexdigest()[:KID_LENGTH]
    raw = private.private_numbers().private_value.to_bytes(P256_BYTES, "big")
    nonce = os.urandom(NONCE_BYTES)
    sealed = ChaCha20Poly1305(root_key).encrypt(nonce, raw, _bound_to(kid, public))
    return pb.SealedKey(kid=kid, p256_public=public, sealed_private=nonce + sealed, created_at_ms=now_ms)


def open_sealed_p256_key(root_key: bytes, key: pb.SealedKey) -> ec.EllipticCurvePrivateKey:
    """The private key; raises as `open_sealed_key`."""
    private = ec.derive_private_key(int.from_bytes(_opened(root_key, key, key.p256_public), "big"), ec.SECP256R1())
    assert _point(private) == key.p256_public, key.kid
    return private


def open_sealed_key(root_key: bytes, key: pb.SealedKey) -> Ed25519PrivateKey:
    """The private key.

    Raises:
        RootKeyError: It was sealed with another root key, or has been changed.
    """
    raw = _opened(root_key, key, key.ed25519_public)
    private = Ed25519PrivateKey.from_private_bytes(raw)
    assert private.public_key().public_bytes_raw() == key.ed25519_public, key.kid
    return private


def resealed_key(root_keys: Sequence[bytes], key: pb.SealedKey) -> pb.SealedKey:
    """The same key under the first root key; itself if it is already.

    Raises:
        RootKeyError: None of the root keys opens it.
    """
    public = key.ed25519_public or key.p256_public
    for root_key in root_keys[:-1]:
        try:
            raw = _opened(root_key, key, public)
        except RootKeyError:
            continue
        break
    else:
        root_key = root_keys[-1]
        raw = _opened(root_key, key, public)
    if root_key == root_keys[0]:
        return key
    fresh, nonce = pb.SealedKey(), os.urandom(NONCE_BYTES)
    fresh.CopyFrom(key)
    fresh.sealed_private = nonce + ChaCha20Poly1305(root_keys[0]).encrypt(nonce, raw, _bound_to(key.kid, public))
    return fresh


def signing_key(key: pb.SealedKey) -> SigningKey:
    """What the core needs of it."""
    return SigningKey(key.kid, key.ed25519_public or key.p256_public, key.created_at_ms)


def _opened(root_key: bytes, key: pb.SealedKey, public: bytes) -> bytes:
    nonce, sealed = key.sealed_private[:NONCE_BYTES], key.sealed_private[NONCE_BYTES:]
    try:
        return ChaCha20Poly1305(root_key).decrypt(nonce, sealed, _bound_to(key.kid, public))
    except (InvalidTag, ValueError):
        raise RootKeyError(
            f"the root key does not open signing key {key.kid}; put back the root_key_file this cloud began with"
        ) from None


def _point(private: ec.EllipticCurvePrivateKey) -> bytes:
    return private.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


def _bound_to(kid: str, public: bytes) -> bytes:
    return b"ultracloud iam signing key\0" + kid.encode() + b"\0" + public
