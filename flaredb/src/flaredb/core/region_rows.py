"""Where a region's log, hard state and applied state stand among the rows of a node's engine.

    meta     region/ <id> d            the region: range, epoch, members; and which peer this store is
    meta     region/ <id> a            how far its state goes
    meta     region/ <id> h            Raft's hard state
    meta     region/ <id> l <index>    one entry of the log: term, kind, body
    meta     region/ <id> i <txn>      a part of a transaction over several regions that is prepared
    meta     region/ <id> c <txn>      such a transaction that was decided here
    meta     region/ <id> n            it was merged into another one and is no more
    meta     region/ <id> m            how far it is in becoming one with a neighbour
    changes  <id> <version>            the keys of one commit
    data     as `flaredb.core.keys`    regions do not overlap, so their rows stand apart without their id
    expiry   as `flaredb.core.expiry`  the same: each names its key

They have no column of their own: RocksDB gives each column its memtables, and a batch over fewer columns is smaller.
A removed peer leaves a tombstone, `region/ <id> t`, or a late message would bring it back without what it promised.
"""

from __future__ import annotations

import itertools
import struct
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

from flaredb.core.commands import Commit, EncodedKey
from flaredb.core.engine import Column, Cursor, Engine, Row
from flaredb.core.expiry import expiry_key
from flaredb.core.keys import VERSION_BYTES
from flaredb.core.records import START, number, parse_end, parse_number
from flaredb.core.region import FIRST_INDEX, FIRST_TERM, Applied, Region, RegionId, StoreId
from flaredb.core.region_codec import parse, render
from flaredb.core.region_entry import NOT_MERGING, Merging, TxnId
from flaredb.core.region_locks import Decision, Intent, Locks
from ultracloud.raft.words import Entry, EntryKind, HardState, NodeId, Restored, SnapshotMark

PREFIX = b"region/"
AFTER = b"region0"
"""The first key that is no region's: `0` follows `/`."""
_REGION, _APPLIED, _HARD_STATE, _LOG, _TOMBSTONE, _INTENT, _DECISION = b"d", b"a", b"h", b"l", b"t", b"i", b"c"
_MERGING, _MERGED = b"m", b"n"
_ENTRY = struct.Struct(">QB")
_ID_BYTES = 8
_KIND_AT = len(PREFIX) + _ID_BYTES


@dataclass(frozen=True, slots=True)
class Stored:
    """What a store has of one region.

    Attributes:
        peer: Which of its peers this store is.
        locks: What transactions over several regions hold here.
        merging: How far it is in becoming one with a neighbour.
        held: Commits above the mark, by rising version; None if they are to be read from the rows.
    """

    region: Region
    peer: NodeId
    applied: Applied
    hard_state: HardState
    entries: tuple[Entry, ...]
    locks: Locks = field(default_factory=Locks)
    held: tuple[Commit, ...] | None = None
    merging: Merging = NOT_MERGING

    def restored(self) -> Restored:
        """What its Raft node starts from: the state is always as of the last entry applied."""
        applied = self.applied
        mark = SnapshotMark(applied.index, applied.term, self.region.config)
        return Restored(mark, self.entries, self.hard_state, applied.index)


def founding_rows(region: Region, store: StoreId, version: int = START.version) -> list[Row]:
    """What a store begins with that holds one of the first replicas of the first region.

    Args:
        region: The first region.
        store: Which store.
        version: Of the empty store, the same on all of them. What is before it is no history of this cluster: who
            watched another one, of before a restore, must read again.
    """
    applied = Applied(FIRST_INDEX, FIRST_TERM, replace(START, version=version), version, version, version)
    return [region_row(region, region.peer_on(store)), applied_row(region.region, applied)]


def region_row(region: Region, peer: NodeId) -> Row:
    """The region and this store's part in it."""
    return Column.META, _key(region.region, _REGION), render((region, peer))


def applied_row(region: RegionId, applied: Applied) -> Row:
    """How far the state goes; in one batch with what brought it there."""
    return Column.META, _key(region, _APPLIED), render(applied)


def hard_state_row(region: RegionId, state: HardState) -> Row:
    """Term, vote and commit."""
    return Column.META, _key(region, _HARD_STATE), render(state)


def entry_row(region: RegionId, entry: Entry) -> Row:
    """One entry of the log."""
    return Column.META, log_key(region, entry.index), _ENTRY.pack(entry.term, entry.kind) + entry.body


