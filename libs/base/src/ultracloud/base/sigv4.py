"""AWS Signature Version 4, the verifier's side: whose request this is, and whether it is as it was signed. Pure.

First `parse` says which access key signed; whoever keeps the secrets looks it up; then `verify` computes the signature
anew. Both ways of signing are known, the header and the presigned URL, and all ways of vouching for the body: its
digest, nothing, or chunk by chunk (`ultracloud.base.sigv4_chunks`).

Paths and queries are decoded and encoded again, so that every way of writing the same name signs alike, as S3 does:
each path as it is, without dots resolved and slashes merged, for keys may have both.

Source: AWS, "Authenticating Requests (AWS Signature Version 4)" in the S3 API reference; RFC 3986 section 2.3.
"""

from __future__ import annotations

import datetime as dt
import email.utils
import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import quote, unquote_to_bytes

from ultracloud.base.faults import InvalidArgumentError, UnauthenticatedError

ALGORITHM = "AWS4-HMAC-SHA256"
TERMINATOR = "aws4_request"
SKEW_S_MAX = 15 * 60
"""How far clocks may be apart; AWS's own figure, which clients know how to correct."""
EXPIRES_S_MAX = 7 * 86_400
"""Of a presigned URL; AWS's own, because a signing key is good for a week."""
HEADERS_MAX, PARAMETERS_MAX = 100, 100
"""Signed headers and query parameters: each is looked at, and an honest request has a dozen."""
UNSIGNED = "UNSIGNED-PAYLOAD"
STREAMING = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
STREAMING_TRAILER = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"
STREAMING_UNSIGNED_TRAILER = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
EMPTY_SHA256 = hashlib.sha256(b"").hexdigest()

_STREAMS = frozenset({STREAMING, STREAMING_TRAILER, STREAMING_UNSIGNED_TRAILER})
_MOMENT = re.compile(r"[0-9]{8}T[0-9]{6}Z")
_DIGEST = re.compile(r"[0-9a-f]{64}")
_SPACES = re.compile(r"[ \t]+")
_SAFE, _SAFE_PATH = "-_.~", "-_.~/"


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """What of a request is signed.

    Attributes:
        method: In capitals.
        path: As it was sent, undecoded.
        query: Behind the question mark, undecoded.
        headers: Names in lower case; repeated ones joined by commas.
    """

    method: str
    path: str
    query: str
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Scope:
    """Where a signing key is good: a day, a region, a service."""

    date: str
    region: str
    service: str

    def __str__(self) -> str:
        return f"{self.date}/{self.region}/{self.service}/{TERMINATOR}"


@dataclass(frozen=True, slots=True)
class Signed:
    """What a request says of its signature; nothing of it is verified yet.

    Attributes:
        signed_headers: Names, sorted.
        moment: ``20130524T000000Z``, as it was signed.
        signed_at_s: The same in seconds since 1970.
        expires_s: Lifetime of a presigned URL; None for a signature in the header.
        payload: Digest of the body in hexadecimal, or one of the words above.
        query: Parameters, decoded, without the signature.
    """

    access_key_id: str
    scope: Scope
    signed_headers: tuple[str, ...]
    signature: str
    moment: str
    signed_at_s: int
    expires_s: int | None
    payload: str
    query: tuple[tuple[bytes, bytes], ...]

    @property
    def is_chunked(self) -> bool:
        """Whether the body comes in chunks that `sigv4_chunks` takes apart."""
        return self.payload in _STREAMS

    @property
    def body_sha256(self) -> str | None:
        """What the body's digest must be; None if the signature does not say."""
        return None if self.payload == UNSIGNED or self.is_chunked else self.payload


def is_signed(request: HttpRequest) -> bool:
    """Whether a request has a signature of this kind, good or not."""
    return request.headers.get("authorization", "").startswith(ALGORITHM) or _has_query_signature(request)


