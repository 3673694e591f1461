"""Byte strings and words in a row, as entries and snapshots hold them: little-endian, the length before each."""

from __future__ import annotations

import struct
from collections.abc import Sequence

LENGTH = struct.Struct("<I")


def sized(text: bytes) -> bytes:
    """A byte string with its length."""
    return LENGTH.pack(len(text)) + text


def read_sized(body: bytes, at: int) -> tuple[bytes, int]:
    """Read what `sized` made, and where it ends.

    Raises:
        ValueError: It goes past the end; so may `struct.error`.
    """
    (length,) = LENGTH.unpack_from(body, at)
    at += LENGTH.size
    if at + length > len(body):
        raise ValueError(f"a string of {length} bytes goes past the end")
    return body[at : at + length], at + length


def words(each: Sequence[str]) -> bytes:
    """Words with their count."""
    return LENGTH.pack(len(each)) + b"".join(sized(word.encode()) for word in each)


def read_words(body: bytes, at: int) -> tuple[tuple[str, ...], int]:
    """Read what `words` made, and where it ends.

    Raises:
        ValueError: It goes past the end, or is no text; so may `struct.error`.
    """
    (count,) = LENGTH.unpack_from(body, at)
    at += LENGTH.size
    found: list[str] = []
    for _ in range(count):
        word, at = read_sized(body, at)
        found.append(word.decode())
    return tuple(found), at