def intent_row(region: RegionId, intent: Intent) -> Row:
    """A part that is prepared."""
    return Column.META, _key(region, _INTENT) + intent.txn, render(intent)


def no_intent_row(region: RegionId, txn: TxnId) -> Row:
    """A part that is resolved."""
    return Column.META, _key(region, _INTENT) + txn, None


def decision_row(region: RegionId, decision: Decision) -> Row:
    """A transaction that is committed."""
    return Column.META, _key(region, _DECISION) + decision.txn, render(decision)


def no_decision_row(region: RegionId, txn: TxnId) -> Row:
    """One that is done."""
    return Column.META, _key(region, _DECISION) + txn, None


def merging_row(region: RegionId, merging: Merging) -> Row:
    """How far a region is in becoming one with a neighbour."""
    return Column.META, _key(region, _MERGING), None if merging == NOT_MERGING else render(merging)


def merging_of(rows: Iterable[Row]) -> Merging:
    """The same, as these rows of a region have it; others are left out."""
    found = (parse(value) for column, _, value in rows if column is Column.META and value is not None)
    return next((each for each in found if isinstance(each, Merging)), NOT_MERGING)


def stored_applied(engine: Engine, region: RegionId) -> Applied:
    """How far the state of a region goes that is here."""
    record = engine.get(Column.META, _key(region, _APPLIED))
    assert record is not None, region
    applied = parse(record)
    assert isinstance(applied, Applied), applied
    return applied


def stored_entry(engine: Engine, region: RegionId, index: int) -> Entry:
    """An entry that is known to stand in the log here."""
    record = engine.get(Column.META, log_key(region, index))
    assert record is not None, (region, index)
    return _entry(_LOG + number(index), record)


def parse_entry(key: bytes, record: bytes) -> Entry:
    """The entry that stands at a key."""
    return _entry(key[_KIND_AT:], record)


def is_of(region: Region, row: Row) -> bool:
    """Whether a row belongs to a region: to its log, its state or its keys."""
    column, key, _ = row
    match column:
        case Column.META:
            return key.startswith(_key(region.region, b""))
        case Column.CHANGES:
            return key.startswith(number(region.region))
        case Column.EXPIRY:
            return region.covers(key[_ID_BYTES:])
        case Column.DATA:
            return region.covers(key[:-VERSION_BYTES])
        case _:
            return False


def lock_rows(region: RegionId, locks: Locks) -> Iterator[Row]:
    """All that transactions hold in a region."""
    yield from (intent_row(region, intent) for intent in locks.intents.values())
    yield from (decision_row(region, decision) for decision in locks.decisions.values())


def locks_of(rows: Iterable[Row]) -> Locks:
    """What is locked by these rows of a region; others are left out."""
    found = [parse(value) for column, _, value in rows if column is Column.META and value is not None]
    return Locks(
        (each for each in found if isinstance(each, Intent)), (each for each in found if isinstance(each, Decision))
    )


def log_key(region: RegionId, index: int) -> bytes:
    """Where an entry stands; sorts as its index does."""
    return _key(region, _LOG) + number(index)


def change_key(region: RegionId, version: int) -> bytes:
    """Where the keys of a commit stand."""
    return number(region) + number(version)


def tombstone_row(region: RegionId, peer: NodeId) -> Row:
    """This store had `peer`, and older ones, and will not have them again."""
    return Column.META, _key(region, _TOMBSTONE), number(peer)


def merged_row(region: RegionId) -> Row:
    """The region is no more, anywhere: who asks whether it is wanted is not."""
    return Column.META, _key(region, _MERGED), b""


def own_rows(region: RegionId, rows: Iterable[Row]) -> Iterator[Row]:
    """What `evaluate.rows` gives, where a region has it: changes under its id; counters stand in `applied_row`."""
    for column, key, value in rows:
        if column is Column.CHANGES:
            yield column, number(region) + key, value
        elif column is not Column.META:
            yield column, key, value


