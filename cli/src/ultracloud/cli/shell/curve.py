"""Ed25519 for narrowing tokens. The library is imported here only, because it is large."""

from __future__ import annotations

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey


class Ed25519:
    """A `base.attenuation.Curve`."""

    def public_of(self, secret: bytes) -> bytes:
        """The public half."""
        return Ed25519PrivateKey.from_private_bytes(secret).public_key().public_bytes_raw()

    def sign(self, secret: bytes, message: bytes) -> bytes:
        """A signature of 64 bytes."""
        return Ed25519PrivateKey.from_private_bytes(secret).sign(message)

    def is_signed(self, public: bytes, message: bytes, signature: bytes) -> bool:
        """Whether the signature holds."""
        try:
            Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
        except (InvalidSignature, ValueError):
            return False
        return True
