"""Passwords: which are taken. Pure.

Length is what counts; rules about digits and signs make people write passwords down.

Source: NIST SP 800-63B 5.1.1.2.
"""

from __future__ import annotations

from ultracloud.base.faults import InvalidArgumentError

LENGTH_MIN = 12
LENGTH_MAX = 256
"""Passphrases fit; argon2 reads all of it, so the bound is against floods."""
DIFFERENT_MIN = 5
"""Different characters; `aaaaaaaaaaaa` is long and no password."""


def check_password(password: str, *known: str) -> str:
    """Give `password` back if it may be one.

    Args:
        password: As typed.
        known: What everybody knows of the user: login name, organisation, e-mail address.

    Raises:
        InvalidArgumentError: It is too short, too long, or made of what everybody knows.
    """
    why = ""
    if not LENGTH_MIN <= len(password) <= LENGTH_MAX:
        why = f"it has {len(password)} characters; accepted: {LENGTH_MIN} to {LENGTH_MAX}"
    elif len(set(password)) < DIFFERENT_MIN:
        why = f"it has fewer than {DIFFERENT_MIN} different characters"
    elif password.lower() in {word.lower() for word in known}:
        why = "it is a name of yours"
    if why:
        raise InvalidArgumentError(f"the password is not accepted: {why}", reason="PASSWORD_WEAK")
    return password
