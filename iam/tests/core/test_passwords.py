import pytest

from iam.core.passwords import check_password
from ultracloud.base.faults import InvalidArgumentError


@pytest.mark.parametrize("password", ["correct horse", "pässwörter!!", "a b c d e f g", "x" * 250 + "abcd"])
def test_what_is_long_and_varied_is_taken(password: str):
    assert check_password(password, "bob@acme") == password


@pytest.mark.parametrize(
    ("password", "why"),
    [
        ("", "it has 0 characters"),
        ("elevenchars", "it has 11 characters; accepted: 12 to 256"),
        ("abcde" * 60, "it has 300 characters"),
        ("ababababababab", "fewer than 5 different"),
        ("Bob.Builder@acme", "it is a name of yours"),
    ],
)
def test_what_is_guessed_first_is_refused_and_said_why(password: str, why: str):
    with pytest.raises(InvalidArgumentError, match=why) as refusal:
        check_password(password, "bob.builder@acme", "bob")
    assert password not in refusal.value.public or not password
