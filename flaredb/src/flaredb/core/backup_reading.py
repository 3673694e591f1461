"""Reads a backup, and passes on nothing that its checksums do not vouch for.

What a damaged or hostile file can make this do is bounded: no block is longer than a writer makes it, in the file or
unpacked, and all that the format says is checked, so that what comes out can be restored without looking again.
"""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from struct import Struct
from typing import TypeAlias

from flaredb.core.backup import (
    BLOCK_HEAD,
    DIGEST_BYTES,
    EVENTUAL,
    HEAD,
    JSON_BYTES_MAX,
    MAGIC,
    MAGIC_EVENTUAL,
    MAGIC_PREFIX,
    PACKED_BYTES_MAX,
    RECORD_HEAD,
    RECORDS,
    STAMPED_HEAD,
    TRAILER,
    UNPACKED_BYTES_MAX,
    Count,
    EventualRecords,
    Head,
    MalformedBackupError,
    Records,
    Trailer,
)
from flaredb.core.eventual_clock import Stamp
from flaredb.core.eventual_records import Stamped
from flaredb.core.limits import EXPIRES_AT_MS_MAX, KEY_BYTES_MAX, VALUE_BYTES_MAX, VERSION_MAX
from flaredb.core.region import StoreId
from flaredb.core.visibility import Found
from ultracloud.base.faults import InvalidArgumentError
from ultracloud.base.names import check_name

Part: TypeAlias = Head | Records | EventualRecords | Trailer
Read: TypeAlias = Callable[[int], bytes]
"""Gives as many bytes as asked for, fewer only at the end."""


def parts(read: Read) -> Iterator[Part]:
    """What is in a backup, in its order: the head, records, those of eventual namespaces, the trailer.

    Raises:
        MalformedBackupError: It is none, or damaged, or cut off. What came before is as it was written.
    """
    file = _File(read)
    has_eventual = file.begin() == MAGIC_EVENTUAL
    order = _Order(_head(file.block(HEAD)[1], has_eventual=has_eventual))
    kinds = RECORDS + TRAILER + (EVENTUAL if has_eventual else b"")
    yield order.head
    while True:
        kind, unpacked = file.block(kinds)
        if kind == TRAILER:
            break
        records = _records(unpacked) if kind == RECORDS else _stamped(unpacked)
        order.add(records)
        yield records
    order.check_counts(_counts(unpacked))
    if read(1):
        raise MalformedBackupError(f"bytes follow its end at byte {file.at}")
    yield Trailer(order.counts, file.sha256)


@dataclass(slots=True)
class _File:
    """The bytes of a backup, as far as they were read."""

    read: Read
    at: int = 0
    sha256: str = ""
    _sum: hashlib._Hash = field(default_factory=hashlib.sha256)

    def begin(self) -> bytes:
        """The first bytes, if it begins as a backup of a format of ours."""
        begun = self.read(len(MAGIC))
        if begun not in (MAGIC, MAGIC_EVENTUAL):
            if begun.startswith(MAGIC_PREFIX):
                raise MalformedBackupError(
                    f"it is of format {begun.removeprefix(MAGIC_PREFIX).decode('ascii', 'replace').strip()!a}; this "
                    "flaredb reads formats 1 and 2"
                )
            raise MalformedBackupError("it does not begin as a backup of flaredb does" if begun else "it is empty")
        self._took(begun)
        return begun

    def block(self, kinds: bytes) -> tuple[bytes, bytes]:
        """The next block's kind, which is one of `kinds`, and what it holds."""
        began_at = self.at
        head = self._exactly(BLOCK_HEAD.size)
        kind, packed_bytes, unpacked_bytes = BLOCK_HEAD.unpack(head)
        is_packed = kind in RECORDS + EVENTUAL
        packed_max, unpacked_max = (
            (PACKED_BYTES_MAX, UNPACKED_BYTES_MAX) if is_packed else (JSON_BYTES_MAX, JSON_BYTES_MAX)
        )
        if kind not in kinds or packed_bytes > packed_max or unpacked_bytes > unpacked_max:
            raise MalformedBackupError(f"it is damaged at byte {began_at}: no block begins there")
        packed = self._exactly(packed_bytes)
        wanted = self._sum.digest()
        if self._exactly(DIGEST_BYTES) != wanted:
            raise MalformedBackupError(f"it is damaged: the checksum of the block at byte {began_at} does not match")
        self.sha256 = wanted.hex()
        unpacked = _unpacked(packed, unpacked_bytes) if is_packed else packed
        if len(unpacked) != unpacked_bytes:
            raise _wrong(f"the block at byte {began_at} has another size than it says")
        return kind, unpacked

    def _exactly(self, size: int) -> bytes:
        piece = self.read(size)
        if len(piece) != size:
            raise MalformedBackupError(f"it was cut off: it ends at byte {self.at + len(piece)}, within a block")
        self._took(piece)
        return piece

    def _took(self, piece: bytes) -> None:
        self._sum.update(piece)
        self.at += len(piece)


