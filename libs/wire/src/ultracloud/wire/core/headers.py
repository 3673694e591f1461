"""Header blocks into heads, with a cache from a block's bytes to its head.

A client repeats itself: after its first calls the block of a method is the same few bytes each time. What they mean
depends on the dynamic table alone, so the cache holds until the table changes, and a block that changes it is not kept.

Source: RFC 7541; RFC 9113 4.3.
"""

from __future__ import annotations

from hpack import Decoder, HPACKError, OversizedHeaderListError
from hpack.table import HeaderTable

from ultracloud.wire.core.heads import Head, parse_head
from ultracloud.wire.core.limits import Limits
from ultracloud.wire.errors import ConnectionFault, ErrorCode

CACHED_HEADS_MAX = 256
"""Blocks kept a connection; a client that puts a fresh value in each call would fill any cache."""
DECODED_TO_ACCEPTED = 8
"""A list over the limit, but below this many times it, is decoded, so that the call can be refused and the connection
kept; decoding more would serve whoever sent it."""


class _CountingTable(HeaderTable):
    """A dynamic table that counts its changes."""

    def __init__(self) -> None:
        super().__init__()
        self.changes = 0

    def add(self, name: bytes, value: bytes) -> None:
        """Insert, evicting what no longer fits."""
        self.changes += 1
        super().add(name, value)

    def _shrink(self) -> None:
        """Evict what does not fit; hpack calls this on every change of size too."""
        self.changes += 1
        super()._shrink()


class HeaderReader:
    """Reads the header blocks of one connection, in their order."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._table = _CountingTable()
        self._decoder = Decoder(max_header_list_size=limits.header_list_bytes_max * DECODED_TO_ACCEPTED)
        self._decoder.header_table = self._table
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
        before = self._table.changes
        fields = self.decode(block)
        if self._table.changes != before:
            self.cache.clear()
        head = parse_head(fields, self._limits.header_list_bytes_max)
        if self._table.changes == before:
            if len(self.cache) >= CACHED_HEADS_MAX:
                self.cache.clear()
            self.cache[block] = head
        return head

    def skip(self, block: bytes) -> None:
        """Take a block nobody reads (trailers, refused streams) into the table.

        Raises:
            ConnectionFault: As `read`.
        """
        before = self._table.changes
        self.decode(block)
        if self._table.changes != before:
            self.cache.clear()

    def decode(self, block: bytes) -> list[tuple[bytes, bytes]]:
        """The fields of a block."""
        try:
            return [(bytes(name), bytes(value)) for name, value in self._decoder.decode(block, raw=True)]
        except OversizedHeaderListError as error:
            raise ConnectionFault(ErrorCode.ENHANCE_YOUR_CALM, "the header list is far over the limit") from error
        except (HPACKError, IndexError, UnicodeDecodeError) as error:
            raise ConnectionFault(ErrorCode.COMPRESSION_ERROR, "the header block cannot be decoded") from error
