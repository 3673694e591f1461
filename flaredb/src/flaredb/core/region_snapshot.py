"""A region's state on its way to a replica that is too far behind for the log: chunks of rows, each checked.

The first chunk holds the region and how far its state goes, the others rows. Each has the checksum of everything up to
its end, so that a chunk that is lost, doubled, overtaken or damaged is seen at once. The receiver installs the whole in
one batch, in place of what it has.

Source: "TiKV" (deep dive, "Multi-Raft", snapshots); CRC-32 of ISO-HDLC, as zlib computes it.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from flaredb.core.engine import Column, Engine, Row
from flaredb.core.region import Applied, Region
from flaredb.core.region_codec import MalformedError, parse, render
from flaredb.core.region_rows import state_rows
from flaredb.core.region_work import Incoming

CHUNK_BYTES_MAX = 512 * 1024
"""Rows after which a chunk ends; one more, of a value of 1 MiB, may come: well below a message of 4 MiB."""
STATE_BYTES_MAX = 512 << 20
"""What a receiver takes: it holds a whole state until it writes it. Regions are split long before."""
_COLUMNS = (Column.DATA, Column.CHANGES, Column.EXPIRY, Column.META)
"""Their places are on the wire."""
_ROW = struct.Struct(">BHI")


@dataclass(frozen=True, slots=True)
class Chunk:
    """A part of a state.

    Attributes:
        number: Its place, from 0.
        checksum: Of its content and of everything before.
    """

    number: int
    is_last: bool
    content: bytes
    checksum: int


def chunks(engine: Engine, region: Region, applied: Applied) -> Iterator[Chunk]:
    """The state of a region as of now, whatever is written while it is read.

    Raises:
        DataLossError: From the iteration: stored bytes do not match their checksum. The stream must be given up.
    """
    assert region.is_known, region
    return _numbered(_contents(render((region, applied)), state_rows(engine, region)))


class Assembly:
    """A state as it arrives."""

    def __init__(self) -> None:
        self._head: tuple[Region, Applied] | None = None
        self._rows: list[Row] = []
        self._next = 0
        self._checksum = 0
        self._size = 0

    def add(self, chunk: Chunk) -> Incoming | None:
        """Take the next chunk; give the state when it was the last one.

        Raises:
            MalformedError: It is not the next one, it is damaged, or all is too large. The state must be sent again.
        """
        checksum = zlib.crc32(chunk.content, self._checksum)
        if chunk.number != self._next or chunk.checksum != checksum:
            raise MalformedError(f"chunk {chunk.number} does not follow {self._next} chunks, or is damaged")
        self._size += len(chunk.content)
        if self._size > STATE_BYTES_MAX:
            raise MalformedError(f"a state of more than {STATE_BYTES_MAX} bytes")
        self._checksum = checksum
        self._next += 1
        if self._head is None:
            self._head = _head(parse(chunk.content))
        else:
            self._rows += _rows(chunk.content)
        return Incoming(*self._head, tuple(self._rows)) if chunk.is_last else None


def _numbered(contents: Iterator[bytes]) -> Iterator[Chunk]:
    """Chunks, of which one knows that it is the last."""
    checksum, place, content = 0, 0, next(contents)
    for following in contents:
        checksum = zlib.crc32(content, checksum)
        yield Chunk(place, False, content, checksum)
        place, content = place + 1, following
    yield Chunk(place, True, content, zlib.crc32(content, checksum))


def _contents(head: bytes, rows: Iterator[Row]) -> Iterator[bytes]:
    yield head
    content = bytearray()
    for column, key, value in rows:
        assert value is not None, key
        content += _ROW.pack(_COLUMNS.index(column), len(key), len(value)) + key + value
        if len(content) >= CHUNK_BYTES_MAX:
            yield bytes(content)
            content.clear()
    if content:
        yield bytes(content)


def _head(found: object) -> tuple[Region, Applied]:
    match found:
        case (Region() as region, Applied() as applied):
            return region, applied
        case _:
            raise MalformedError("the first chunk does not say which region it is of")


def _rows(content: bytes) -> Iterator[Row]:
    at = 0
    while at < len(content):
        column, key_bytes, value_bytes = _ROW.unpack_from(content, at)
        middle = at + _ROW.size + key_bytes
        at, key_at = middle + value_bytes, at + _ROW.size
        yield _COLUMNS[column], content[key_at:middle], content[middle:at]
