"""Signatures that AWS has published, and ours against every way of changing a signed request."""

from __future__ import annotations

import calendar
import hashlib
import hmac
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ultracloud.base.faults import Fault, InvalidArgumentError, UnauthenticatedError
from ultracloud.base.sigv4 import (
    EMPTY_SHA256,
    SKEW_S_MAX,
    STREAMING,
    STREAMING_TRAILER,
    STREAMING_UNSIGNED_TRAILER,
    HttpRequest,
    canonical_path,
    is_signed,
    parse,
    signing_key,
    verify,
    verify_policy,
)
from ultracloud.base.sigv4_chunks import Chunks

KEY, SECRET = "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
HOST = "examplebucket.s3.amazonaws.com"
NOW = calendar.timegm((2013, 5, 24, 0, 0, 0))
CREDENTIAL = f"{KEY}/20130524/us-east-1/s3/aws4_request"


def request(
    method: str, path: str, query: str, names: str, signature: str, payload: str = EMPTY_SHA256, **more: str
) -> HttpRequest:
    """A request of AWS's examples."""
    headers = {"host": HOST, "x-amz-date": "20130524T000000Z", "x-amz-content-sha256": payload}
    headers |= {name.replace("_", "-"): value for name, value in more.items()}
    value = f"AWS4-HMAC-SHA256 Credential={CREDENTIAL},SignedHeaders={names},Signature={signature}"
    return HttpRequest(method, path, query, {**headers, "authorization": value})


SHORT = "host;x-amz-content-sha256;x-amz-date"
GET = request(
    "GET",
    "/test.txt",
    "",
    "host;range;x-amz-content-sha256;x-amz-date",
    "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
    range="bytes=0-9",
)
PUT = request(
    "PUT",
    "/test%24file.text",
    "",
    "date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class",
    "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd",
    "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072",
    date="Fri, 24 May 2013 00:00:00 GMT",
    x_amz_storage_class="REDUCED_REDUNDANCY",
)
LIFECYCLE = request("GET", "/", "lifecycle", SHORT, "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543")
LIST = request(
    "GET", "/", "max-keys=2&prefix=J", SHORT, "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"
)
PRESIGNED = HttpRequest(
    "GET",
    "/test.txt",
    f"X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential={CREDENTIAL.replace('/', '%2F')}&X-Amz-Date=20130524T000000Z"
    "&X-Amz-Expires=86400&X-Amz-SignedHeaders=host"
    "&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404",
    {"host": HOST},
)


def refusal(changed: HttpRequest, now_s: float = NOW, secret: str = SECRET) -> str:
    """Why a request is refused."""
    try:
        verify(changed, parse(changed), secret, now_s)
    except Fault as fault:
        return fault.reason
    return ""


def with_header(base: HttpRequest, name: str, value: str) -> HttpRequest:
    return replace(base, headers={**base.headers, name: value})


@pytest.mark.parametrize("published", [GET, PUT, LIFECYCLE, LIST, PRESIGNED])
def test_aws_own_examples_verify(published: HttpRequest) -> None:
    assert is_signed(published)
    assert parse(published).access_key_id == KEY
    assert verify(published, parse(published), SECRET, NOW) == signing_key(SECRET, parse(published).scope)


@pytest.mark.parametrize("published", [GET, PUT, LIFECYCLE, LIST, PRESIGNED])
def test_whatever_is_changed_is_refused(published: HttpRequest) -> None:
    mismatch = "SIGNATURE_DOES_NOT_MATCH"
    assert refusal(replace(published, method="DELETE")) == mismatch
    assert refusal(replace(published, path=f"{published.path}x")) == mismatch
    assert refusal(replace(published, query=f"{published.query}&x=1".lstrip("&"))) == mismatch
    assert refusal(with_header(published, "host", "other")) == mismatch
    assert refusal(published, secret=f"{SECRET}x") == mismatch
    assert refusal(with_header(published, "x-amz-acl", "public-read")) == "HEADERS_NOT_SIGNED"


def test_a_changed_digest_of_the_body_is_refused() -> None:
    assert refusal(with_header(PUT, "x-amz-content-sha256", EMPTY_SHA256)) == "SIGNATURE_DOES_NOT_MATCH"
    assert parse(PUT).body_sha256 == PUT.headers["x-amz-content-sha256"]
    assert parse(PRESIGNED).body_sha256 is None


def test_clocks_may_be_a_quarter_of_an_hour_apart() -> None:
    for now_s in (NOW - SKEW_S_MAX, NOW + SKEW_S_MAX):
        assert refusal(GET, now_s) == ""
    for now_s in (NOW - SKEW_S_MAX - 1, NOW + SKEW_S_MAX + 1):
        assert refusal(GET, now_s) == "REQUEST_TIME_TOO_SKEWED"