def parse(request: HttpRequest) -> Signed:
    """Read what a request says of its signature.

    Raises:
        InvalidArgumentError: Malformed: reason AUTHORIZATION_MALFORMED, with what is missing or wrong.
        UnauthenticatedError: It has no such signature: reason NO_IDENTITY.
    """
    header = request.headers.get("authorization", "")
    in_query = _has_query_signature(request)
    if header and in_query:
        raise _malformed("the request is signed twice, in its header and in its query; send one signature")
    if in_query:
        return _parse_query(request)
    if not header.startswith(f"{ALGORITHM} "):
        raise UnauthenticatedError("the request is not signed", hint=f"sign it with {ALGORITHM}", reason="NO_IDENTITY")
    return _parse_header(request, header)


def verify(request: HttpRequest, signed: Signed, secret: str, now_s: float, *, service: str = "s3") -> bytes:
    """Verify a signature; gives the signing key, with which the chunks of a streamed body are verified.

    Args:
        request: The request.
        signed: What `parse` has made of it.
        secret: The secret access key of `signed.access_key_id`.
        now_s: Seconds since 1970.
        service: What the scope must name.

    Raises:
        UnauthenticatedError: SIGNATURE_DOES_NOT_MATCH; REQUEST_TIME_TOO_SKEWED; REQUEST_EXPIRED; HEADERS_NOT_SIGNED.
        InvalidArgumentError: AUTHORIZATION_MALFORMED: the scope is of another service.
    """
    if signed.scope.service != service:
        raise _malformed(f"the credential's scope names service {signed.scope.service[:40]!a}; accepted: {service}")
    _check_time(signed, now_s)
    _check_headers(request, signed)
    key = signing_key(secret, signed.scope)
    expected = _hex_hmac(key, string_to_sign(request, signed))
    if not hmac.compare_digest(expected, signed.signature):
        raise UnauthenticatedError(
            "the signature does not match the request",
            hint="check the secret access key, and that nothing changes the request on its way",
            reason="SIGNATURE_DOES_NOT_MATCH",
        )
    return key


def string_to_sign(request: HttpRequest, signed: Signed) -> str:
    """What the signature is made of."""
    digest = hashlib.sha256(canonical_request(request, signed).encode()).hexdigest()
    return f"{ALGORITHM}\n{signed.moment}\n{signed.scope}\n{digest}"


def canonical_request(request: HttpRequest, signed: Signed) -> str:
    """The request in the one way of writing it that is signed."""
    headers = "".join(f"{name}:{_canonical_value(request.headers.get(name, ''))}\n" for name in signed.signed_headers)
    names = ";".join(signed.signed_headers)
    path = canonical_path(request.path)
    return f"{request.method}\n{path}\n{_canonical_query(signed.query)}\n{headers}\n{names}\n{signed.payload}"


def canonical_path(path: str) -> str:
    """A path, decoded and encoded again."""
    return quote(unquote_to_bytes(path), safe=_SAFE_PATH) or "/"


@lru_cache(maxsize=1024)  # a key a day for each secret in use; four HMACs saved for every request
def signing_key(secret: str, scope: Scope) -> bytes:
    """The key that signs within a scope."""
    key = f"AWS4{secret}".encode()
    for part in (scope.date, scope.region, scope.service, TERMINATOR):
        key = hmac.digest(key, part.encode(), "sha256")
    return key


def verify_policy(secret: str, scope: Scope, policy: str, signature: str) -> None:
    """Verify the signature of a browser's upload form, which signs its policy (base64, as sent) alone.

    Raises:
        UnauthenticatedError: SIGNATURE_DOES_NOT_MATCH.
    """
    if not hmac.compare_digest(_hex_hmac(signing_key(secret, scope), policy), signature):
        raise UnauthenticatedError(
            "the signature does not match the policy of the form", reason="SIGNATURE_DOES_NOT_MATCH"
        )


