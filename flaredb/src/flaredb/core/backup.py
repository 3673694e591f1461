"""A backup, as it is written: all keys of some namespaces as they stood at one version, in a file that is read forward.

    "flaredb backup 1" and a newline, or 2 where it has eventual namespaces
    block: kind (1 byte), bytes that follow (4), bytes once unpacked (4), what it holds, SHA-256 of all before (32)
    ...

Kinds, in their order: one `H`, any number of `R`, in format 2 of `E`, one `T`, and then nothing.

- `H`, the head: JSON with the version, when it was made, the namespaces in order, and what wrote it.
- `R`, records, packed by zlib: the namespace's name (its length in 1 byte), then records in order of their keys, each
  with lengths of key and value (4 and 4), version and end (8 and 8; an end of 0 is never), key and value. A block has
  what one page of a scan had, so reader and writer hold one at a time.
- `E`, records of eventual namespaces, which have no version that all stores agree on: as `R`, but for version and end
  each has an end (8), and its stamp: time and store of who wrote it (8 and 8). Of two writes the higher stamp is the
  later. Each block is as of its moment.
- `T`, the trailer: JSON with how many keys and bytes each namespace has.

Numbers are big-endian. Every block ends in the checksum of all that stands before it, so a change anywhere is seen at
the next block, blocks cannot be exchanged or left out, and the last checksum is that of the whole file.
Without eventual namespaces a backup is of format 1, so whoever reads no more than that reads it.

Source: RFC 1950 (zlib), FIPS 180-4 (SHA-256).
"""

from __future__ import annotations

import hashlib
import json
import struct
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field

from flaredb.core.eventual_records import Stamped
from flaredb.core.limits import KEY_BYTES_MAX, PAGE_BYTES_MAX, SCAN_LIMIT_MAX, VALUE_BYTES_MAX
from flaredb.core.visibility import Found

MAGIC_PREFIX = b"flaredb backup "
MAGIC, MAGIC_EVENTUAL = MAGIC_PREFIX + b"1\n", MAGIC_PREFIX + b"2\n"
HEAD, RECORDS, EVENTUAL, TRAILER = b"H", b"R", b"E", b"T"
BLOCK_HEAD = struct.Struct(">cII")
RECORD_HEAD = struct.Struct(">IIQQ")
STAMPED_HEAD = struct.Struct(">IIQQQ")
DIGEST_BYTES = 32
UNPACKED_BYTES_MAX = PAGE_BYTES_MAX + KEY_BYTES_MAX + VALUE_BYTES_MAX + SCAN_LIMIT_MAX * STAMPED_HEAD.size + 256
"""A page of a scan, which ends after the value that fills it, with the lengths of its records and a name."""
PACKED_BYTES_MAX = UNPACKED_BYTES_MAX + UNPACKED_BYTES_MAX // 1000 + 64
"""What cannot be packed grows a little: RFC 1951 stores it in pieces of 64 KiB with 5 bytes each."""
JSON_BYTES_MAX = 1 << 20
"""Some ten thousand names."""
ZLIB_LEVEL = 1
"""The fastest; records of the control plane shrink to a quarter, and the best level gives a tenth more for thrice the
time."""


@dataclass(frozen=True, slots=True)
class Head:
    """What a backup says of itself first.

    Attributes:
        version: All that it has is as of this version, but eventual namespaces; 0 if it has nothing else.
        made_at_ms: When it was begun, in milliseconds since 1970.
        namespaces: In order of their names. One that is empty may be among them.
        is_whole: Whether these are all namespaces of the store.
        writer: The program that made it, for people.
        eventual: Eventual namespaces, in order of their names; none is among the others.
    """

    version: int
    made_at_ms: int
    namespaces: tuple[str, ...]
    is_whole: bool
    writer: str
    eventual: tuple[str, ...] = ()

    @property
    def all_namespaces(self) -> tuple[str, ...]:
        """In the order in which they stand in the file."""
        return self.namespaces + self.eventual


