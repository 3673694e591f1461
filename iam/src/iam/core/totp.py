"""Codes of authenticator apps: whether one is right, and not used before. Pure.

Source: RFC 6238 (TOTP: 30 s, SHA-1, 6 digits, as all apps have it), 5.2 (one step of tolerance, each code once).
"""

from __future__ import annotations

import hmac
import re

import pyotp

STEP_S = 30
STEPS_AROUND = 1
"""How far the phone's clock may be off, in steps."""
SECRET_BYTES = 20
"""RFC 4226 4: 160 bits."""
RECOVERY_CODES = 10
_CODE = re.compile(r"[0-9]{6}")
_RECOVERY_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"
_RECOVERY_LENGTH = 16
"""Characters of 31: 79 bits, which nobody guesses, so a plain digest of it may be kept."""


def matched_step(secret: str, code: str, now_s: int, last_step: int) -> int | None:
    """The step that `code` is of; None if it is wrong, or of a step up to `last_step`, which was used.

    Args:
        secret: Base 32.
        code: Six digits; spaces are ignored.
        now_s: Seconds since 1970.
        last_step: The newest step a code was taken of.
    """
    digits = code.replace(" ", "")
    if not _CODE.fullmatch(digits):
        return None
    hotp, found = pyotp.HOTP(secret), None
    for step in range(now_s // STEP_S - STEPS_AROUND, now_s // STEP_S + STEPS_AROUND + 1):
        # All are compared, whichever matches: how long it takes says nothing.
        if hmac.compare_digest(hotp.at(step), digits) and step > last_step:
            found = step
    return found


def totp_uri(secret: str, login: str, issuer: str) -> str:
    """What the phone's camera reads."""
    return pyotp.TOTP(secret).provisioning_uri(name=login, issuer_name=issuer)


def recovery_codes(entropy: bytes) -> tuple[str, ...]:
    """Codes for who has lost the phone, in groups of four.

    Args:
        entropy: Random bytes, twice as many as all the codes have characters.
    """
    assert len(entropy) == recovery_entropy_bytes(), len(entropy)
    # Two bytes a character: 31 does not divide 256, and 65,536 so nearly that nothing is gained.
    letters = [
        _RECOVERY_ALPHABET[int.from_bytes(entropy[at : at + 2], "big") % len(_RECOVERY_ALPHABET)]
        for at in range(0, len(entropy), 2)
    ]
    codes = ["".join(letters[at : at + _RECOVERY_LENGTH]) for at in range(0, len(letters), _RECOVERY_LENGTH)]
    return tuple("-".join(code[at : at + 4] for at in range(0, _RECOVERY_LENGTH, 4)) for code in codes)


def recovery_entropy_bytes() -> int:
    """Random bytes that `recovery_codes` wants."""
    return 2 * RECOVERY_CODES * _RECOVERY_LENGTH


def plain_recovery_code(text: str) -> str:
    """A recovery code as it was made, however it was typed."""
    return "".join(letter for letter in text.lower() if letter in _RECOVERY_ALPHABET)
