"""Which namespaces there are: nobody keeps a list, the keys on disk say it, and a seek finds the next.

A namespace counts for as long as any version of any of its keys is kept, deletions included. So the answer has every
namespace that can be read at any version that is still kept, and perhaps some that are empty at all of them.
"""

from __future__ import annotations

from collections.abc import Iterator

from flaredb.core.engine import Cursor

PAST_NAME = b"\x01"
"""After a name: where the keys of its namespace have ended on disk; see `flaredb.core.keys`."""


def namespaces(cursor: Cursor, after: str) -> Iterator[str]:
    """Names in order, those after one. Once they end, the cursor has met the end, or damage."""
    cursor.seek(past(after))
    while cursor.valid():
        name = cursor.key().partition(b"\x00")[0]
        yield name.decode()
        cursor.seek(name + PAST_NAME)


def past(name: str) -> bytes:
    """Where the keys of a namespace have ended on disk; the beginning for the empty name."""
    return name.encode() + PAST_NAME if name else b""
