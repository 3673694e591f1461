from __future__ import annotations

import pytest

from flaredb.core.access import Access
from ultracloud.base.faults import PermissionDeniedError, UnauthenticatedError

IAM = "spiffe://ultracloud.local/service/iam"
PRISMNET = "spiffe://ultracloud.local/service/prismnet"
OPERATOR = "spiffe://ultracloud.local/operator/ann"
OURSELVES = "spiffe://ultracloud.local/service/flaredb"
AGENT = "spiffe://ultracloud.local/agent/iam/host-1"

SECURED = Access(owners={"shared": frozenset({IAM, PRISMNET})}, is_open=False)


@pytest.mark.parametrize(
    ("identity", "namespace", "writes"),
    [
        (IAM, "iam", True),
        (IAM, "shared", True),
        (PRISMNET, "shared", False),
        (OPERATOR, "iam", False),
        (OURSELVES, "shared", True),
    ],
)
def test_owners_write_and_operators_read(identity: str, namespace: str, writes: bool):  # noqa: FBT001
    SECURED.check(identity, namespace, writes=writes)


@pytest.mark.parametrize(
    ("identity", "namespace", "writes"),
    [
        (IAM, "prismnet", False),
        (IAM, "iam2", True),
        (OPERATOR, "iam", True),
        (AGENT, "iam", False),
        ("spiffe://ultracloud.local/service/shared", "shared", False),
        ("spiffe://elsewhere/service/iam", "iam", False),
        ("", "iam", False),
    ],
)
def test_everybody_else_is_refused(identity: str, namespace: str, writes: bool):  # noqa: FBT001
    with pytest.raises(PermissionDeniedError, match=f"namespace '{namespace}'"):
        SECURED.check(identity, namespace, writes=writes)


def test_a_refusal_says_which_setting_would_allow_it():
    with pytest.raises(PermissionDeniedError) as refusal:
        SECURED.check(IAM, "prismnet", writes=True)
    assert f'[namespaces] prismnet = ["{IAM}"]' in refusal.value.hint


def test_without_tls_everybody_may_do_all():
    Access(owners={}, is_open=True).check(None, "iam", writes=True)


def test_with_tls_a_caller_without_certificate_is_unknown():
    with pytest.raises(UnauthenticatedError):
        SECURED.check(None, "iam", writes=False)


def test_an_identity_is_held_to_its_rights_even_where_none_is_needed():
    with pytest.raises(PermissionDeniedError):
        Access(owners={}, is_open=True).check(PRISMNET, "iam", writes=False)