def parse_credential(text: str) -> tuple[str, Scope]:
    """``AKID/20130524/us-east-1/s3/aws4_request``: the access key and the scope; keys may have slashes.

    Raises:
        InvalidArgumentError: AUTHORIZATION_MALFORMED.
    """
    parts = text.rsplit("/", 4)
    if len(parts) != 5 or parts[4] != TERMINATOR or not all(parts) or not re.fullmatch("[0-9]{8}", parts[1]):  # noqa: PLR2004 - key, date, region, service, word
        raise _malformed(f"the credential is {text[:100]!a}; accepted: <key>/<yyyymmdd>/<region>/s3/{TERMINATOR}")
    return parts[0], Scope(parts[1], parts[2], parts[3])


def _parse_header(request: HttpRequest, header: str) -> Signed:
    """A signature in the header."""
    fields: dict[str, str] = {}
    for part in header[len(ALGORITHM) :].split(","):
        name, separator, value = part.strip().partition("=")
        if not separator or name in fields:
            raise _malformed("the authorization header has a part twice, or one without a value")
        fields[name] = value
    if set(fields) != {"Credential", "SignedHeaders", "Signature"}:
        raise _malformed("the authorization header must have Credential, SignedHeaders and Signature, and nothing else")
    access_key_id, scope = parse_credential(fields["Credential"])
    moment = _moment_of_headers(request.headers)
    payload = _payload(request.headers.get("x-amz-content-sha256", ""))
    return Signed(
        access_key_id,
        scope,
        _signed_headers(fields["SignedHeaders"]),
        _signature(fields["Signature"]),
        moment,
        _seconds(moment, scope),
        None,
        payload,
        _decoded_query(request.query),
    )


def _parse_query(request: HttpRequest) -> Signed:
    """A presigned URL."""
    decoded = _decoded_query(request.query)
    fields: dict[str, str] = {}
    for name, value in decoded:
        if name.startswith(b"X-Amz-"):
            text = name.decode("ascii", "replace")
            if text in fields:
                raise _malformed(f"the query has {text[:60]} twice")
            fields[text] = value.decode("utf-8", "replace")
    needed = ("Algorithm", "Credential", "Date", "Expires", "SignedHeaders", "Signature")
    missing = [name for name in needed if f"X-Amz-{name}" not in fields]
    if missing:
        raise _malformed(f"the query lacks {', '.join(f'X-Amz-{name}' for name in missing)}")
    if fields["X-Amz-Algorithm"] != ALGORITHM:
        raise _malformed(f"X-Amz-Algorithm is {fields['X-Amz-Algorithm'][:40]!a}; accepted: {ALGORITHM}")
    access_key_id, scope = parse_credential(fields["X-Amz-Credential"])
    expires, moment = fields["X-Amz-Expires"], fields["X-Amz-Date"]
    if not re.fullmatch("[0-9]{1,6}", expires) or not 1 <= int(expires) <= EXPIRES_S_MAX:
        raise _malformed(f"X-Amz-Expires is {expires[:40]!a}; accepted: 1 to {EXPIRES_S_MAX} seconds")
    given = fields.get("X-Amz-Content-Sha256") or request.headers.get("x-amz-content-sha256") or UNSIGNED
    return Signed(
        access_key_id,
        scope,
        _signed_headers(fields["X-Amz-SignedHeaders"]),
        _signature(fields["X-Amz-Signature"]),
        moment,
        _seconds(moment, scope),
        int(expires),
        _payload(given),
        tuple((name, value) for name, value in decoded if name != b"X-Amz-Signature"),
    )


def _check_time(signed: Signed, now_s: float) -> None:
    """The request was signed lately, or its URL has not expired."""
    if signed.signed_at_s > now_s + SKEW_S_MAX or (
        signed.expires_s is None and signed.signed_at_s < now_s - SKEW_S_MAX
    ):
        raise UnauthenticatedError(
            f"the request was signed at {signed.moment}, more than {SKEW_S_MAX // 60} minutes from now",
            hint="set the clock",
            reason="REQUEST_TIME_TOO_SKEWED",
        )
    if signed.expires_s is not None and now_s >= signed.signed_at_s + signed.expires_s:
        raise UnauthenticatedError(
            f"the URL was good for {signed.expires_s} seconds from {signed.moment}",
            hint="sign a new one",
            reason="REQUEST_EXPIRED",
        )


