"""Reads whose answers are bytes: the rows of the disk become a page without an object for each.

Most rows are a value without an end under one version, and follow a row of the same lengths; what protobuf puts before
and behind them is then the same as a moment ago. Any other row goes the ordinary way and is rendered for itself.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from flaredb.core.engine import Cursor
from flaredb.core.keys import TERMINATOR_BYTES, VERSION_BYTES, ZERO, version_of
from flaredb.core.limits import PAGE_BYTES_MAX
from flaredb.core.octets import key_value, kv_lengths, scan_end, version_field
from flaredb.core.records import VALUE_TAG, is_tombstone
from flaredb.core.visibility import Scan


@dataclass(slots=True)
class OctetScan(Scan):
    """A scan that ends as the bytes of a ScanResponse; `found` has what is not rendered yet."""

    _parts: list[bytes] = field(default_factory=list)

    def octets(self) -> bytes:
        """The page, once it is done."""
        assert self.done
        self._render_found()
        return b"".join(self._parts) + scan_end(self.query.at_version, more=self.more)

    def _run(self, steps: int) -> None:
        """As `Scan._run`, which says what happens here; its comments are not repeated."""
        cursor, upper, at, parts = self.cursor, self._upper, self._at, self._parts
        step, is_valid, key, value = cursor.next, cursor.valid, cursor.key, cursor.value
        head_bytes, keys_only, from_bytes = len(self.query.namespace) + 1, self.query.keys_only, int.from_bytes
        room, size_bytes = self.query.limit - self._count, self._size_bytes
        # Of the row before: what is the same again is not made again.
        last_version, lengths = b"", (-1, -1, -1)
        head = middle = tail = b""
        stored = key() if is_valid() else upper
        encoded = stored[:-VERSION_BYTES]
        for _ in range(steps):
            if stored >= upper:
                self.done = True
                break
            version = stored[-VERSION_BYTES:]
            if version < at:
                cursor.seek(encoded + at)
                stored = key() if is_valid() else upper
                if not stored.startswith(encoded):
                    encoded = stored[:-VERSION_BYTES]
                    continue
                version = stored[-VERSION_BYTES:]
            record, name = value(), encoded[head_bytes:-TERMINATOR_BYTES]
            if record[0] != VALUE_TAG or ZERO in name or size_bytes >= PAGE_BYTES_MAX or not room:
                self._count, self._size_bytes = self.query.limit - room, size_bytes
                self._take(encoded, stored)
                self._render_found()
                if self.done:
                    return
                size_bytes, room = self._size_bytes, self.query.limit - self._count
            else:
                data = b"" if keys_only else record[1:]
                if version != last_version:
                    tail, last_version = version_field(~from_bytes(version, "big", signed=True)), version
                if lengths != (row := (len(name), len(data), len(tail))):
                    head, middle = kv_lengths(*row)
                    lengths = row
                parts += (head, name, middle, data, tail)
                size_bytes += row[0] + row[1]
                room -= 1
            step()
            stored = key() if is_valid() else upper
            before, encoded = encoded, stored[:-VERSION_BYTES]
            if before == encoded:
                stored = self._leave(encoded)
                encoded = stored[:-VERSION_BYTES]
        self._count, self._size_bytes = self.query.limit - room, size_bytes

    def _render_found(self) -> None:
        self._parts += [key_value(*found) for found in self.found]
        self.found.clear()


def read_row(cursor: Cursor, place: bytes, key: bytes) -> bytes | None:
    """The `kv` of one key at a version, found by where that would stand on disk.

    Returns:
        Nothing where the key does not exist; None where it has an end or an empty value, and where the cursor came to
        the end of all keys or met damage: `visibility.read` tells those apart.
    """
    cursor.seek(place)
    if not cursor.valid():
        return None
    stored = cursor.key()
    if stored[:-VERSION_BYTES] != place[:-VERSION_BYTES]:
        return b""
    record = cursor.value()
    if record[0] != VALUE_TAG or len(record) == 1:
        return b"" if is_tombstone(record) else None
    return key_value(key, record[1:], version_of(stored))
