"""Header blocks into heads, with a cache from a block's bytes to its head.

A client repeats itself: after its first calls the block of a method is the same few bytes each time. What they mean
depends on the dynamic table alone, so the cache holds until the table changes, and a block that changes it is not kept.

Source: RFC 7541; RFC 9113 4.3.
"""

from __future__ import annotations

from hpack import Decoder, HPACKDecodingError, HPACKError, OversizedHeaderListError
from hpack.table import HeaderTable

from ultracloud.wire.core.heads import FIELD_OVERHEAD_BYTES, Head, check_field, parse_head
from ultracloud.wire.core.limits import Limits
from ultracloud.wire.errors import ConnectionFault, ErrorCode

CACHED_MAX = 256
"""Blocks, and fields, kept a connection; a client that puts a fresh value in each call would fill any cache."""
_INDEXED, _INDEXED_LONG, _RESIZE = 0x80, 0xFF, 0x20
"""First octets of RFC 7541 6.1 and 6.3: an indexed field, one whose index needs more octets, a size update."""
_ENDLESS = b"\1" * 4096
_GOES_ON = bytes(128) + b"\1" * 128
"""By octet, whether it may say that its integer goes on. hpack before 4.2 adds up as many of them as there are: 32 KiB
take a seventh of a second. No header's text has so many in a row, as it is or Huffman coded."""
DECODED_TO_ACCEPTED = 8
"""A list over the limit, but below this many times it, is decoded, so that the call can be refused and the connection
kept; decoding more would serve whoever sent it."""


class _CountingTable(HeaderTable):
    """A dynamic table that counts what is added to it."""

    def __init__(self) -> None:
        super().__init__()
        self.additions = 0

    def add(self, name: bytes, value: bytes) -> None:
        """Insert, evicting what no longer fits."""
        self.additions += 1
        super().add(name, value)


class HeaderReader:
    """Reads the header blocks of one connection, in their order."""

    def __init__(self, limits: Limits) -> None:
        self._bytes_max = limits.header_list_bytes_max
        self._table = _CountingTable()
        self._decoder = Decoder(max_header_list_size=self._bytes_max * DECODED_TO_ACCEPTED)
        self._decoder.header_table = self._table
        self._checked: dict[tuple[bytes, bytes], tuple[str, str]] = {}
        self.cache: dict[bytes, Head] = {}
        """Heads by block. The machine looks here first."""

    def read(self, block: bytes) -> Head:
        """The head that a request's block makes.

        Raises:
            ConnectionFault: The block cannot be decoded; the table is lost and with it the connection.
            MalformedHeadError: The fields break HTTP; the table has taken the block all the same.
        """
        cached = self.cache.get(block)
        if cached is not None:
            return cached
        fields, changed = self._take(block)
        size = FIELD_OVERHEAD_BYTES * len(fields) + sum([len(name) + len(value) for name, value in fields])
        if size > self._bytes_max * DECODED_TO_ACCEPTED:
            raise ConnectionFault(ErrorCode.ENHANCE_YOUR_CALM, "the header list is far over the limit")
        head = parse_head([self._check(field) for field in fields], size, self._bytes_max)
        if not changed:
            if len(self.cache) >= CACHED_MAX:
                self.cache.clear()
            self.cache[block] = head
        return head

    def skip(self, block: bytes) -> None:
        """Take a block nobody reads (trailers, refused streams) into the table.

        Raises:
            ConnectionFault: As `read`.
        """
        self._take(block)

    def _take(self, block: bytes) -> tuple[list[tuple[bytes, bytes]], bool]:
        """Decode a block; whether it changed the table, which empties the cache."""
        if len(block) > len(_ENDLESS) and _ENDLESS in block.translate(_GOES_ON):
            raise ConnectionFault(ErrorCode.COMPRESSION_ERROR, "the header block has an integer without end")
        additions = self._table.additions
        try:
            fields = self._decode(block)
        except OversizedHeaderListError as error:
            raise ConnectionFault(ErrorCode.ENHANCE_YOUR_CALM, "the header list is far over the limit") from error
        except (HPACKError, IndexError) as error:
            raise ConnectionFault(ErrorCode.COMPRESSION_ERROR, "the header block cannot be decoded") from error
        changed = self._table.additions != additions or _resizes(block)
        if changed:
            self.cache.clear()
        return fields, changed

    def _decode(self, block: bytes) -> list[tuple[bytes, bytes]]:
        """The fields of a block. Those that are one byte, most of a client's, cost hpack more than they are worth."""
        fields: list[tuple[bytes, bytes]] = []
        entry = self._table.get_by_index
        for octet in block:
            if octet < _INDEXED or octet == _INDEXED_LONG:
                break
            fields.append(entry(octet - _INDEXED))
        rest = block[len(fields) :]
        if fields and _resizes(rest):
            raise HPACKDecodingError("a size update behind a field")
        if rest:
            fields += self._decoder.decode(rest, raw=True)
        return fields

    def _check(self, field: tuple[bytes, bytes]) -> tuple[str, str]:
        """A field as text, remembered while it comes again and again."""
        checked = self._checked.get(field)
        if checked is None:
            if len(self._checked) >= CACHED_MAX:
                self._checked.clear()
            checked = self._checked[field] = check_field(*field)
        return checked


def _resizes(block: bytes) -> bool:
    """Whether a block begins with a size update of the table, the only place where one may stand."""
    return bool(block) and block[0] & 0xE0 == _RESIZE
