import pytest

from iam.core.federation import Match, Person, parse_person
from ultracloud.base.faults import UnauthenticatedError

CLAIMS = {
    "sub": "248289",
    "nonce": "n",
    "email": "Bob@Example.org",
    "email_verified": True,
    "preferred_username": "Bob@corp",
}


def test_a_person_is_sought_by_a_verified_address_or_by_name():
    assert parse_person(CLAIMS, "n", Match.EMAIL) == Person("248289", "bob@example.org")
    assert parse_person(CLAIMS, "n", Match.NAME) == Person("248289", "bob")


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"nonce": "other"}, Match.EMAIL),
        ({"nonce": None}, Match.NAME),
        ({"sub": ""}, Match.EMAIL),
        ({"sub": 7}, Match.EMAIL),
        ({"sub": "x" * 256}, Match.EMAIL),
        ({"email_verified": False}, Match.EMAIL),
        ({"email_verified": "true"}, Match.EMAIL),
        ({"email": None}, Match.EMAIL),
        ({"preferred_username": None}, Match.NAME),
        ({"preferred_username": "@corp"}, Match.NAME),
        ({"preferred_username": "../bob"}, Match.NAME),
        ({"preferred_username": "b" * 64}, Match.NAME),
    ],
)
def test_who_is_not_vouched_for_is_nobody(change: dict[str, object], match: Match):
    with pytest.raises(UnauthenticatedError, match="was not accepted"):
        parse_person({**CLAIMS, **change}, "n", match)
