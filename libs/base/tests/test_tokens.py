from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ultracloud.base.attenuation import Attenuation
from ultracloud.base.faults import InvalidArgumentError, UnauthenticatedError
from ultracloud.base.narrowing import Narrowing
from ultracloud.base.principals import PrincipalKind
from ultracloud.base.tokens import (
    CLOCK_SKEW_S,
    TTL_S_DEFAULT,
    Claims,
    check_ttl,
    parse_claims,
    principal_of_claims,
    render_claims,
)

CLAIMS = Claims("sa-1", "org-1", "project-1", issued_at_s=1000, expires_at_s=4600, token_id="t-1", policy_version=7)
PAYLOAD = render_claims(CLAIMS)
JSON = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.lists(st.text()))


@given(st.integers(1000, 4599))
def test_rendered_claims_parse_back_for_as_long_as_they_live(now_s: int):
    assert parse_claims(PAYLOAD, now_s) == CLAIMS


@pytest.mark.parametrize("now_s", [4600, 4600.5, 9999])
def test_claims_die_at_their_expiry(now_s: float):
    with pytest.raises(UnauthenticatedError, match=r"the token expired \d+ s ago; issue a new one") as refusal:
        parse_claims(PAYLOAD, now_s)
    assert refusal.value.reason == "TOKEN_EXPIRED"


def test_claims_of_the_future_wait():
    with pytest.raises(UnauthenticatedError, match="not valid for another 31 s") as refusal:
        parse_claims(PAYLOAD, 1000 - CLOCK_SKEW_S - 1)
    assert refusal.value.reason == "TOKEN_NOT_YET_VALID"


def test_a_clock_that_is_a_little_behind_is_forgiven():
    assert parse_claims(PAYLOAD, 1000 - CLOCK_SKEW_S) == CLAIMS


@pytest.mark.parametrize("issuer", ["", "elsewhere", "Ultracloud", None, 1, ["ultracloud"]])
def test_another_issuers_claims_are_refused(issuer: object):
    with pytest.raises(UnauthenticatedError, match="not by ultracloud") as refusal:
        parse_claims({**PAYLOAD, "iss": issuer}, 1000)
    assert refusal.value.reason == "TOKEN_WRONG_ISSUER"


@pytest.mark.parametrize("claim", ["sub", "org", "proj", "iat", "exp", "jti"])
def test_a_missing_claim_is_named(claim: str):
    payload = {key: value for key, value in PAYLOAD.items() if key != claim}
    with pytest.raises(UnauthenticatedError, match=f"'{claim}'") as refusal:
        parse_claims(payload, 1000)
    assert refusal.value.reason == "TOKEN_MALFORMED"


@given(st.dictionaries(st.sampled_from(sorted(PAYLOAD)), JSON), st.floats(0, 1e10))
def test_any_claims_are_accepted_whole_or_refused_as_unauthenticated(changes: dict[str, object], now_s: float):
    payload = {**PAYLOAD, **changes}
    try:
        claims = parse_claims(payload, now_s)
    except UnauthenticatedError:
        return
    assert claims.issued_at_s - CLOCK_SKEW_S <= now_s < claims.expires_at_s


@pytest.mark.parametrize("audience", ["", "elsewhere", None, ["ultracloud"], 1, "Ultracloud", "ultracloud "])
def test_a_token_for_somebody_else_is_refused(audience: object):
    with pytest.raises(UnauthenticatedError, match="is meant for") as refusal:
        parse_claims({**PAYLOAD, "aud": audience}, 1000)
    assert refusal.value.reason == "TOKEN_WRONG_AUDIENCE"


def test_whoever_asks_for_another_audience_gets_only_that():
    payload = render_claims(replace(CLAIMS, audience="https://elsewhere"))
    assert parse_claims(payload, 1000, audience="https://elsewhere").audience == "https://elsewhere"
    with pytest.raises(UnauthenticatedError, match="is meant for 'ultracloud'"):
        parse_claims(PAYLOAD, 1000, audience="https://elsewhere")


def test_claims_of_a_user_have_a_session_and_no_project():
    claims = replace(CLAIMS, subject="usr-1", project="", session="ses-1", narrowings=(Narrowing("projects/p"),))
    assert parse_claims(render_claims(claims), 1000) == claims
    principal = principal_of_claims(claims)
    assert (principal.id, principal.kind, principal.session) == ("user:usr-1", PrincipalKind.USER, "ses-1")
    assert (principal.issued_at_ms, principal.narrowings) == (1_000_000, claims.narrowings)


@given(st.integers() | st.none())
def test_what_a_holder_adds_ends_a_token_earlier_and_never_later(ends: int | None):
    try:
        claims = parse_claims(PAYLOAD, 1000, Attenuation((Narrowing("projects/p"),), ends))
    except UnauthenticatedError:
        assert ends is not None
        assert ends <= 1000
    else:
        assert claims.expires_at_s == min(4600, 4600 if ends is None else ends)
        assert claims.narrowings == (Narrowing("projects/p"),)


@pytest.mark.parametrize("cap", [1, "*", [], {"ops": []}, {"ops": "*"}, {"ops": ["a.b"]}, {"res": 1}, {"res": "../x"}])
def test_a_cap_that_is_none_is_refused(cap: object):
    with pytest.raises(UnauthenticatedError) as refusal:
        parse_claims({**PAYLOAD, "cap": cap}, 1000)
    assert refusal.value.reason == "TOKEN_MALFORMED"


def test_a_token_without_a_policy_version_is_of_version_0():
    payload = {key: value for key, value in PAYLOAD.items() if key != "rev"}
    assert parse_claims(payload, 1000).policy_version == 0


def test_claims_speak_for_a_service_account():
    principal = principal_of_claims(CLAIMS)
    assert principal.id == "serviceaccount:sa-1"
    assert (principal.organisation, principal.project, principal.policy_version) == ("org-1", "project-1", 7)


@pytest.mark.parametrize(("asked", "given_s"), [(0, TTL_S_DEFAULT), (60, 60), (86_400, 86_400)])
def test_lifetimes(asked: int, given_s: int):
    assert check_ttl(asked) == given_s


@pytest.mark.parametrize("ttl_s", [-1, 1, 59, 86_401, 2**62])
def test_a_lifetime_out_of_range_is_refused_with_the_range(ttl_s: int):
    with pytest.raises(InvalidArgumentError, match="accepted: 60 to 86400 seconds"):
        check_ttl(ttl_s)
