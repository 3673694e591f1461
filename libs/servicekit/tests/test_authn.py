"""Who calls: tokens and certificates, good and bad."""

from __future__ import annotations

import base64
import hmac
import json
from collections.abc import Callable
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from ultracloud.base.attenuation import Chain, confirmation, encoded, joined
from ultracloud.base.faults import PermissionDeniedError, UnauthenticatedError
from ultracloud.base.narrowing import make_narrowing
from ultracloud.base.policy import PrincipalKind
from ultracloud.base.tokens import Claims, render_claims
from ultracloud.servicekit.authn import Authenticator, principal_of, require_agent, require_service
from ultracloud.servicekit.ed25519 import narrow
from ultracloud.servicekit.policy import PolicyCopy, Snapshot
from ultracloud.servicekit.testing import ACME, BLUE, DEVELOPER, FakeCall, SetClock, sample_policy

KEY = Ed25519PrivateKey.from_private_bytes(bytes(32))
OTHER = Ed25519PrivateKey.from_private_bytes(bytes([1] * 32))
CLOCK = SetClock()
NOW_S = CLOCK.now_ms() // 1000


def authority() -> PolicyCopy:
    return PolicyCopy(Snapshot(sample_policy(), {"k1": KEY.public_key().public_bytes_raw()}))


def token(key: Any = KEY, *, kid: str = "k1", algorithm: str = "EdDSA", **claims: object) -> str:
    payload = render_claims(Claims(DEVELOPER.id, ACME.id, BLUE.id, NOW_S - 10, NOW_S + 60, "jti", 1))
    return jwt.encode({**payload, **claims}, key, algorithm, headers={"kid": kid})


def admitted(text: str, clock: SetClock = CLOCK) -> FakeCall:
    call = FakeCall(metadata={"authorization": f"Bearer {text}"})
    Authenticator(authority(), clock).admit(call)
    return call


def test_a_good_token_is_its_service_account() -> None:
    principal = principal_of(admitted(token()))
    assert (principal.id, principal.organisation, principal.project) == (
        f"serviceaccount:{DEVELOPER.id}",
        ACME.id,
        BLUE.id,
    )


def embedded() -> str:
    """Signed with a key that the header itself brings (RFC 8725 3.10: such a key is nobody's)."""
    payload = render_claims(Claims(DEVELOPER.id, ACME.id, BLUE.id, NOW_S - 10, NOW_S + 60, "jti", 1))
    jwk = {"kty": "OKP", "crv": "Ed25519", "x": encoded(OTHER.public_key().public_bytes_raw())}
    return jwt.encode(payload, OTHER, "EdDSA", headers={"kid": "k1", "jwk": jwk, "jku": "https://evil.example"})


def confused() -> str:
    """HS256 over the public key's bytes, which PyJWT itself refuses to make."""
    head, body, _ = token().split(".")
    fields = json.loads(base64.urlsafe_b64decode(head + "=="))
    head = encoded(json.dumps({**fields, "alg": "HS256"}).encode())
    digest = hmac.digest(KEY.public_key().public_bytes_raw(), f"{head}.{body}".encode(), "sha256")
    return f"{head}.{body}.{encoded(digest)}"


@pytest.mark.parametrize(("make", "reason"), [(embedded, "TOKEN_FORGED"), (confused, "TOKEN_MALFORMED")])
def test_a_token_does_not_choose_what_it_is_verified_with(make: Callable[[], str], reason: str) -> None:
    with pytest.raises(UnauthenticatedError) as refused:
        admitted(make())
    assert refused.value.reason == reason


def test_a_narrowed_token_is_its_principal_with_less_and_for_less_long() -> None:
    secret = bytes([7] * 32)
    cnf = confirmation(Ed25519PrivateKey.from_private_bytes(secret).public_key().public_bytes_raw())
    whole = joined(token(cnf=cnf), Chain((), secret))
    less = narrow(narrow(whole, make_narrowing("projects/blue")), make_narrowing("", ["*.get"]), NOW_S + 30)
    assert principal_of(admitted(whole)).narrowings == ()
    principal = principal_of(admitted(less))
    assert principal.id == f"serviceaccount:{DEVELOPER.id}"
    assert principal.narrowings == (make_narrowing("projects/blue"), make_narrowing("", ["*.get"]))
    clock = SetClock()
    clock.time_ms += 31_000
    with pytest.raises(UnauthenticatedError, match="expired"):
        admitted(less, clock)
    with pytest.raises(UnauthenticatedError, match="a part of it is missing"):
        admitted(whole.partition("~")[0])


