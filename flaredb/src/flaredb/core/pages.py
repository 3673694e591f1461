"""Reads whose answers are bytes: the rows of the disk become a page without an object for each.

Most rows are a value without an end under one version, and follow a row of the same lengths; what protobuf puts before
and behind them is then the same as a moment ago. Any other row goes the ordinary way and is rendered for itself.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from flaredb.core.engine import Cursor
from flaredb.core.keys import VERSION_BYTES, version_of
from flaredb.core.octets import key_value, kv_lengths, scan_end, version_field
from flaredb.core.records import VALUE_TAG, is_tombstone
from flaredb.core.visibility import Plain, Scan


@dataclass(slots=True)
class OctetScan(Scan):
    """A scan that ends as the bytes of a ScanResponse; `found` has what is not rendered yet."""

    _parts: list[bytes] = field(default_factory=list)

    def octets(self) -> bytes:
        """The page, once it is done."""
        assert self.done
        self._render_found()
        return b"".join(self._parts) + scan_end(self.query.at_version, more=self.more)

    def _add(self, plain: list[Plain]) -> None:
        """Render them behind what was found before them."""
        self._render_found()
        parts, from_bytes = self._parts, int.from_bytes
        # Of the row before: what is the same again is not made again.
        last_version, name_bytes, data_bytes = b"", -1, -1
        head = middle = tail = b""
        for name, data, version in plain:
            if version != last_version:
                before, tail = tail, version_field(~from_bytes(version, "big", signed=True))
                last_version = version
                if len(before) != len(tail):
                    name_bytes = -1
            if len(name) != name_bytes or len(data) != data_bytes:
                name_bytes, data_bytes = len(name), len(data)
                head, middle = kv_lengths(name_bytes, data_bytes, len(tail))
            parts += (head, name, middle, data, tail)

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