@dataclass(slots=True)
class _Order:
    """What may come next, and what came."""

    head: Head
    counts: dict[str, Count] = field(init=False)
    _place: int = 0
    _last: bytes = b""

    def __post_init__(self) -> None:
        self.counts = {name: Count() for name in self.head.all_namespaces}

    def add(self, records: Records | EventualRecords) -> None:
        """Pass if these follow what came before."""
        names, is_eventual = self.head.all_namespaces, isinstance(records, EventualRecords)
        if records.namespace not in names[self._place :] or is_eventual != (records.namespace in self.head.eventual):
            raise _wrong(f"records of namespace {records.namespace!a} stand where they may not")
        place = names.index(records.namespace)
        if place != self._place:
            self._place, self._last = place, b""
        for found in records.found:
            if found.key <= self._last:
                raise _wrong(f"keys of namespace '{records.namespace}' are not in order")
            if isinstance(found, Found) and not 0 < found.version <= self.head.version:
                raise _wrong(f"a key of namespace '{records.namespace}' is newer than the backup")
            self._last = found.key
        self.counts[records.namespace].add(records.found)

    def check_counts(self, told: dict[str, Count]) -> None:
        """Pass if that is what came."""
        if told != self.counts:
            raise _wrong("its trailer counts other records than it has")


def _wrong(said: str) -> MalformedBackupError:
    """Checksums match and sense does not: who wrote this was no flaredb."""
    return MalformedBackupError(f"it was not written as a backup is: {said}")


def _unpacked(packed: bytes, size: int) -> bytes:
    # One byte more than there should be, so that more is noticed and never made.
    unpacking = zlib.decompressobj()
    try:
        unpacked = unpacking.decompress(packed, size + 1)
    except zlib.error as error:
        raise _wrong(f"a block cannot be unpacked ({error})") from error
    if not unpacking.eof or unpacking.unused_data:
        raise _wrong("a block is not what it was before it was packed")
    return unpacked


def _records(unpacked: bytes) -> Records:
    namespace, at = _name(unpacked)
    found = []
    while at < len(unpacked):
        key_bytes, value_bytes, version, expires_at_ms = _numbers(RECORD_HEAD, unpacked, at)
        key_at = at + RECORD_HEAD.size
        value_at, at = _ends(key_at, key_bytes, value_bytes, expires_at_ms, len(unpacked))
        found.append(Found(unpacked[key_at:value_at], unpacked[value_at:at], version, expires_at_ms))
    return Records(namespace, tuple(found))


def _stamped(unpacked: bytes) -> EventualRecords:
    namespace, at = _name(unpacked)
    found = []
    while at < len(unpacked):
        key_bytes, value_bytes, expires_at_ms, time, store = _numbers(STAMPED_HEAD, unpacked, at)
        key_at = at + STAMPED_HEAD.size
        value_at, at = _ends(key_at, key_bytes, value_bytes, expires_at_ms, len(unpacked))
        if not (0 < time <= VERSION_MAX and 0 < store <= VERSION_MAX):
            raise _wrong("a record has a stamp that none can have")
        stamp = Stamp(time, StoreId(store))
        found.append(Stamped(unpacked[key_at:value_at], unpacked[value_at:at], stamp, expires_at_ms))
    return EventualRecords(namespace, tuple(found))


def _name(unpacked: bytes) -> tuple[str, int]:
    """The namespace of a block, and where its records begin."""
    if not unpacked or len(unpacked) < 1 + unpacked[0]:
        raise _wrong("a block has no name")
    at = 1 + unpacked[0]
    return unpacked[1:at].decode("ascii", "replace"), at


def _numbers(head: Struct, unpacked: bytes, at: int) -> tuple[int, ...]:
    """The numbers before a record."""
    if at + head.size > len(unpacked):
        raise _wrong("a record ends early")
    return head.unpack_from(unpacked, at)


def _ends(key_at: int, key_bytes: int, value_bytes: int, expires_at_ms: int, most: int) -> tuple[int, int]:
    """Where key and value of a record end."""
    value_at = key_at + key_bytes
    at = value_at + value_bytes
    if not 0 < key_bytes <= KEY_BYTES_MAX or value_bytes > VALUE_BYTES_MAX or at > most:
        raise _wrong("a record has a size that none can have")
    if expires_at_ms > EXPIRES_AT_MS_MAX:
        raise _wrong("a record has an end that none can have")
    return value_at, at


def _head(said: bytes, *, has_eventual: bool) -> Head:
    match _object(said):
        case {
            "version": int(version),
            "made_at_ms": int(made_at_ms),
            "namespaces": list(names),
            "is_whole": bool(is_whole),
            "writer": str(writer),
            **others,
        } if _is_names(names):
            eventual = others.get("eventual") if has_eventual else []
            is_version = 0 < version <= VERSION_MAX or (version == 0 and not names and has_eventual)
            if is_version and isinstance(eventual, list) and _is_names(eventual) and not {*eventual} & {*names}:
                return Head(version, made_at_ms, tuple(names), is_whole, writer, tuple(eventual))
    raise _wrong("its head says what none can")


def _is_names(names: list[object]) -> bool:
    """Whether these are names of namespaces, in order."""
    return all(map(_is_name, names)) and names == sorted(set(map(str, names)))


def _counts(said: bytes) -> dict[str, Count]:
    counts = {}
    match _object(said):
        case {"namespaces": dict(told)}:
            for name, count in told.items():
                match count:
                    case {"keys": int(keys), "size_bytes": int(size_bytes)}:
                        counts[name] = Count(keys, size_bytes)
                    case _:
                        raise _wrong("its trailer says what none can")
        case _:
            raise _wrong("its trailer says what none can")
    return counts


def _object(said: bytes) -> object:
    try:
        return json.loads(said)
    except (ValueError, RecursionError) as error:
        raise _wrong("its head or trailer is no JSON") from error


def _is_name(name: object) -> bool:
    try:
        return isinstance(name, str) and bool(check_name(name, "namespace"))
    except InvalidArgumentError:
        return False