def state_rows(engine: Engine, region: Region) -> Iterator[Row]:
    """Every row of the region's state as of now, whatever is written while it is read: data, ends, changes, locks.

    Ends stand by time and not by key, so they are told from the data: only a key's newest version has one.

    Raises:
        DataLossError: From the iteration: stored bytes do not match their checksum.
    """
    head = number(region.region)
    data, changes = engine.cursor(Column.DATA), engine.cursor(Column.CHANGES)
    return itertools.chain(
        _data_rows(engine, data, region) if region.is_known else (),
        ((Column.CHANGES, *row) for row in _span(engine, changes, head, number(region.region + 1))),
        *(
            (
                (Column.META, *row)
                for row in scan(engine, Column.META, _key(region.region, kind), _after(region.region, kind))
            )
            for kind in (_INTENT, _DECISION, _MERGING)
        ),
    )


def _data_rows(engine: Engine, data: Cursor, region: Region) -> Iterator[Row]:
    last = b""
    for key, record in _span(engine, data, region.start, region.end):
        yield Column.DATA, key, record
        encoded = EncodedKey(key[:-VERSION_BYTES])
        if encoded != last and (end := parse_end(record)):
            yield Column.EXPIRY, expiry_key(end, encoded), b""
        last = encoded


def meta_keys(engine: Engine, region: RegionId) -> Iterator[bytes]:
    """Every row in `meta` of a region."""
    head = _key(region, b"")
    return (key for key, _ in scan(engine, Column.META, head, _key(RegionId(region + 1), b"")))


def scan(engine: Engine, column: Column, start: bytes, end: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Rows of [start, end); an empty `end` is the column's."""
    return _span(engine, engine.cursor(column), start, end)


def _span(engine: Engine, cursor: Cursor, start: bytes, end: bytes) -> Iterator[tuple[bytes, bytes]]:
    cursor.seek(start)
    while cursor.valid():
        key = cursor.key()
        if end and key >= end:
            return
        yield key, cursor.value()
        cursor.next()
    engine.check(cursor)


def checksum(engine: Engine, region: Region) -> int:
    """A sum over all rows of a region's state: replicas with the same applied index have the same."""
    total = 0
    for column, key, _ in state_rows(engine, region):
        stored = engine.get(column, key)
        total = zlib.crc32(b"-" if stored is None else b"+" + stored, zlib.crc32(key, total))
    return total


def load(engine: Engine) -> tuple[list[Stored], dict[RegionId, NodeId], set[RegionId]]:
    """Every region of a store, by rising id, the peers that are gone for good, and regions that are no more."""
    found: dict[RegionId, dict[bytes, bytes]] = {}
    for key, value in scan(engine, Column.META, PREFIX, AFTER):
        region = RegionId(parse_number(key[len(PREFIX) : _KIND_AT]))
        found.setdefault(region, {})[key[_KIND_AT:]] = value
    gone = {region: NodeId(parse_number(rows[_TOMBSTONE])) for region, rows in found.items() if _TOMBSTONE in rows}
    merged = {region for region, rows in found.items() if _MERGED in rows}
    return [_stored(rows) for rows in found.values() if _REGION in rows], gone, merged


def _stored(rows: dict[bytes, bytes]) -> Stored:
    region, peer = _pair(parse(rows[_REGION]))
    applied = parse(rows[_APPLIED])
    assert isinstance(applied, Applied), applied
    hard_state = parse(rows[_HARD_STATE]) if _HARD_STATE in rows else HardState()
    assert isinstance(hard_state, HardState), hard_state
    entries = tuple(_entry(key, value) for key, value in sorted(rows.items()) if key[:1] == _LOG)
    state: list[Row] = [
        (Column.META, key, value) for key, value in sorted(rows.items()) if key[:1] in (_INTENT, _DECISION, _MERGING)
    ]
    return Stored(region, peer, applied, hard_state, entries, locks_of(state), merging=merging_of(state))


def _pair(found: object) -> tuple[Region, NodeId]:
    assert isinstance(found, tuple), found
    region, peer = found
    assert isinstance(region, Region), region
    assert isinstance(peer, int), peer
    return region, NodeId(peer)


def _entry(key: bytes, value: bytes) -> Entry:
    term, kind = _ENTRY.unpack_from(value)
    return Entry(parse_number(key[1:]), term, EntryKind(kind), value[_ENTRY.size :])


def _key(region: RegionId, kind: bytes) -> bytes:
    return PREFIX + number(region) + kind


def _after(region: RegionId, kind: bytes) -> bytes:
    return _key(region, bytes((kind[0] + 1,)))