def test_a_presigned_url_is_good_until_it_expires() -> None:
    assert refusal(PRESIGNED, NOW + 86_399) == ""
    assert refusal(PRESIGNED, NOW + 86_400) == "REQUEST_EXPIRED"
    assert refusal(PRESIGNED, NOW - SKEW_S_MAX - 1) == "REQUEST_TIME_TOO_SKEWED"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("X-Amz-Expires=86400", "X-Amz-Expires=0"),
        ("X-Amz-Expires=86400", "X-Amz-Expires=604801"),
        ("X-Amz-Expires=86400", "X-Amz-Expires=-1"),
        ("X-Amz-Expires=86400&", ""),
        ("X-Amz-SignedHeaders=host", "X-Amz-SignedHeaders="),
        ("20130524T000000Z", "20130525T000000Z"),
        ("20130524T000000Z", "20130524T250000Z"),
        ("aws4_request", "aws4"),
        ("AWS4-HMAC-SHA256", "AWS4-ECDSA-P256-SHA256"),
        ("X-Amz-Expires=86400", "X-Amz-Expires=86400&X-Amz-Expires=86400"),
        ("aeeed9bb", "AEEED9BB"),
    ],
)
def test_a_malformed_url_is_refused_as_such(old: str, new: str) -> None:
    with pytest.raises(InvalidArgumentError) as caught:
        parse(replace(PRESIGNED, query=PRESIGNED.query.replace(old, new)))
    assert caught.value.reason == "AUTHORIZATION_MALFORMED"


@pytest.mark.parametrize(
    "value",
    [
        "AWS4-HMAC-SHA256 ",
        "AWS4-HMAC-SHA256 Credential=x",
        f"AWS4-HMAC-SHA256 Credential={CREDENTIAL},SignedHeaders=x-amz-date;host,Signature={'a' * 64}",
        f"AWS4-HMAC-SHA256 Credential={CREDENTIAL},SignedHeaders=host;host,Signature={'a' * 64}",
        f"AWS4-HMAC-SHA256 Credential={CREDENTIAL},SignedHeaders=Host,Signature={'a' * 64}",
        f"AWS4-HMAC-SHA256 Credential={CREDENTIAL},SignedHeaders=host,Signature={'a' * 64},Signature={'b' * 64}",
        f"AWS4-HMAC-SHA256 Credential={CREDENTIAL},SignedHeaders=host,Signature={'a' * 63}",
    ],
)
def test_a_malformed_header_is_refused_as_such(value: str) -> None:
    with pytest.raises(InvalidArgumentError):
        parse(with_header(GET, "authorization", value))


def test_unsigned_and_twice_signed_requests_are_told_apart() -> None:
    plain = HttpRequest("GET", "/", "", {"host": HOST})
    assert not is_signed(plain)
    with pytest.raises(UnauthenticatedError, match="not signed"):
        parse(plain)
    with pytest.raises(InvalidArgumentError, match="signed twice"):
        parse(replace(PRESIGNED, headers={**PRESIGNED.headers, "authorization": GET.headers["authorization"]}))


def test_a_signature_without_the_host_or_of_another_service_is_refused() -> None:
    value = GET.headers["authorization"]
    assert refusal(with_header(GET, "authorization", value.replace("host;", ""))) == "HEADERS_NOT_SIGNED"
    assert refusal(with_header(GET, "authorization", value.replace("/s3/", "/iam/"))) == "AUTHORIZATION_MALFORMED"


@given(st.text(max_size=30))
def test_a_path_is_canonical_however_it_is_written(text: str) -> None:
    raw = text.encode("utf-8", "surrogatepass") if text.isprintable() else b"x"
    everything = "/" + "".join(f"%{byte:02x}" for byte in raw)
    assert canonical_path(canonical_path(everything)) == canonical_path(everything)
    assert canonical_path(everything.upper().replace("%2F", "/")) == canonical_path(everything)


def test_dots_and_double_slashes_are_part_of_a_key() -> None:
    assert canonical_path("/bucket/../a//b/./c~d") == "/bucket/../a//b/./c~d"
    assert canonical_path("") == "/"


def test_the_policy_of_a_form_is_verified_alone() -> None:
    scope = parse(GET).scope
    good = hmac.new(signing_key(SECRET, scope), b"cG9saWN5", hashlib.sha256).hexdigest()
    verify_policy(SECRET, scope, "cG9saWN5", good)
    with pytest.raises(UnauthenticatedError):
        verify_policy(SECRET, scope, "cG9saWN5x", good)


# ---- bodies in chunks ----------------------------------------------------------------------------------------------

