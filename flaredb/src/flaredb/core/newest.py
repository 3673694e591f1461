"""The newest values of keys that were read lately, as an answer holds them.

What a control plane reads is the same few thousand records again and again, and to find one in RocksDB's tables and
render it takes as long as the rest of a Get. Kept is what readers see: who publishes a commit drops the keys that it
changed.

It has two halves. What is read goes to the young one; when that is full it becomes the old one, whose keys are dropped
unless they were read again meanwhile. That is nearly "least recently used", for the price of a look into a dict.
"""

from __future__ import annotations

from collections.abc import Iterable

from flaredb.core.commands import Commit, EncodedKey

NEWEST_BYTES_MAX = 16 * 1024 * 1024
"""About 32,000 records of 256 bytes."""
ENTRY_BYTES = 200
"""What an entry weighs besides key and value: two objects' heads and a place in a dict."""
ROW_BYTES_MAX = 64 * 1024
"""Larger values are read from the disk: a few of them would drive out all others."""


class NewestRows:
    """Rendered `kv` fields by encoded key. Keys that are absent, or that end, are never here.

    Args:
        bytes_max: What both halves may weigh together.
    """

    __slots__ = ("_half_bytes", "_old", "_weight", "_young")

    def __init__(self, bytes_max: int = NEWEST_BYTES_MAX) -> None:
        self._half_bytes = bytes_max // 2
        self._young: dict[EncodedKey, bytes] = {}
        self._old: dict[EncodedKey, bytes] = {}
        self._weight = 0

    def get(self, encoded: EncodedKey) -> bytes | None:
        """What is kept of a key."""
        kept = self._young.get(encoded)
        if kept is None and self._old:
            kept = self._old.get(encoded)
            if kept is not None:
                self.keep(encoded, kept)
        return kept

    def keep(self, encoded: EncodedKey, row: bytes) -> None:
        """Keep what the newest that is published holds."""
        if len(row) > ROW_BYTES_MAX:
            return
        self._young[encoded] = row
        self._weight += len(encoded) + len(row) + ENTRY_BYTES
        if self._weight >= self._half_bytes:
            self._old, self._young, self._weight = self._young, {}, 0

    def drop(self, commits: Iterable[Commit]) -> None:
        """Forget the keys that commits changed."""
        young, old = self._young, self._old
        if young or old:
            for commit in commits:
                for change in commit.changes:
                    young.pop(change.encoded, None)
                    old.pop(change.encoded, None)
