"""What is sealed at rest: one format for everything that iam keeps secret in the store. Pure; the nonce comes in.

    1 byte    format, 1
    4 bytes   which key, big-endian: the version of a data key, or the beginning of a root key's SHA-256
    24 bytes  nonce
    the rest  XChaCha20-Poly1305 of the value, with the tag behind it

Associated data are those first 5 bytes and the context: what it is, whose, and where. So a sealed value that is moved
to another project, path or version, or said to be of another key, does not open. A random nonce of 24 bytes may be used
with one key without counting: 2**80 values are sealed before two are likely to share one.

Source: RFC 8439 (ChaCha20-Poly1305), draft-irtf-cfrg-xchacha-03 (the longer nonce).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from nacl.bindings import (
    crypto_aead_xchacha20poly1305_ietf_decrypt,
    crypto_aead_xchacha20poly1305_ietf_encrypt,
)
from nacl.exceptions import CryptoError

from ultracloud.base.faults import DataLossError

FORMAT = 1
KEY_BYTES = 32
NONCE_BYTES = 24
TAG_BYTES = 16
HEADER_BYTES = 5
KEY_ID_MAX = 2**32 - 1


@dataclass(frozen=True, slots=True)
class Context:
    """What a sealed value is bound to.

    Attributes:
        purpose: "secret", "data key", ...; one word or two, so that no value opens as another sort of thing.
        project: Id of whose it is; empty for the cloud's own.
        path: Where it belongs: ids and the number of the version.
    """

    purpose: str
    project: str = ""
    path: str = ""


def seal(key: bytes, key_id: int, nonce: bytes, context: Context, value: bytes) -> bytes:
    """The value, sealed.

    Args:
        key: KEY_BYTES that nobody else has.
        key_id: Which key it is, 0 to KEY_ID_MAX: readable without opening.
        nonce: NONCE_BYTES, random: never given twice with the same key.
        context: Must be the same to open.
        value: Anything, also nothing.
    """
    assert len(key) == KEY_BYTES, "the key has another length"
    assert len(nonce) == NONCE_BYTES, "the nonce has another length"
    header = bytes([FORMAT]) + key_id.to_bytes(4, "big")
    bound = header + _rendered(context)
    return header + nonce + crypto_aead_xchacha20poly1305_ietf_encrypt(value, bound, nonce, key)


def key_id_of(sealed: bytes) -> int:
    """Which key opens it.

    Raises:
        DataLossError: It is no sealed value.
    """
    if len(sealed) < HEADER_BYTES + NONCE_BYTES + TAG_BYTES or sealed[0] != FORMAT:
        raise DataLossError("a sealed value is not as it was written; restore it from a backup", reason="SEAL_BROKEN")
    return int.from_bytes(sealed[1:HEADER_BYTES], "big")


def unseal(key: bytes, context: Context, sealed: bytes) -> bytes:
    """The value.

    Raises:
        DataLossError: It was changed, or sealed with another key or for another place.
    """
    key_id_of(sealed)
    nonce, body = sealed[HEADER_BYTES : HEADER_BYTES + NONCE_BYTES], sealed[HEADER_BYTES + NONCE_BYTES :]
    try:
        return bytes(
            crypto_aead_xchacha20poly1305_ietf_decrypt(body, sealed[:HEADER_BYTES] + _rendered(context), nonce, key)
        )
    except CryptoError:
        raise DataLossError(
            f"a sealed {context.purpose} does not open: it was changed, or sealed with another key",
            reason="SEAL_BROKEN",
        ) from None


def root_key_id(key: bytes) -> int:
    """By what a root key is told from others: root keys have no numbers, because they come from files."""
    return int.from_bytes(hashlib.sha256(b"ultracloud root key\0" + key).digest()[:4], "big")


def _rendered(context: Context) -> bytes:
    """The context with lengths, so that no two read the same: project "a" and path "bc" is not "ab" and "c"."""
    parts = (context.purpose.encode(), context.project.encode(), context.path.encode())
    return b"".join(len(part).to_bytes(4, "big") + part for part in parts)
