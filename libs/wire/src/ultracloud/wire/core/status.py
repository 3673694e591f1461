"""The end of a call: gRPC status in trailers, percent-encoded messages, and header blocks without a dynamic table.

Everything we send is a literal without indexing, so a block is the same bytes on every connection: a constant. The
first block of a connection tells the peer that our table is empty (`TABLE_EMPTY`).

Source: gRPC over HTTP2 ("Responses"); RFC 7541 6.2.2 and 6.3.
"""

from __future__ import annotations

import base64
from functools import lru_cache

from hpack.hpack import encode_integer

OK = 0
CANCELLED = 1
INVALID_ARGUMENT = 3
DEADLINE_EXCEEDED = 4
RESOURCE_EXHAUSTED = 8
UNIMPLEMENTED = 12
INTERNAL = 13
UNAVAILABLE = 14

TABLE_EMPTY = b"\x20"
"""Dynamic table size update to 0: whatever SETTINGS_HEADER_TABLE_SIZE the peer sends later, we keep to it."""
TRAILERS_BYTES_MAX = 7 * 1024
"""One trailers block: grpcio drops calls whose trailers pass 8 KiB, and it must fit a frame of 16 KiB."""
_UNRESERVED = frozenset(range(0x20, 0x7F)) - {ord("%")}
_LENGTHS = [bytes((size,)) for size in range(127)]
"""RFC 7541 5.1: what fits seven bits that are not all ones is itself."""
_STATUS_INDEX = {200: b"\x88", 204: b"\x89", 400: b"\x8c", 404: b"\x8d", 500: b"\x8e"}
"""Static table entries of `:status`."""


def string_literal(octets: bytes) -> bytes:
    """A string literal of RFC 7541 5.2, not Huffman coded."""
    size = len(octets)
    # One octet serves most; hpack's encoder writes lines for a log besides.
    return (_LENGTHS[size] if size < len(_LENGTHS) else bytes(encode_integer(size, 7))) + octets


def literal(name: str, value: str) -> bytes:
    """A header field as literal without indexing, not Huffman coded; `name` in lower case."""
    octets = value.encode("latin-1")
    size = len(octets)
    return _named(name) + (_LENGTHS[size] if size < len(_LENGTHS) else bytes(encode_integer(size, 7))) + octets


@lru_cache(maxsize=256)
def _named(name: str) -> bytes:
    """The beginning of a literal: names come from our own code, and come again."""
    return b"\x00" + string_literal(name.encode("ascii"))


def status_field(status: int) -> bytes:
    """The `:status` pseudo-header of a response."""
    return _STATUS_INDEX.get(status) or b"\x08" + string_literal(str(status).encode())


RESPONSE_BLOCK = status_field(200) + literal("content-type", "application/grpc")
"""Headers of every answered call."""
OK_BLOCK = literal("grpc-status", "0")
"""Trailers of every call that went well."""
IDENTITY_ONLY = literal("grpc-accept-encoding", "identity")
"""What a client that compressed is told."""


def trailers(status: int, message: str = "", details: bytes = b"") -> bytes:
    """The trailers block of a call.

    Args:
        status: google.rpc.Code.
        message: For people; any text, cut where it is longer than a header may be.
        details: Serialised google.rpc.Status, empty for none; left out where there is no room.
    """
    if status == OK:
        return OK_BLOCK
    block = literal("grpc-status", str(status)) + literal("grpc-message", _cut(percent_encoded(message)))
    packed = literal("grpc-status-details-bin", base64.b64encode(details).rstrip(b"=").decode()) if details else b""
    return block + packed if len(block) + len(packed) <= TRAILERS_BYTES_MAX else block


def _cut(encoded: str) -> str:
    """At most half of what trailers may hold, not ending inside a ``%XX``."""
    part = encoded[: TRAILERS_BYTES_MAX // 2]
    last = part[-2:].find("%")
    return part if len(part) == len(encoded) or last < 0 else part[: last - 2]


@lru_cache(maxsize=256)
def percent_encoded(text: str) -> str:
    """`text` as gRPC sends it in a header: UTF-8 with everything but printable ASCII as ``%XX``."""
    return "".join(chr(byte) if byte in _UNRESERVED else f"%{byte:02X}" for byte in text.encode("utf-8", "replace"))
