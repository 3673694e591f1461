from __future__ import annotations

import pytest

from ultracloud.servicekit.origin import GATEWAY, source_of
from ultracloud.servicekit.pki import service_identity
from ultracloud.servicekit.testing import FakeCall


@pytest.mark.parametrize(
    ("identity", "header", "expected"),
    [
        (GATEWAY, "1.2.3.4, 203.0.113.9", "203.0.113.9"),
        (GATEWAY, "203.0.113.9", "203.0.113.9"),
        (GATEWAY, "", "127.0.0.1:50000"),
        (service_identity("prismnet"), "203.0.113.9", "127.0.0.1:50000"),
        (None, "203.0.113.9", "127.0.0.1:50000"),
    ],
)
def test_only_the_gateway_is_believed_about_where_a_call_comes_from(
    identity: str | None, header: str, expected: str
) -> None:
    call = FakeCall(identity=identity, metadata={"x-forwarded-for": header} if header else {})
    assert source_of(call) == expected
