"""Who calls: tokens and certificates, good and bad."""

from __future__ import annotations

import base64
import json
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from ultracloud.base.faults import PermissionDeniedError, UnauthenticatedError
from ultracloud.base.policy import PrincipalKind
from ultracloud.base.tokens import Claims, render_claims
from ultracloud.servicekit.authn import Authenticator, principal_of, require_agent, require_service
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
