import pytest

from iam.errors import RootKeyError
from iam.shell.sealing import make_sealed_key, open_sealed_key, signing_key
from ultracloud.api.iam.v1 import keys_pb2 as pb

ROOT, OTHER = bytes(range(32)), bytes(32)


def test_a_sealed_key_opens_with_its_root_key():
    sealed = make_sealed_key(ROOT, 1000)
    private = open_sealed_key(ROOT, sealed)
    private.public_key().verify(private.sign(b"text"), b"text")
    assert private.public_key().public_bytes_raw() == sealed.ed25519_public == signing_key(sealed).ed25519
    assert private.private_bytes_raw() not in sealed.SerializeToString()


def test_no_two_keys_are_alike():
    one, two = make_sealed_key(ROOT, 1000), make_sealed_key(ROOT, 1000)
    assert one.kid != two.kid
    assert one.sealed_private[:12] != two.sealed_private[:12]


def test_another_root_key_opens_nothing_and_says_what_to_do():
    with pytest.raises(RootKeyError, match=r"does not open signing key \w+; put back the root_key_file"):
        open_sealed_key(OTHER, make_sealed_key(ROOT, 1000))


@pytest.mark.parametrize("field", ["kid", "ed25519_public", "sealed_private"])
def test_a_sealed_key_that_was_changed_does_not_open(field: str):
    sealed, other = make_sealed_key(ROOT, 1000), make_sealed_key(ROOT, 1000)
    changed = pb.SealedKey()
    changed.CopyFrom(sealed)
    setattr(changed, field, getattr(other, field))
    with pytest.raises(RootKeyError):
        open_sealed_key(ROOT, changed)


@pytest.mark.parametrize("sealed_private", [b"", b"short", bytes(12), bytes(60)])
def test_a_cut_key_does_not_open(sealed_private: bytes):
    sealed = make_sealed_key(ROOT, 1000)
    sealed.sealed_private = sealed_private
    with pytest.raises(RootKeyError):
        open_sealed_key(ROOT, sealed)
