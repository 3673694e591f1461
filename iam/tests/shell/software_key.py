"""A security key in software, as far as WebAuthn goes (level 3, 6.1 and 6.5): one P-256 key and a counter."""

from __future__ import annotations

import hashlib
import json
import os

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from fido2 import cbor
from fido2.cose import ES256

from ultracloud.base.attenuation import encoded

PRESENT_AND_VERIFIED, WITH_KEY = 0x05, 0x40


class SoftwareKey:
    """Answers challenges for one host."""

    def __init__(self, origin: str) -> None:
        self._origin = origin
        self._host = hashlib.sha256(origin.split("//")[1].partition(":")[0].encode()).digest()
        self._private = ec.generate_private_key(ec.SECP256R1())
        self._id = os.urandom(16)
        self.count = 0

    def register(self, options: str) -> str:
        """RegistrationResponseJSON."""
        key = cbor.encode(dict(ES256.from_cryptography_key(self._private.public_key())))
        data = (
            self._data(PRESENT_AND_VERIFIED | WITH_KEY) + bytes(16) + len(self._id).to_bytes(2, "big") + self._id + key
        )
        client = self._client("webauthn.create", options)
        attestation = cbor.encode({"fmt": "none", "attStmt": {}, "authData": data})
        return self._answer({"clientDataJSON": encoded(client), "attestationObject": encoded(attestation)})

    def sign(self, options: str) -> str:
        """AuthenticationResponseJSON."""
        self.count += 1
        data, client = self._data(PRESENT_AND_VERIFIED), self._client("webauthn.get", options)
        signature = self._private.sign(data + hashlib.sha256(client).digest(), ec.ECDSA(hashes.SHA256()))
        return self._answer(
            {
                "clientDataJSON": encoded(client),
                "authenticatorData": encoded(data),
                "signature": encoded(signature),
                "userHandle": None,
            }
        )

    def _data(self, flags: int) -> bytes:
        return self._host + bytes([flags]) + self.count.to_bytes(4, "big")

    def _client(self, kind: str, options: str) -> bytes:
        challenge = json.loads(options)["challenge"]
        return json.dumps({"type": kind, "challenge": challenge, "origin": self._origin}).encode()

    def _answer(self, response: dict[str, object]) -> str:
        name = encoded(self._id)
        return json.dumps(
            {"id": name, "rawId": name, "type": "public-key", "clientExtensionResults": {}, "response": response}
        )
