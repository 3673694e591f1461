"""Public keys, and what is none."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plasmavmc.core.ssh_keys import TYPES, check_ssh_keys
from ultracloud.base.faults import InvalidArgumentError

ED25519 = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl"


def key_of(kind: str, body: bytes = b"key") -> str:
    return f"{kind} {base64.b64encode(len(kind).to_bytes(4, 'big') + kind.encode() + body).decode()}"


@pytest.mark.parametrize("kind", TYPES)
def test_every_type_is_accepted_with_a_comment(kind: str) -> None:
    assert check_ssh_keys((f"  {key_of(kind)} me@home  ",)) == (f"{key_of(kind)} me@home",)


@pytest.mark.parametrize(
    ("key", "says"),
    [
        ("", "is no public key"),
        ("ssh-ed25519", "is no public key"),
        (f"{ED25519}\nssh-rsa AAAA", "is no public key"),
        (ED25519 + "x" * 9000, "is no public key"),
        (f'command="rm -rf /" {ED25519}', "begins with 'command="),
        ("ssh-dss AAAA", "begins with 'ssh-dss'"),
        (key_of("ssh-rsa").replace("ssh-rsa", "ssh-ed25519", 1), "is damaged"),
        ("ssh-ed25519 !!!!", "is damaged"),
        (key_of("ssh-ed25519", b""), "is damaged"),
    ],
)
def test_what_is_no_key_is_refused(key: str, says: str) -> None:
    with pytest.raises(InvalidArgumentError, match=says):
        check_ssh_keys((key,))


def test_private_key_is_refused_without_repeating_it() -> None:
    with pytest.raises(InvalidArgumentError) as refusal:
        check_ssh_keys(("-----BEGIN OPENSSH PRIVATE KEY-----\nc2VjcmV0\n",))
    assert "c2VjcmV0" not in str(refusal.value)


def test_too_many_keys_are_refused() -> None:
    with pytest.raises(InvalidArgumentError, match="33 ssh_keys; at most 32"):
        check_ssh_keys((ED25519,) * 33)


@given(st.lists(st.text(), max_size=3))
def test_any_words_are_keys_or_refused(words: list[str]) -> None:
    try:
        kept = check_ssh_keys(tuple(words))
    except InvalidArgumentError:
        return
    assert len(kept) == len(words)
