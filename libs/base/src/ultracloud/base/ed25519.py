"""Ed25519 for chains of narrowings. The library is imported here only, because it is large.

Source: RFC 8032 (Ed25519), `ultracloud.base.attenuation`.
"""

from __future__ import annotations

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from ultracloud.base.attenuation import Curve


class Ed25519(Curve):
    """The curve, by `cryptography`."""

    def public_of(self, secret: bytes) -> bytes:
        """See `Curve`."""
        return Ed25519PrivateKey.from_private_bytes(secret).public_key().public_bytes_raw()

    def sign(self, secret: bytes, message: bytes) -> bytes:
        """See `Curve`."""
        return Ed25519PrivateKey.from_private_bytes(secret).sign(message)

    def is_signed(self, public: bytes, message: bytes, signature: bytes) -> bool:
        """See `Curve`."""
        try:
            Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
        except (InvalidSignature, ValueError):
            return False
        return True