def _check_headers(request: HttpRequest, signed: Signed) -> None:
    """What the service acts on is signed: somebody on the way could have added it else."""
    missing = sorted(
        name for name in request.headers if name.startswith("x-amz-") and name not in signed.signed_headers
    )
    # A presigned URL may say the digest in a header: it is in the signature as what the body must be.
    if signed.expires_s is not None and "x-amz-content-sha256" in missing:
        missing.remove("x-amz-content-sha256")
    if "host" not in signed.signed_headers:
        missing.insert(0, "host")
    if missing:
        raise UnauthenticatedError(
            f"these headers are not signed: {', '.join(missing)[:200]}", reason="HEADERS_NOT_SIGNED"
        )


def _has_query_signature(request: HttpRequest) -> bool:
    return "X-Amz-Signature=" in request.query or "X-Amz-Algorithm=" in request.query


def _signed_headers(text: str) -> tuple[str, ...]:
    names = tuple(text.split(";"))
    if not 0 < len(names) <= HEADERS_MAX or list(names) != sorted(set(names)) or text != text.lower() or not all(names):
        raise _malformed(
            f"the signed headers must be 1 to {HEADERS_MAX} names in lower case, sorted, each once, joined by ;"
        )
    return names


def _signature(text: str) -> str:
    if not _DIGEST.fullmatch(text):
        raise _malformed("the signature must have 64 hexadecimal digits in lower case")
    return text


def _payload(text: str) -> str:
    if text in _STREAMS or text == UNSIGNED or _DIGEST.fullmatch(text):
        return text
    raise _malformed(
        f"x-amz-content-sha256 is {text[:60]!a}; accepted: the body's SHA-256 in hexadecimal, {UNSIGNED}, "
        f"{', '.join(sorted(_STREAMS))}"
    )


def _moment_of_headers(headers: Mapping[str, str]) -> str:
    """When it was signed: x-amz-date, or the date of HTTP."""
    given = headers.get("x-amz-date")
    if given is not None:
        return given
    try:
        parsed = email.utils.parsedate_to_datetime(headers.get("date", ""))
    except ValueError:
        raise _malformed("the request has neither x-amz-date nor a date; send x-amz-date") from None
    return parsed.astimezone(dt.UTC).strftime("%Y%m%dT%H%M%SZ")


def _seconds(moment: str, scope: Scope) -> int:
    """The moment in seconds since 1970."""
    if _MOMENT.fullmatch(moment) and moment.startswith(scope.date):
        try:
            return int(dt.datetime.strptime(moment, "%Y%m%dT%H%M%SZ").replace(tzinfo=dt.UTC).timestamp())
        except ValueError:
            pass  # a thirteenth month: malformed as any other
    raise _malformed(
        f"the date is {moment[:40]!a}; accepted: yyyymmddThhmmssZ, of the day in the credential's scope ({scope.date})"
    )


def _decoded_query(query: str) -> tuple[tuple[bytes, bytes], ...]:
    """Names and values."""
    parts = [part for part in query.split("&") if part]
    if len(parts) > PARAMETERS_MAX:
        raise _malformed(f"the query has {len(parts)} parameters; at most {PARAMETERS_MAX} are accepted")
    pairs = (part.replace("+", "%20").partition("=") for part in parts)
    return tuple((unquote_to_bytes(name), unquote_to_bytes(value)) for name, _, value in pairs)


def _canonical_query(query: tuple[tuple[bytes, bytes], ...]) -> str:
    """Encoded, then sorted: by name, and by value where names are the same."""
    encoded = sorted((quote(name, safe=_SAFE), quote(value, safe=_SAFE)) for name, value in query)
    return "&".join(f"{name}={value}" for name, value in encoded)


def _canonical_value(value: str) -> str:
    return _SPACES.sub(" ", value.strip())


def _hex_hmac(key: bytes, text: str) -> str:
    return hmac.digest(key, text.encode(), "sha256").hex()


def _malformed(sentence: str) -> InvalidArgumentError:
    return InvalidArgumentError(sentence, reason="AUTHORIZATION_MALFORMED")
