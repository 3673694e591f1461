"""Logging in through another issuer: what its word about a person must say, and whom of ours it means. Pure.

An operator configures whom to believe, and by what a person is matched the first time. From then on the other issuer's
own id of them counts, so that an address or a name that is given to somebody else there opens nothing here.

Source: OpenID Connect Core 1.0, 3.1.3.7 (checking an ID token), 5.7 (only `iss` and `sub` together name a person).
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass

from ultracloud.base.faults import UnauthenticatedError
from ultracloud.base.names import NAME_LENGTH_MAX

ALGORITHMS = ("ES256", "RS256", "PS256", "EdDSA")
"""Signatures that are believed: with keys that the other issuer publishes, and never with a shared secret."""
SUBJECT_LENGTH_MAX = 255
"""OpenID Connect Core 1.0, 2."""


class Match(enum.StrEnum):
    """By what a person is found at their first login: an address that was verified there, or their name there."""

    EMAIL = "email"
    NAME = "name"


@dataclass(frozen=True, slots=True)
class Person:
    """Who somebody is elsewhere, and what to look for here: an address, or a name within the organisation."""

    subject: str
    sought: str


def parse_person(claims: Mapping[str, object], nonce: str, match: Match) -> Person:
    """The person whom the claims of a verified ID token are about.

    Args:
        claims: Issuer, audience and times are checked.
        nonce: What was sent with the request.
        match: What to look for.

    Raises:
        UnauthenticatedError: They answer another request, or say too little.
    """
    subject, said = claims.get("sub"), claims.get("nonce")
    if said != nonce or not isinstance(subject, str) or not 0 < len(subject) <= SUBJECT_LENGTH_MAX:
        raise refused("its answer is to another question")
    if match is Match.EMAIL:
        email = claims.get("email")
        if not isinstance(email, str) or claims.get("email_verified") is not True:
            raise refused("it does not vouch for an e-mail address")
        return Person(subject, email.lower())
    name = claims.get("preferred_username")
    local = name.partition("@")[0].lower() if isinstance(name, str) else ""
    if not 0 < len(local) <= NAME_LENGTH_MAX or "/" in local:
        raise refused("it says no name")
    return Person(subject, local)


def refused(why: str) -> UnauthenticatedError:
    """What a person is told whom the other issuer does not let in."""
    return UnauthenticatedError(f"the other login was not accepted: {why}", reason="UPSTREAM_REFUSED")
