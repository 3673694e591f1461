"""What botocore signs, as boto3 and the AWS command line do, verifies; whatever the path, query and headers."""

from __future__ import annotations

import io
import time
from urllib.parse import urlsplit

import boto3
from botocore.auth import S3SigV4Auth, S3SigV4QueryAuth
from botocore.awsrequest import AWSPreparedRequest, AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from hypothesis import given, settings
from hypothesis import strategies as st

from ultracloud.base.sigv4 import HttpRequest, parse, verify
from ultracloud.base.sigv4_chunks import Chunks

KEY, SECRET = "UCABCDEFGHIJKLMNOPQR", "x" * 40
KEYS = st.text(st.characters(max_codepoint=0x2FFF, exclude_categories=["Cs"]), min_size=1, max_size=30)
VALUES = st.text(st.characters(codec="ascii", min_codepoint=32, max_codepoint=126), max_size=20)
NAMES = st.from_regex(r"[a-zA-Z][a-zA-Z0-9-]{0,10}", fullmatch=True)


def received(prepared: AWSPreparedRequest | AWSRequest) -> HttpRequest:
    """What a server gets of a request."""
    parts = urlsplit(prepared.url)
    headers = {
        name.lower(): value.decode() if isinstance(value, bytes) else str(value)
        for name, value in prepared.headers.items()
    }
    headers.setdefault("host", parts.netloc)
    return HttpRequest(prepared.method, parts.path or "/", parts.query, headers)


def check(request: HttpRequest) -> bytes:
    return verify(request, parse(request), SECRET, time.time())


@settings(deadline=None, max_examples=60)
@given(
    key=KEYS,
    query=st.dictionaries(NAMES, VALUES, max_size=4),
    meta=st.dictionaries(NAMES, VALUES, max_size=3),
    body=st.binary(max_size=100),
    is_presigned=st.booleans(),
)
def test_whatever_botocore_signs_verifies(
    key: str, query: dict[str, str], meta: dict[str, str], body: bytes, is_presigned: object
) -> None:
    from botocore.utils import percent_encode, percent_encode_sequence

    url = f"http://127.0.0.1:9000/bucket/{percent_encode(key, safe='/~')}"
    headers = {f"x-amz-meta-{name.lower()}": value for name, value in meta.items()}
    if query:
        url += f"?{percent_encode_sequence(query)}"
    request = AWSRequest(method="PUT", url=url, headers=headers, data=None if is_presigned else body)
    request.context.update({"payload_signing_enabled": True, "signing": {}})
    signer = S3SigV4QueryAuth if is_presigned else S3SigV4Auth
    signer(Credentials(KEY, SECRET), "s3", "us-east-1").add_auth(request)
    got = received(request.prepare())
    assert parse(got).access_key_id == KEY
    check(got)


class Captured(Exception):  # noqa: N818 - ends a request before it is sent
    """Carries what would have been sent."""


def sent(**arguments: object) -> AWSPreparedRequest:
    """What boto3 sends for a put_object."""
    found: list[AWSPreparedRequest] = []

    def take(request: AWSPreparedRequest, **_more: object) -> None:
        found.append(request)
        raise Captured

    client = boto3.client(
        "s3",
        endpoint_url=str(arguments.pop("endpoint", "https://s3.example.org")),
        region_name="us-east-1",
        aws_access_key_id=KEY,
        aws_secret_access_key=SECRET,
        config=Config(s3={"addressing_style": "path"}, retries={"max_attempts": 0}),
    )
    client.meta.events.register("before-send.s3", take)
    try:
        client.put_object(Bucket="bucket", **arguments)
    except Captured:
        return found[0]
    raise AssertionError("nothing was sent")


def test_boto3_puts_a_stream_with_a_trailing_checksum() -> None:
    prepared = sent(Key="dir/a b+c~ü//x", Body=io.BytesIO(b"hello" * 1000), ChecksumAlgorithm="CRC32")
    request = received(prepared)
    signed = parse(request)
    chunks = Chunks(signed, check(request))
    body = prepared.body.read() if hasattr(prepared.body, "read") else prepared.body
    assert b"".join(chunks.feed(body)) == b"hello" * 1000
    chunks.end()
    assert list(chunks.trailers) == ["x-amz-checksum-crc32"]


def test_boto3_presigns_urls_that_verify() -> None:
    client = boto3.client(
        "s3",
        endpoint_url="http://127.0.0.1:9000",
        region_name="us-east-1",
        aws_access_key_id=KEY,
        aws_secret_access_key=SECRET,
        config=Config(signature_version="s3v4"),
    )
    parameters = {"Bucket": "bucket", "Key": "a/b c", "ResponseContentType": "text/plain"}
    parts = urlsplit(client.generate_presigned_url("get_object", parameters, ExpiresIn=60))
    request = HttpRequest("GET", parts.path, parts.query, {"host": parts.netloc})
    check(request)
    assert parse(request).expires_s == 60
