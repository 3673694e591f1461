"""Header blocks of a client: requests with a table of what repeats, and what an answer's headers and trailers say.

A field that was sent before is one byte from its third time on: its second time puts it into the dynamic table, so that
what is sent only once (a token of somebody who calls once) pushes nothing out. What changes with each call (deadline,
trace) is never put there and stands last, so the block before it is one string, remembered while the table stays.

Source: RFC 7541 2.3, 4.1 to 4.4, 6.1 to 6.3; gRPC over HTTP2, "Requests" and "Responses".
"""

from __future__ import annotations

import base64
import binascii
from collections import OrderedDict, deque
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import unquote_to_bytes

from hpack.hpack import encode_integer
from hpack.table import HeaderTable

from ultracloud.wire.core.headers import HeaderReader
from ultracloud.wire.core.limits import Limits
from ultracloud.wire.core.status import INTERNAL, OK, UNAVAILABLE, UNIMPLEMENTED, literal, string_literal

TABLE_BYTES_MAX = 4096
"""RFC 7541's default, which every server begins with; ours is never larger, whatever the server would allow."""
ENTRY_OVERHEAD_BYTES = 32
"""RFC 7541 4.1: what an entry counts for besides its name and value."""
SEEN_MAX = 256
"""Fields remembered as sent once; a caller with fresh values in each call would fill any memory."""
BLOCKS_MAX = 256
"""Blocks kept: methods times callers, of one connection."""
STATIC_ENTRIES = len(HeaderTable.STATIC_TABLE)
ONCE = frozenset({"traceparent"})
"""Fields that pass, and never come again."""
UNKNOWN = 2
_STATIC = {(name.decode(), value.decode()): number for number, (name, value) in enumerate(HeaderTable.STATIC_TABLE, 1)}
_STATUS_OF_HTTP = {400: INTERNAL, 401: 16, 403: 7, 404: UNIMPLEMENTED, 429: UNAVAILABLE, 502: UNAVAILABLE,
                   503: UNAVAILABLE, 504: UNAVAILABLE}  # fmt: skip
"""gRPC's "HTTP to gRPC Status Code Mapping": for answers of something before the server that speaks no gRPC."""
HTTP_INTERIM, HTTP_OK = 100, 200
STATUS_DIGITS_MAX = 3

GRPC = b"application/grpc"
Fields = tuple[tuple[str, str], ...]
"""Header fields, names in lower case, pseudo-header fields first."""


class BlockWriter:
    """Writes the header blocks of one connection, in their order."""

    def __init__(self) -> None:
        self._bytes_max = TABLE_BYTES_MAX
        self._bytes = 0
        self._entries: deque[tuple[str, str]] = deque()
        """Newest first, as the server has them."""
        self._number: dict[tuple[str, str], int] = {}
        """How many entries had been added when this one was."""
        self._added = 0
        self._seen: OrderedDict[tuple[str, str], None] = OrderedDict()
        self._blocks: dict[int, tuple[Fields, bytes]] = {}
        """By the identity of what they say, which is kept with them: hashing it takes longer than writing a field."""
        self._smallest: int | None = None
        """The smallest the table was since the last block; None if it was not resized."""

    def write(self, fields: Fields, passing: Sequence[tuple[str, str]]) -> bytes:
        """The block of a request: `fields`, which may come again, then `passing`, which will not.

        Raises:
            UnicodeEncodeError: A name is not ASCII, or a value not Latin-1. The table is as it was.
        """
        last = b"".join([literal(*field) if field[0] in ONCE else _literal_again(field) for field in passing])
        known = self._blocks.get(id(fields))
        if known is None or known[0] is not fields or self._smallest is not None:
            block = self._write_fields(fields)
        else:
            block = known[1]
        return block + last

    def resize(self, size: int) -> None:
        """Apply the server's SETTINGS_HEADER_TABLE_SIZE; the next block tells it that we have.

        What it allows beyond TABLE_BYTES_MAX is not used.
        """
        wanted = min(size, TABLE_BYTES_MAX)
        if wanted == self._bytes_max:
            return
        self._bytes_max = wanted
        self._smallest = wanted if self._smallest is None else min(self._smallest, wanted)
        self._shrink(0)
        self._blocks.clear()

    def _write_fields(self, fields: Fields) -> bytes:
        """The block of `fields`; it is remembered if it changed nothing."""
        for name, value in fields:
            # What cannot be written must be known before the table has any of it: the server would not.
            name.encode("ascii")
            value.encode("latin-1")
        added = self._added
        told = self._tell_size()
        block = b"".join([self._field(field) for field in fields])
        if told or self._added != added:
            self._blocks.clear()
        elif all(field in _STATIC or field in self._number for field in fields):
            if len(self._blocks) >= BLOCKS_MAX:
                self._blocks.clear()
            self._blocks[id(fields)] = (fields, block)
        return told + block

    def _tell_size(self) -> bytes:
        """Size updates that are owed: RFC 7541 4.2 asks for the smallest since the last block, then the final one."""
        smallest, self._smallest = self._smallest, None
        if smallest is None:
            return b""
        final = _integer(self._bytes_max, 5, 0x20)
        return final if smallest == self._bytes_max else _integer(smallest, 5, 0x20) + final

    def _field(self, field: tuple[str, str]) -> bytes:
        """One field in as few bytes as the table allows."""
        static = _STATIC.get(field)
        if static is not None:
            return _integer(static, 7, 0x80)
        number = self._number.get(field)
        if number is not None:
            return _integer(STATIC_ENTRIES + self._added - number + 1, 7, 0x80)
        size = _size(field)
        if size > self._bytes_max // 2 or not self._was_seen(field):
            return literal(*field)
        self._shrink(size)
        self._added += 1
        self._bytes += size
        self._entries.appendleft(field)
        self._number[field] = self._added
        return b"\x40" + string_literal(field[0].encode("ascii")) + string_literal(field[1].encode("latin-1"))

    def _was_seen(self, field: tuple[str, str]) -> bool:
        """Whether a field was sent before, as far as we remember; from now on it was."""
        if field in self._seen:
            del self._seen[field]
            return True
        if len(self._seen) >= SEEN_MAX:
            self._seen.popitem(last=False)
        self._seen[field] = None
        return False

    def _shrink(self, room: int) -> None:
        """Drop the oldest entries until there is `room`, as the server does."""
        while self._entries and self._bytes + room > self._bytes_max:
            oldest = self._entries.pop()
            del self._number[oldest]
            self._bytes -= _size(oldest)
            self._blocks.clear()