@dataclass(frozen=True, slots=True)
class Records:
    """Keys of one namespace that follow each other."""

    namespace: str
    found: tuple[Found, ...]


@dataclass(frozen=True, slots=True)
class EventualRecords:
    """Keys of one eventual namespace that follow each other."""

    namespace: str
    found: tuple[Stamped, ...]


@dataclass(slots=True)
class Count:
    """How much a namespace has; `size_bytes` is of keys and values."""

    keys: int = 0
    size_bytes: int = 0

    def add(self, found: Iterable[Found | Stamped]) -> None:
        """Count more."""
        for each in found:
            self.keys += 1
            self.size_bytes += len(each.key) + len(each.value)


@dataclass(frozen=True, slots=True)
class Trailer:
    """What a backup says of itself last: what each namespace of the head came to; and its checksum, in hexadecimal."""

    counts: dict[str, Count]
    sha256: str


class MalformedBackupError(Exception):
    """The bytes are no backup, or one that was damaged or cut off; the sentence says where."""


@dataclass(slots=True)
class Writer:
    """Makes the bytes of a backup, block by block: `begin`, `records` and `stamped` in order, `end`.

    Attributes:
        counts: What came so far of each namespace.
        sha256: The checksum at the end of the last block, in hexadecimal.
    """

    head: Head
    counts: dict[str, Count] = field(init=False)
    sha256: str = ""
    _sum: hashlib._Hash = field(default_factory=hashlib.sha256)

    def __post_init__(self) -> None:
        self.counts = {name: Count() for name in self.head.all_namespaces}

    def begin(self) -> bytes:
        """The first bytes."""
        magic, told = (MAGIC_EVENTUAL if self.head.eventual else MAGIC), asdict(self.head)
        if not self.head.eventual:
            del told["eventual"]
        self._sum.update(magic)
        return magic + self._block(HEAD, _json(told))

    def records(self, namespace: str, found: Sequence[Found]) -> bytes:
        """A block of keys that follow those before: at most one page of a scan."""
        self.counts[namespace].add(found)
        return self._block(RECORDS, render_records(namespace, found))

    def stamped(self, namespace: str, found: Sequence[Stamped]) -> bytes:
        """The same of an eventual namespace: at most one page of a dump."""
        self.counts[namespace].add(found)
        return self._block(EVENTUAL, render_stamped(namespace, found))

    def end(self) -> bytes:
        """The last bytes."""
        counts = {name: asdict(count) for name, count in self.counts.items()}
        return self._block(TRAILER, _json({"namespaces": counts}))

    def _block(self, kind: bytes, unpacked: bytes) -> bytes:
        packed = zlib.compress(unpacked, ZLIB_LEVEL) if kind in RECORDS + EVENTUAL else unpacked
        block = BLOCK_HEAD.pack(kind, len(packed), len(unpacked)) + packed
        self._sum.update(block)
        digest = self._sum.digest()
        self._sum.update(digest)
        self.sha256 = digest.hex()
        return block + digest


def render_records(namespace: str, found: Sequence[Found]) -> bytes:
    """What a block of records holds, unpacked."""
    name = namespace.encode()
    pieces = [bytes((len(name),)), name]
    for each in found:
        pieces += (
            RECORD_HEAD.pack(len(each.key), len(each.value), each.version, each.expires_at_ms),
            each.key,
            each.value,
        )
    return b"".join(pieces)


def render_stamped(namespace: str, found: Sequence[Stamped]) -> bytes:
    """What a block of an eventual namespace holds, unpacked."""
    name = namespace.encode()
    pieces = [bytes((len(name),)), name]
    for each in found:
        stamp = each.stamp
        head = STAMPED_HEAD.pack(len(each.key), len(each.value), each.expires_at_ms, stamp.time, stamp.store)
        pieces += (head, each.key, each.value)
    return b"".join(pieces)


def _json(thing: object) -> bytes:
    return json.dumps(thing, separators=(",", ":")).encode()
