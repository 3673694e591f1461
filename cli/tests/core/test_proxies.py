import pytest

from ultracloud.cli.core.failures import UsageFailure
from ultracloud.cli.core.proxies import Proxy, excepts, proxy_for

HOST = "api.cloud.example"


def test_the_proxy_of_the_environment_is_used_with_its_login() -> None:
    assert proxy_for(HOST, 443, {"HTTPS_PROXY": "http://ada:p%40ss@proxy:3128"}) == Proxy(
        "proxy", 3128, "Basic YWRhOnBAc3M="
    )
    assert proxy_for(HOST, 443, {"ALL_PROXY": "proxy"}) == Proxy("proxy", 8080)
    assert proxy_for(HOST, 443, {"https_proxy": "http://small", "HTTPS_PROXY": "http://great"}) == Proxy("small", 8080)
    assert proxy_for(HOST, 443, {"HTTP_PROXY": "http://proxy"}) is None


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "::1"])
def test_this_machine_is_never_reached_through_a_proxy(host: str) -> None:
    assert proxy_for(host, 443, {"HTTPS_PROXY": "http://proxy"}) is None


@pytest.mark.parametrize(
    ("entry", "host", "port", "is_excepted"),
    [
        ("*", HOST, 443, True),
        ("cloud.example", HOST, 443, True),
        (".cloud.example", HOST, 443, True),
        ("*.cloud.example", HOST, 443, True),
        ("API.Cloud.example", HOST, 443, True),
        ("loud.example", HOST, 443, False),
        ("cloud.example:443", HOST, 443, True),
        ("cloud.example:8443", HOST, 443, False),
        ("10.0.0.0/8", "10.1.2.3", 443, True),
        ("10.0.0.0/8", "11.1.2.3", 443, False),
        ("10.0.0.0/8", HOST, 443, False),
        ("2001:db8::/32", "2001:db8::1", 443, True),
        ("[2001:db8::1]:443", "2001:db8::1", 443, True),
        ("2001:db8::1", "2001:db8::1", 443, True),
        ("", HOST, 443, False),
        ("nonsense/", HOST, 443, False),
    ],
)
def test_no_proxy_excepts(entry: str, host: str, port: int, is_excepted: bool) -> None:  # noqa: FBT001 - a table
    assert excepts(entry, host, port) == is_excepted


@pytest.mark.parametrize(
    "text", ["socks5://proxy:1080", "https://proxy", "http://", "http://proxy:port", "http://[bad"]
)
def test_what_is_no_proxy_is_refused_without_its_password(text: str) -> None:
    with pytest.raises(UsageFailure, match=r"HTTPS_PROXY names no proxy that can be used; accepted: http://") as caught:
        proxy_for(HOST, 443, {"HTTPS_PROXY": text})
    assert text not in caught.value.sentence.partition(";")[0]
