from __future__ import annotations

import pytest

from iam.core.ca_admission import Asked, check_asked, check_join_ttl, check_pattern, matches, require_own
from ultracloud.base.faults import InvalidArgumentError, PermissionDeniedError

ROOT = "spiffe://ultracloud.local/"


@pytest.mark.parametrize(
    ("pattern", "identity", "expected"),
    [
        ("service/flaredb", "service/flaredb", True),
        ("service/flaredb", "service/iam", False),
        ("service/*", "service/iam", True),
        ("node/*", "node/web-1", True),
        ("node/*", "node/web-1/x", False),
        ("agent/*/web-1", "agent/prismnet/web-1", True),
        ("agent/*/web-1", "agent/prismnet/web-2", False),
        ("agent/*/*", "service/iam", False),
        ("node/*", "operator/ada", False),
    ],
)
def test_a_pattern_means_whole_parts(pattern: str, identity: str, expected: object) -> None:
    assert matches(check_pattern(pattern), ROOT + identity) is expected


@pytest.mark.parametrize(
    "pattern", ["", "*", "*/*", "service", "operator/*", "node/a/b", "agent/x", "node/a*", "node/../x", "x/y", "node/"]
)
def test_other_patterns_are_refused(pattern: str) -> None:
    with pytest.raises(InvalidArgumentError, match="is none; accepted"):
        check_pattern(pattern)


def test_a_certificate_gets_its_own_and_a_node_those_of_its_agents() -> None:
    require_own(ROOT + "service/iam", ROOT + "service/iam")
    require_own(ROOT + "node/web-1", ROOT + "agent/prismnet/web-1")
    for caller, identity in [
        ("node/web-1", "agent/prismnet/web-2"),
        ("node/web-1", "service/iam"),
        ("node/web-1", "node/web-2"),
        ("agent/prismnet/web-1", "node/web-1"),
        ("service/iam", "service/flaredb"),
        ("operator/ada", "operator/eve"),
    ]:
        with pytest.raises(PermissionDeniedError, match="only its own"):
            require_own(ROOT + caller, ROOT + identity)
    with pytest.raises(PermissionDeniedError, match="use a join token"):
        require_own("serviceaccount:sa-x", ROOT + "node/web-1")


@pytest.mark.parametrize("name", ["iam.service.ultracloud.local", "ultracloud.local", "X.Ultracloud.Local.", "*.a.b"])
def test_nobody_is_certified_under_another_identitys_name(name: str) -> None:
    with pytest.raises(InvalidArgumentError, match="asks for the name"):
        check_asked(Asked(ROOT + "node/web-1", (name,)))


def test_names_are_bounded_and_identities_are_ours() -> None:
    check_asked(Asked(ROOT + "node/web-1", ("web-1.example.org", "notultracloud.local"), ("10.0.0.1",)))
    with pytest.raises(InvalidArgumentError, match="at most 32"):
        check_asked(Asked(ROOT + "node/web-1", tuple(f"n{i}" for i in range(33))))
    with pytest.raises(InvalidArgumentError, match="not one of ours"):
        check_asked(Asked("spiffe://elsewhere/node/web-1"))


def test_a_join_token_lives_an_hour_unless_asked_otherwise() -> None:
    assert [check_join_ttl(ttl) for ttl in (0, 60, 604_800)] == [3600, 60, 604_800]
    for ttl in (-1, 59, 604_801):
        with pytest.raises(InvalidArgumentError):
            check_join_ttl(ttl)
