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
        metadata: Header fields but the pseudo ones; repeated ones joined by commas.
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


def parse_head(fields: Iterable[tuple[bytes, bytes]], bytes_max: int) -> Head:
    """Make a head of decoded header fields.

    Args:
        fields: Names and values in their order.
        bytes_max: Most that names, values and overhead may count for; more makes a refusal.

    Raises:
        MalformedHeadError: The fields break HTTP.
    """
    pseudo: dict[str, str] = {}
    metadata: dict[str, str] = {}
    size = 0
    for raw_name, raw_value in fields:
        size += len(raw_name) + len(raw_value) + FIELD_OVERHEAD_BYTES
        name, value = raw_name.decode("latin-1"), raw_value.decode("latin-1")
        if name[:1] == ":":
            _add_pseudo(pseudo, metadata, name, value)
        else:
            _add_field(metadata, raw_name, name, value)
    if not {":method", ":scheme", ":path"} <= pseudo.keys() or not pseudo[":path"]:
        raise MalformedHeadError("a request needs :method, :scheme and :path")
    is_grpc = pseudo[":method"] == "POST" and _is_grpc(metadata.get("content-type", ""))
    refusal = _refusal(metadata, size, bytes_max) if is_grpc else None
    timeout = metadata.get("grpc-timeout")
    return Head(
        method=pseudo[":method"],
        path=pseudo[":path"],
        metadata=MappingProxyType(metadata),
        timeout_s=None if timeout is None else parse_timeout(timeout),
        is_grpc=is_grpc,
        refusal=refusal,
        is_servable=is_grpc and refusal is None,
    )


def _add_pseudo(pseudo: dict[str, str], metadata: dict[str, str], name: str, value: str) -> None:
    """Take one pseudo-header."""
    if name not in _PSEUDO or name in pseudo or metadata:
        raise MalformedHeadError(f"pseudo-header {name!a} is unknown, repeated or late")
    pseudo[name] = value


def _add_field(metadata: dict[str, str], raw_name: bytes, name: str, value: str) -> None:
    """Take one header field."""
    if not raw_name or not _NAME_OCTETS.issuperset(raw_name):
        raise MalformedHeadError(f"{name!a} is no field name of HTTP/2")
    if "\n" in value or "\r" in value or "\0" in value:
        raise MalformedHeadError(f"the value of {name} has a line break or a zero")
    if name in _CONNECTION_FIELDS or (name == "te" and value != "trailers"):
        raise MalformedHeadError(f"{name} has no place in HTTP/2")
    metadata[name] = f"{metadata[name]},{value}" if name in metadata else value


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