@dataclass(frozen=True, slots=True)
class Answer:
    """What a header block of an answer says.

    Attributes:
        http_status: None in trailers.
        is_grpc: It may begin or end a gRPC answer.
        status: gRPC's, None in headers that are not also the end.
        message: For people.
        details: Serialised google.rpc.Status; empty without one.
    """

    http_status: int | None
    is_grpc: bool
    status: int | None
    message: str
    details: bytes

    @property
    def is_interim(self) -> bool:
        """Whether another one follows that counts (RFC 9110 15.2)."""
        return self.http_status is not None and HTTP_INTERIM <= self.http_status < HTTP_OK


class AnswerReader(HeaderReader):
    """Reads the header blocks of a server, in their order."""

    def __init__(self, limits: Limits) -> None:
        super().__init__(limits)
        self._answers: dict[bytes, Answer] = {}
        self.begins: set[bytes] = set()
        """Blocks that were seen before and begin an answer, and `ends`, which end one that went well."""
        self.ends: set[bytes] = set()

    def answer(self, block: bytes) -> Answer:
        """What a block says.

        Raises:
            ConnectionFault: It cannot be decoded; the table is lost and with it the connection.
        """
        known = self._answers.get(block)
        if known is not None:
            return known
        fields, changed = self._take(block)
        made = _answer_of(fields)
        if changed or len(self._answers) >= BLOCKS_MAX:
            for kept in (self._answers, self.begins, self.ends):
                kept.clear()
        if not changed and not made.details:
            self._answers[block] = made
            if made.http_status == HTTP_OK and made.is_grpc and made.status is None:
                self.begins.add(block)
            elif made.http_status is None and made.status == OK:
                self.ends.add(block)
        return made


def _answer_of(fields: Sequence[tuple[bytes, bytes]]) -> Answer:
    """Read the fields that matter; the last of a name counts, as nothing sends two."""
    said = dict(fields)
    http, status = said.get(b":status"), said.get(b"grpc-status")
    http_status = None if http is None else _number(http, 0)
    is_grpc = http_status is None or (http_status == HTTP_OK and said.get(b"content-type", b"").startswith(GRPC))
    if status is None:
        grpc_status = None if http_status in (None, HTTP_OK) else _STATUS_OF_HTTP.get(http_status or 0, UNKNOWN)
        sentence = "" if grpc_status is None else f"HTTP status {http_status}"
        return Answer(http_status, is_grpc, grpc_status, sentence, b"")
    message = unquote_to_bytes(said.get(b"grpc-message", b"")).decode("utf-8", "replace")
    details = _from_base64(said.get(b"grpc-status-details-bin", b""))
    return Answer(http_status, is_grpc, _number(status, UNKNOWN), message, details)


def _number(text: bytes, other: int) -> int:
    """A status of HTTP or of gRPC; `other` if it is none."""
    return int(text) if text.isdigit() and len(text) <= STATUS_DIGITS_MAX else other


def _from_base64(text: bytes) -> bytes:
    """A ``-bin`` value: base64 with padding or without; empty if it is none."""
    try:
        return base64.b64decode(text + b"=" * (-len(text) % 4), validate=True)
    except binascii.Error:
        return b""


@lru_cache(maxsize=256)
def _literal_again(field: tuple[str, str]) -> bytes:
    """A field that passes, and is likely to come again: how long is left, whom a call is for."""
    return literal(*field)


def _size(field: tuple[str, str]) -> int:
    """What a field counts for in the table."""
    return len(field[0]) + len(field[1]) + ENTRY_OVERHEAD_BYTES


def _integer(number: int, bits: int, first: int) -> bytes:
    """An integer of RFC 7541 5.1 behind the pattern `first`."""
    octets = encode_integer(number, bits)
    octets[0] |= first
    return bytes(octets)
