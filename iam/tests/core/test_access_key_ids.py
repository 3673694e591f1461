from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from iam.core.access_key_ids import ID_BYTES, SECRET_BYTES, access_key_id, is_access_key_id, secret_access_key


def test_ids_and_secrets_are_what_they_were() -> None:
    assert access_key_id(bytes(range(12))) == "UCAAAQEAYEAUDAOCAJBI"
    assert secret_access_key(bytes(range(30))) == "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwd"


@given(st.binary(min_size=ID_BYTES, max_size=ID_BYTES), st.binary(min_size=SECRET_BYTES, max_size=SECRET_BYTES))
def test_every_client_takes_them(randomness: bytes, more: bytes) -> None:
    assert is_access_key_id(access_key_id(randomness))
    secret = secret_access_key(more)
    assert (len(secret), secret.isalnum(), secret.isascii()) == (40, True, True)


def test_other_texts_are_no_ids() -> None:
    for text in ("", "AKIAIOSFODNN7EXAMPLE", "UC" + "A" * 17, "UC" + "a" * 18, "UC" + "/" * 18, "UC" + "Ä" * 18):
        assert not is_access_key_id(text)
