"""What a request's headers say: a parsed, checked head, shared by all calls whose header block has the same bytes.

Source: RFC 9113 8.2 and 8.3 (what makes a request malformed); gRPC over HTTP2, "Requests".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from ultracloud.wire.core.status import INVALID_ARGUMENT, RESOURCE_EXHAUSTED, UNIMPLEMENTED
from ultracloud.wire.core.timeouts import parse_timeout

FIELD_OVERHEAD_BYTES = 32
"""RFC 9113 6.5.2: what each field counts for besides its name and value."""
_CONNECTION_FIELDS = frozenset({"connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade"})
"""RFC 9113 8.2.2: fields that speak of a connection and so may not be in HTTP/2."""
_PSEUDO = frozenset({":method", ":scheme", ":authority", ":path"})
_GRPC = "application/grpc"
_NAME_OCTETS = frozenset(b"!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz")
"""RFC 9110 5.6.2 token characters, without upper case (RFC 9113 8.2.1)."""


class MalformedHeadError(Exception):
    """The headers break HTTP; the stream is reset."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a call is answered without looking at its messages: a status for its trailers."""

    status: int
    message: str
    identity_only: bool = False


@dataclass(frozen=True, slots=True)
class Head:
    """The head of one request.

    Attributes:
        method: ``POST`` for gRPC.
        path: ``/package.Service/Method``.
        metadata: Header fields but the pseudo ones; repeated ones joined. A plain request has its `:authority` as
            `host`, where HTTP/1.1 has it.
        timeout_s: What `grpc-timeout` grants, None without it.
        is_grpc: Whether this is a gRPC call and no plain HTTP request.
        refusal: Set if the call cannot be served whatever its method.
        is_servable: It is a gRPC call, and there is no refusal.
    """

    method: str
    path: str
    metadata: Mapping[str, str]
    timeout_s: float | None
    is_grpc: bool
    refusal: Refusal | None
    is_servable: bool


def check_field(name: bytes, value: bytes) -> tuple[str, str]:
    """A field as text, if HTTP/2 allows it by itself.

    Raises:
        MalformedHeadError: Name or value break HTTP.
    """
    text, said = name.decode("latin-1"), value.decode("latin-1")
    if "\n" in said or "\r" in said or "\0" in said:
        raise MalformedHeadError(f"the value of {text!a} has a line break or a zero")
    if text in _PSEUDO:
        return text, said
    if not name or not _NAME_OCTETS.issuperset(name):
        raise MalformedHeadError(f"{text!a} is no field name of HTTP/2")
    if text in _CONNECTION_FIELDS or (text == "te" and said != "trailers"):
        raise MalformedHeadError(f"{text} has no place in HTTP/2")
    return text, said


def parse_head(fields: Iterable[tuple[str, str]], size: int, bytes_max: int) -> Head:
    """Make a head of fields that `check_field` gave.

    Args:
        fields: Names and values in their order.
        size: What names, values and overhead count for.
        bytes_max: Most that they may; more makes a refusal.

    Raises:
        MalformedHeadError: The fields together break HTTP.
    """
    pseudo: dict[str, str] = {}
    metadata: dict[str, str] = {}
    for name, value in fields:
        if name[0] != ":":
            metadata[name] = joined(name, metadata[name], value) if name in metadata else value
        elif name in pseudo or metadata:
            raise MalformedHeadError(f"pseudo-header {name} is repeated or late")
        else:
            pseudo[name] = value
    path, method = pseudo.get(":path"), pseudo.get(":method")
    if not path or not method or ":scheme" not in pseudo:
        raise MalformedHeadError("a request needs :method, :scheme and :path")
    timeout = metadata.get("grpc-timeout")
    timeout_s = None if timeout is None else parse_timeout(timeout)
    is_grpc = method == "POST" and _is_grpc(metadata.get("content-type", ""))
    refusal = _refusal(metadata, size, bytes_max) if is_grpc else None
    if not is_grpc and ":authority" in pseudo:
        metadata.setdefault("host", pseudo[":authority"])
    return Head(method, path, MappingProxyType(metadata), timeout_s, is_grpc, refusal, is_grpc and refusal is None)


def joined(name: str, value: str, more: str) -> str:
    """The value of a field that is repeated: a list by commas, but the crumbs of a cookie are one cookie string.

    Browsers cut cookies into crumbs over HTTP/2, since each of them compresses better (RFC 9113 8.2.3).
    """
    return f"{value}; {more}" if name == "cookie" else f"{value},{more}"


def _is_grpc(content_type: str) -> bool:
    """``application/grpc``, alone or with a suffix such as ``+proto``; gRPC-Web is another protocol."""
    return content_type.startswith(_GRPC) and content_type[len(_GRPC) :][:1] in ("", "+", ";")


def _refusal(metadata: Mapping[str, str], size: int, bytes_max: int) -> Refusal | None:
    """What gRPC itself refuses in a head."""
    if size > bytes_max:
        return Refusal(RESOURCE_EXHAUSTED, f"request headers of {size} bytes; at most {bytes_max} are accepted")
    encoding = metadata.get("grpc-encoding", "identity")
    if encoding != "identity":
        message = f"requests compressed with {encoding[:40]!a} are not accepted; send them uncompressed"
        return Refusal(UNIMPLEMENTED, message, identity_only=True)
    timeout = metadata.get("grpc-timeout")
    if timeout is not None and parse_timeout(timeout) is None:
        return Refusal(INVALID_ARGUMENT, f"grpc-timeout {timeout[:40]!a} is not 1 to 8 digits and one of H M S m u n")
    return None
