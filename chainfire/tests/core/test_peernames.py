import pytest

from chainfire.core.peernames import Address, Allowed, Names, covers, objection, parse_url

OURS = "spiffe://ultracloud.local/service/chainfire"
EVERYBODY = Allowed()


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("http://127.0.0.1:2380", Address("127.0.0.1", 2380, is_tls=False)),
        ("https://store-1.example.net:2380/", Address("store-1.example.net", 2380, is_tls=True)),
        ("https://[2001:db8::1]:2380", Address("2001:db8::1", 2380, is_tls=True)),
    ],
)
def test_a_peer_url_has_a_scheme_a_host_and_a_port(url: str, address: Address) -> None:
    assert parse_url(url) == address


@pytest.mark.parametrize(
    "url", ["", "127.0.0.1:2380", "http://host", "unix://x:1", "http://h:1/raft", "http://h:port", "http://[::1:2380"]
)
def test_anything_else_is_refused_with_what_is_accepted(url: str) -> None:
    with pytest.raises(ValueError, match=r"is no peer URL; accepted: http://host:port or https://host:port"):
        parse_url(url)


@pytest.mark.parametrize(
    ("uris", "says"),
    [
        ((OURS,), ""),
        (("spiffe://other.example/service/chainfire",), ""),
        (("https://example.net/", OURS), ""),
        (("spiffe://ultracloud.local/service/flaredb",), "is of spiffe://ultracloud.local/service/flaredb; members"),
        (("spiffe:///service/chainfire",), "members have"),
        (("spiffe://ultracloud.local/service/chainfire/x",), "members have"),
        ((OURS, "spiffe://other.example/service/chainfire"), "has 2 SPIFFE identities; expected one"),
    ],
)
def test_a_spiffe_identity_alone_decides(uris: tuple[str, ...], says: str) -> None:
    names = Names("somebody", uris, hosts=("elsewhere",))
    found = objection(names, Allowed("nobody", "nowhere"), "10.0.0.1")
    assert says in found
    assert bool(found) == bool(says)


@pytest.mark.parametrize(
    ("allowed", "dialled", "says"),
    [
        (EVERYBODY, None, ""),
        (EVERYBODY, "store-1.example.net", ""),
        (EVERYBODY, "10.0.0.1", ""),
        (EVERYBODY, "10.0.0.2", "its certificate is for *.example.net, 10.0.0.1, not for 10.0.0.2"),
        (Allowed("member"), None, ""),
        (Allowed("other"), None, "its certificate has the common name 'member', not 'other'"),
        (Allowed(hostname="a.example.net"), None, ""),
        (Allowed(hostname="a.example.org"), None, "not for the allowed host name 'a.example.org'"),
    ],
)
def test_without_one_the_names_of_a_certificate_decide(allowed: Allowed, dialled: str | None, says: str) -> None:
    names = Names("member", hosts=("*.example.net",), addresses=("10.0.0.1",))
    found = objection(names, allowed, dialled)
    assert says in found
    assert bool(found) == bool(says)


@pytest.mark.parametrize(
    ("host", "is_covered"),
    [
        ("a.example.net", True),
        ("A.Example.NET.", True),
        ("a.b.example.net", False),
        ("example.net", False),
        (".example.net", False),
        ("single", True),
        ("net", False),
        ("::1", True),
        ("0:0:0:0:0:0:0:1", True),
        ("::2", False),
    ],
)
def test_a_star_is_one_label_and_an_address_is_a_number(host: str, is_covered: bool) -> None:  # noqa: FBT001 - a table
    assert covers(Names(hosts=("*.example.net", "single", "*.net"), addresses=("::1",)), host) is is_covered