def unsigned() -> str:
    head, body, _ = token().split(".")
    fields = json.loads(base64.urlsafe_b64decode(head + "=="))
    text = base64.urlsafe_b64encode(json.dumps({**fields, "alg": "none"}).encode()).decode().rstrip("=")
    return f"{text}.{body}."


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (token(OTHER), "TOKEN_FORGED"),
        (token(kid="k2"), "TOKEN_KEY_UNKNOWN"),
        (token(kid=""), "TOKEN_MALFORMED"),
        (token(exp=NOW_S - 1), "TOKEN_EXPIRED"),
        (token(iat=NOW_S + 3600), "TOKEN_NOT_YET_VALID"),
        (token(iss="elsewhere"), "TOKEN_WRONG_ISSUER"),
        (token(sub=7), "TOKEN_MALFORMED"),
        (token(aud="elsewhere"), "TOKEN_WRONG_AUDIENCE"),
        (token(aud=["ultracloud", "elsewhere"]), "TOKEN_WRONG_AUDIENCE"),
        (token(kid="../../../dev/null"), "TOKEN_KEY_UNKNOWN"),
        (token(kid="k1' OR '1'='1"), "TOKEN_KEY_UNKNOWN"),
        (token(kid="https://evil.example/jwks.json"), "TOKEN_KEY_UNKNOWN"),
        (token(cnf={}), "TOKEN_FORGED"),
        (token() + "~" + "A" * 43, "TOKEN_FORGED"),
        (token()[:-20], "TOKEN_FORGED"),
        (token().rpartition(".")[0], "TOKEN_MALFORMED"),
        ("ucp_" + "a" * 43, "TOKEN_PERSONAL"),
        (f"{token().partition('.')[0]}.{'e' * 5000}.x", "TOKEN_MALFORMED"),
        (token(KEY.public_key().public_bytes_raw().hex(), algorithm="HS256"), "TOKEN_MALFORMED"),
        (unsigned(), "TOKEN_MALFORMED"),
        ("a.b.c", "TOKEN_MALFORMED"),
        ("x" * 5000, "TOKEN_MALFORMED"),
    ],
)
def test_a_bad_token_is_refused_with_its_reason(text: str, reason: str) -> None:
    with pytest.raises(UnauthenticatedError) as refused:
        admitted(text)
    assert refused.value.reason == reason
    assert text not in str(refused.value)


@given(st.text(max_size=200) | st.binary(max_size=120).map(lambda raw: base64.urlsafe_b64encode(raw).decode()))
def test_no_garbage_gets_further_than_unauthenticated(text: str) -> None:
    with pytest.raises(UnauthenticatedError):
        Authenticator(authority(), CLOCK).principal_of_token(text)


def test_a_token_expires_although_its_signature_is_remembered() -> None:
    clock = SetClock()
    authenticator = Authenticator(authority(), clock)
    text = token()
    authenticator.principal_of_token(text)
    clock.time_ms += 61_000
    with pytest.raises(UnauthenticatedError, match="expired"):
        authenticator.principal_of_token(text)


def test_a_withdrawn_key_ends_what_it_signed() -> None:
    copy = authority()
    authenticator = Authenticator(copy, CLOCK)
    text = token()
    authenticator.principal_of_token(text)
    copy.replace(Snapshot(sample_policy(version=2), {"k2": OTHER.public_key().public_bytes_raw()}))
    with pytest.raises(UnauthenticatedError, match="not one of this cloud's"):
        authenticator.principal_of_token(text)


def test_a_certificate_is_its_identity() -> None:
    call = FakeCall(identity="spiffe://ultracloud.local/agent/prismnet/node-1")
    Authenticator(authority(), CLOCK).admit(call)
    assert principal_of(call).kind is PrincipalKind.AGENT
    require_agent(call, "prismnet", "node-1")
    for service, host in (("prismnet", "node-2"), ("plasmavmc", "node-1")):
        with pytest.raises(PermissionDeniedError, match=f"only the {service} agent of host '{host}'"):
            require_agent(call, service, host)
    with pytest.raises(PermissionDeniedError, match="only the service plasmavmc"):
        require_service(call, "plasmavmc")


def test_a_token_speaks_louder_than_the_certificate_it_comes_over() -> None:
    call = FakeCall(
        identity="spiffe://ultracloud.local/service/apigateway", metadata={"authorization": f"bearer {token()}"}
    )
    Authenticator(authority(), CLOCK).admit(call)
    assert principal_of(call).kind is PrincipalKind.SERVICE_ACCOUNT


@pytest.mark.parametrize("header", ["", "Basic dXNlcg==", "Bearer", "Bearer  "])
def test_nobody_is_refused(header: str) -> None:
    with pytest.raises(UnauthenticatedError, match=r"no bearer token|has no identity"):
        Authenticator(authority(), CLOCK).admit(FakeCall(metadata={"authorization": header} if header else {}))


def test_a_foreign_identity_is_refused() -> None:
    with pytest.raises(UnauthenticatedError, match="is not one of ours"):
        Authenticator(authority(), CLOCK).admit(FakeCall(identity="spiffe://elsewhere/service/iam"))


def test_a_probe_needs_no_identity_but_has_none() -> None:
    call = FakeCall("/grpc.health.v1.Health/Check")
    Authenticator(authority(), CLOCK).admit(call)
    with pytest.raises(UnauthenticatedError):
        principal_of(call)
