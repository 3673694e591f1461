import pytest
from hypothesis import given
from hypothesis import strategies as st

from ultracloud.base.faults import InvalidArgumentError
from ultracloud.base.principals import (
    PrincipalKind,
    check_principal,
    service_account_principal,
    spiffe_parts,
    spiffe_principal,
)

ACCOUNT = "sa-01jdh4x0k3v8p7q2m9n5r6s7t8"


def test_a_service_account_is_named_by_its_id():
    principal = service_account_principal(ACCOUNT, "org-1", "project-1", 7)
    assert principal.id == f"serviceaccount:{ACCOUNT}"
    assert principal.kind is PrincipalKind.SERVICE_ACCOUNT
    assert (principal.organisation, principal.project, principal.policy_version) == ("org-1", "project-1", 7)


@pytest.mark.parametrize(
    ("path", "kind", "variables"),
    [
        ("service/plasmavmc", PrincipalKind.SERVICE, {"service": "plasmavmc"}),
        ("agent/prismnet/node-1.rack2", PrincipalKind.AGENT, {"service": "prismnet", "host": "node-1.rack2"}),
        ("operator/ada", PrincipalKind.OPERATOR, {"name": "ada"}),
        ("operator/service", PrincipalKind.OPERATOR, {"name": "service"}),
    ],
)
def test_a_certificate_says_who_it_is(path: str, kind: PrincipalKind, variables: dict[str, str]):
    uri = f"spiffe://ultracloud.local/{path}"
    assert spiffe_principal(uri).kind is kind
    assert spiffe_parts(uri) == (kind, variables)
    assert check_principal(uri) == uri


@pytest.mark.parametrize(
    "uri",
    [
        "",
        "spiffe://ultracloud.local/",
        "spiffe://ultracloud.local/service/",
        "spiffe://ultracloud.local/service/a/b",
        "spiffe://ultracloud.local/service/a-b",
        "spiffe://ultracloud.local/service/{host}",
        "spiffe://ultracloud.local/agent/prismnet",
        "spiffe://ultracloud.local/agent/prismnet/../iam",
        "spiffe://ultracloud.local/agent/prismnet/*",
        "spiffe://ultracloud.local/operator/a\n",
        "spiffe://ultracloud.local/root/ada",
        "spiffe://elsewhere/service/iam",
        "spiffe://ultracloud.local.evil/service/iam",
        "SPIFFE://ultracloud.local/service/iam",
        "https://ultracloud.local/service/iam",
    ],
)
def test_an_identity_of_another_shape_is_nobody(uri: str):
    with pytest.raises(InvalidArgumentError, match="not one of ours"):
        spiffe_principal(uri)
    with pytest.raises(InvalidArgumentError):
        check_principal(uri)


@pytest.mark.parametrize("text", ["web", ACCOUNT, "serviceaccount:web", f"user:{ACCOUNT}", "*", "serviceaccount:*"])
def test_a_binding_names_principals_by_id(text: str):
    with pytest.raises(InvalidArgumentError, match="accepted: user:<id>, group:<id>, serviceaccount:<id"):
        check_principal(text)


@given(st.text(max_size=300))
def test_a_refusal_repeats_any_text_in_printable_ascii(text: str):
    with pytest.raises(InvalidArgumentError) as refusal:
        check_principal(f"spiffe://ultracloud.local/{text} ")
    assert refusal.value.public.isascii()
    assert refusal.value.public.isprintable()
