import contextlib
import hashlib
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iam.core.oauth import (
    BUILT_IN,
    CLI_CLIENT,
    Client,
    OAuthError,
    fields_of,
    granted_scope,
    is_redirect_of,
    is_registrable,
    is_verified,
    parse_request,
    plain_user_code,
    user_code,
    with_fields,
)
from iam.core.pages import device_form, factor_form, invite_form, login_form, page
from ultracloud.base.attenuation import encoded

APP = Client("client-1", "app", "org-1", ("https://app.example/cb?x=1",), is_public=False, api_access=False)
GOOD = {
    "response_type": "code",
    "redirect_uri": "https://app.example/cb?x=1",
    "code_challenge": "c" * 43,
    "code_challenge_method": "S256",
}
EVIL = '"><script>alert(1)</script>'


@pytest.mark.parametrize(
    ("uri", "known", "is_same"),
    [
        ("https://app.example/cb", "https://app.example/cb", True),
        ("https://app.example/cb/", "https://app.example/cb", False),
        ("https://app.example/cb?a", "https://app.example/cb", False),
        ("https://app.example:8443/cb", "https://app.example/cb", False),
        ("http://127.0.0.1:5000/cb", "http://127.0.0.1/cb", True),
        ("http://[::1]:5000/cb", "http://[::1]/cb", True),
        ("http://127.0.0.1:5000/other", "http://127.0.0.1/cb", False),
        ("http://127.0.0.1:5000/cb?x", "http://127.0.0.1/cb", False),
        ("http://127.0.0.1:x/cb", "http://127.0.0.1/cb", False),
        ("http://127.0.0.1:5000@evil.example/cb", "http://127.0.0.1/cb", False),
        ("http://user@127.0.0.1:5000/cb", "http://127.0.0.1/cb", False),
        ("http://127.0.0.1.evil.example:5000/cb", "http://127.0.0.1/cb", False),
        ("https://127.0.0.1:5000/cb", "http://127.0.0.1/cb", False),
        ("http://localhost:5000/cb", "http://127.0.0.1/cb", False),
        ("", "https://app.example/cb", False),
    ],
)
def test_an_answer_goes_only_where_the_client_is_registered(uri: str, known: str, is_same: bool):  # noqa: FBT001 - a table
    assert is_redirect_of(uri, known) is is_same


@given(st.text(max_size=80))
def test_no_other_text_is_the_redirect_address_of_the_command_line(text: str):
    for known in BUILT_IN[CLI_CLIENT].redirect_uris:
        if is_redirect_of(text, known):
            assert text.startswith(("http://127.0.0.1:", "http://[::1]:", known))
            assert text.endswith("/callback")


@pytest.mark.parametrize(
    "uri",
    [
        "http://app.example/cb",
        "https://app.example/cb#x",
        "https://user@app.example/cb",
        "javascript:alert(1)",
        "app://cb",
        "/cb",
        "",
        "https://",
        "https://app.example/ cb",
        "https://app.example/'; script-src *",
        "http://localhost/cb",
    ],
)
def test_what_is_unsafe_cannot_be_registered(uri: str):
    assert not is_registrable(uri)


def test_what_is_safe_can():
    assert is_registrable("https://app.example/cb?x=1")
    assert is_registrable("http://127.0.0.1/cb")


def test_a_verifier_proves_its_challenge_and_no_other():
    verifier = "a" * 43
    challenge = encoded(hashlib.sha256(verifier.encode()).digest())
    assert is_verified(challenge, verifier)
    for wrong in ("", "b" * 43, "a" * 42, "a" * 129, challenge, "ä" * 43):
        assert not is_verified(challenge, wrong)


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"response_type": "code id_token"}, "unsupported_response_type"),
        ({"code_challenge": ""}, "invalid_request"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"request_uri": "https://evil.example"}, "invalid_request"),
        ({"response_mode": "fragment"}, "invalid_request"),
        ({"max_age": "-1"}, "invalid_request"),
        ({"max_age": "9" * 20}, "invalid_request"),
        ({"state": "s" * 3000}, "invalid_request"),
        ({"scope": "openid ultracloud"}, "invalid_scope"),
    ],
)
def test_a_request_that_is_wrong_is_refused(change: dict[str, str], error: str):
    with pytest.raises(OAuthError) as refusal:
        parse_request(APP, {**GOOD, **change})
    assert refusal.value.error == error


def test_a_good_request_keeps_what_it_says_and_loses_scopes_we_do_not_know():
    wanted = parse_request(APP, {**GOOD, "scope": "openid openid admin email", "max_age": "0", "prompt": "login"})
    assert (wanted.scope, wanted.max_age_s, wanted.prompt) == ("openid email", 0, {"login"})
    assert granted_scope(BUILT_IN[CLI_CLIENT], "ultracloud") == "ultracloud"


@given(st.text(max_size=300))
def test_any_query_is_read_or_refused(text: str):
    with contextlib.suppress(OAuthError):
        assert all(isinstance(value, str) for value in fields_of(text).values())


def test_a_parameter_that_comes_twice_is_refused():
    with pytest.raises(OAuthError, match="comes twice"):
        fields_of("client_id=a&client_id=b")


def test_an_answer_is_added_to_the_query_there_is():
    assert with_fields("https://app.example/cb?x=1", {"code": "a b", "state": ""}) == (
        "https://app.example/cb?x=1&code=a+b"
    )


def test_codes_for_people_are_read_however_they_are_typed():
    code = user_code(os.urandom(16))
    assert plain_user_code(code) == code
    assert plain_user_code(f" {code.lower().replace('-', ' ')} ") == code
    for wrong in ("", "AAAA-AAAA", code[:-1], f"{code}B"):
        assert plain_user_code(wrong) == ""


def test_nothing_from_outside_becomes_markup():
    hidden = {"to": EVIL}
    bodies = (
        login_form(hidden, EVIL, EVIL)
        + factor_form(hidden, has_code=True, key_options=EVIL)
        + device_form(hidden, EVIL, EVIL, EVIL)
        + invite_form(hidden, EVIL)
    )
    assert b"<script>alert" not in page(EVIL, bodies, EVIL)