STREAMED = HttpRequest(
    "PUT",
    "/examplebucket/chunkObject.txt",
    "",
    {
        "host": "s3.amazonaws.com",
        "x-amz-date": "20130524T000000Z",
        "x-amz-storage-class": "REDUCED_REDUNDANCY",
        "x-amz-content-sha256": STREAMING,
        "content-encoding": "aws-chunked",
        "x-amz-decoded-content-length": "66560",
        "content-length": "66824",
        "authorization": f"AWS4-HMAC-SHA256 Credential={CREDENTIAL},SignedHeaders=content-encoding;content-length;host;"
        "x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;x-amz-storage-class,"
        "Signature=4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9",
    },
)
TRAILED = HttpRequest(
    "PUT",
    "/examplebucket/chunkObject.txt",
    "",
    {
        "host": "s3.amazonaws.com",
        "x-amz-date": "20130524T000000Z",
        "x-amz-storage-class": "REDUCED_REDUNDANCY",
        "x-amz-content-sha256": STREAMING_TRAILER,
        "content-encoding": "aws-chunked",
        "x-amz-decoded-content-length": "66560",
        "x-amz-trailer": "x-amz-checksum-crc32c",
        "authorization": f"AWS4-HMAC-SHA256 Credential={CREDENTIAL},SignedHeaders=content-encoding;host;"
        "x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;x-amz-storage-class;x-amz-trailer,"
        "Signature=106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e",
    },
)


def framed(*signatures: str, trailers: str = "") -> bytes:
    """AWS's example body, 65 KiB of a, in two chunks."""
    sizes = (65536, 1024, 0)
    parts = [
        f"{size:x};chunk-signature={signature}\r\n".encode() + b"a" * size + (b"\r\n" if size else b"")
        for size, signature in zip(sizes, signatures, strict=True)
    ]
    return b"".join(parts) + (trailers.encode() + b"\r\n")


CHUNKED = framed(
    "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648",
    "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497",
    "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9",
)
CHUNKED_TRAILED = framed(
    "b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2",
    "1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7",
    "2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992",
    trailers="x-amz-checksum-crc32c:sOO8/Q==\r\n"
    "x-amz-trailer-signature:d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435\r\n",
)


def chunks_of(streamed: HttpRequest) -> Chunks:
    signed = parse(streamed)
    return Chunks(signed, verify(streamed, signed, SECRET, NOW))


@pytest.mark.parametrize("piece", [1 << 20, 1000, 7])
@pytest.mark.parametrize(("streamed", "body"), [(STREAMED, CHUNKED), (TRAILED, CHUNKED_TRAILED)])
def test_aws_own_example_of_chunks_verifies_in_whatever_pieces_it_comes(
    streamed: HttpRequest, body: bytes, piece: int
) -> None:
    chunks = chunks_of(streamed)
    got = b"".join(part for at in range(0, len(body), piece) for part in chunks.feed(body[at : at + piece]))
    chunks.end()
    assert (got == b"a" * 66560, chunks.length, chunks.is_finished) == (True, 66560, True)
    assert chunks.trailers == ({"x-amz-checksum-crc32c": "sOO8/Q=="} if streamed is TRAILED else {})


def taken_whole(chunks: Chunks, body: bytes) -> None:
    chunks.feed(body)
    chunks.end()


@given(st.data())
def test_a_changed_byte_anywhere_in_chunks_is_refused(data: st.DataObject) -> None:
    streamed, body = data.draw(st.sampled_from([(STREAMED, CHUNKED), (TRAILED, CHUNKED_TRAILED)]))
    at = data.draw(st.one_of(st.integers(0, len(body) - 1), st.integers(66_000, len(body) - 1), st.integers(0, 90)))
    changed = bytearray(body)
    changed[at] ^= data.draw(st.sampled_from([1, 2, 0x80]))
    with pytest.raises((InvalidArgumentError, UnauthenticatedError)):
        taken_whole(chunks_of(streamed), bytes(changed))


@given(st.integers(0, len(CHUNKED_TRAILED) - 1))
def test_a_body_that_is_cut_off_is_refused(length: int) -> None:
    chunks = chunks_of(TRAILED)
    chunks.feed(CHUNKED_TRAILED[:length])
    with pytest.raises(InvalidArgumentError, match="ends before its last chunk"):
        chunks.end()


def test_more_behind_the_end_is_refused() -> None:
    with pytest.raises(InvalidArgumentError, match="behind the last chunk"):
        chunks_of(STREAMED).feed(CHUNKED + b"x")


@pytest.mark.parametrize("body", [b"x" * 2000, b"zz\r\n", b"3\r\nabcd\r\n", b"ffffffffff\r\n", b"0\r\nx\r\n\r\n"])
def test_what_is_no_chunk_is_refused(body: bytes) -> None:
    signed = replace(parse(STREAMED), payload=STREAMING_UNSIGNED_TRAILER)
    with pytest.raises(InvalidArgumentError):
        Chunks(signed, b"").feed(body)


def test_unsigned_chunks_with_a_trailer_are_taken_apart() -> None:
    chunks = Chunks(replace(parse(STREAMED), payload=STREAMING_UNSIGNED_TRAILER), b"")
    got = b"".join(chunks.feed(b"3\r\nabc\r\nA\r\n0123456789\r\n0\r\nx-amz-checksum-crc32: AAAAAA==\r\n\r\n"))
    assert (got, chunks.trailers, chunks.is_finished) == (
        b"abc0123456789",
        {"x-amz-checksum-crc32": "AAAAAA=="},
        True,
    )
