"""bbolt files in memory: written in one go."""

from __future__ import annotations

from collections.abc import Mapping

from chainfire.core import bbolt_writer
from chainfire.core.bbolt_reader import Database

Tables = Mapping[bytes, Mapping[bytes, bytes]]


def written(tables: Tables) -> bytes:
    """A file with these buckets."""
    return assembled(bbolt_writer.render((name, sorted(items.items())) for name, items in sorted(tables.items())))


def assembled(pieces: object) -> bytes:
    """A file from its pieces."""
    content = bytearray()
    for piece in pieces:  # type: ignore[attr-defined]
        content.extend(bytes(max(0, piece.offset + len(piece.content) - len(content))))
        content[piece.offset : piece.offset + len(piece.content)] = piece.content
    return bytes(content)


def read(content: bytes) -> dict[bytes, dict[bytes, bytes]]:
    """All buckets of a file."""
    database = Database(content)
    return {name: dict(database.items(bucket)) for name, bucket in database.buckets().items()}
