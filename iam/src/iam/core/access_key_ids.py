"""What access keys look like: as AWS's, so that every client takes them. Pure; randomness comes in as bytes."""

from __future__ import annotations

import base64

PREFIX = "UC"
ID_LENGTH = 20
"""As AWS's: some clients check it."""
ID_BYTES = 12
"""Random bytes for an id: of their 20 digits in base 32, 18 are used, 90 bits."""
SECRET_BYTES = 30
"""240 bits, which are 40 characters in base64, as AWS's secrets have."""


def access_key_id(randomness: bytes) -> str:
    """An id of capitals and digits.

    Args:
        randomness: ID_BYTES.
    """
    assert len(randomness) == ID_BYTES
    return PREFIX + base64.b32encode(randomness).decode()[: ID_LENGTH - len(PREFIX)]


def secret_access_key(randomness: bytes) -> str:
    """A secret; without slashes and pluses, which people break when they copy them into URLs.

    Args:
        randomness: SECRET_BYTES.
    """
    assert len(randomness) == SECRET_BYTES
    return base64.b64encode(randomness, altchars=b"xy").decode()


def is_access_key_id(text: str) -> bool:
    """Whether a text may be one of our ids."""
    return len(text) == ID_LENGTH and text.startswith(PREFIX) and text.isascii() and text.isalnum() and text.isupper()
