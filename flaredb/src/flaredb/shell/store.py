"""The store: reads at a version, and batches of transactions, on any engine.

All of it runs on one thread and none of it waits, but for `sync`, which the committer calls elsewhere. A batch is
staged (evaluated and written), then synced, then published; readers see published versions only, so nobody is shown
what a crash could take back. The next batch may be staged before the last is published, but not before it is synced.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice

from flaredb.core.commands import Change, Commit, EncodedKey, Txn
from flaredb.core.engine import Column, Engine, Row
from flaredb.core.evaluate import Evaluation, evaluate, rows
from flaredb.core.expiry import Overdue, overdue
from flaredb.core.feed import FEED_COMMITS_MAX, Interest, Page, Recent, page_of
from flaredb.core.keys import TERMINATOR, bounds, encode, key_of, versioned
from flaredb.core.limits import BATCH_RESPONSE_BYTES_MAX, check_batch_response
from flaredb.core.namespaces import namespaces
from flaredb.core.newest import NewestRows
from flaredb.core.octets import read_version_field
from flaredb.core.pages import OctetScan, read_row
from flaredb.core.records import (
    APPLIED_KEY,
    FLOOR_KEY,
    FORMAT,
    FORMAT_KEY,
    MARK_PREFIX,
    START,
    SWEPT_KEY,
    Mark,
    mark_key,
    mark_record,
    number,
    parse_change,
    parse_end,
    parse_mark,
    parse_number,
    parse_value,
)
from flaredb.core.retention import History, is_mark_due, plan_floor, sweep
from flaredb.core.visibility import Found, Query, Scan, read, read_at
from flaredb.errors import StoreDirectoryError, compacted, damaged, not_yet
from flaredb.shell.view import EngineView

SWEEP_KEYS_MAX = 128
"""Keys that one slice of sweeping looks at: about 1 ms during which nobody else is served."""


@dataclass(frozen=True, slots=True)
class Staged:
    """A batch that the engine holds and readers do not see yet."""

    evaluation: Evaluation
    mark: Mark | None


class Store:
    """One node's keys, all namespaces.

    Attributes:
        applied: The counters after the newest published commit.
        floor: The oldest version that may be read.
        swept: What nobody at this version or after can see is gone; not above `floor`.
        clock_ms: The latest time that anybody brought: the store's clock, which never goes back.
    """

    def __init__(self, engine: Engine, history: History, first_version: int = START.version) -> None:
        """Read the counters, or make them in an empty engine, whose version is `first_version` then.

        Raises:
            StoreDirectoryError: The engine holds another format, or less than it had confirmed.
            DataLossError: The counters cannot be read.
        """
        self._engine = engine
        self._view = EngineView(engine)
        self._history = history
        is_new = _check_format(engine)
        self.applied = self._counters()
        _check_complete(engine, self.applied)
        if is_new:
            self.applied = _make(engine, first_version)
        self._show(self.applied)
        self._rows = NewestRows()
        self.floor = self._number(FLOOR_KEY)
        self.swept = self._number(SWEPT_KEY)
        self._marks = self._stored_marks()
        self._last_mark = self._marks[-1] if self._marks else START
        self._staged = self.applied
        self._recent = Recent(self.applied.version)
        self.clock_ms = self.applied.at_ms

    def tick(self, now_ms: int) -> int:
        """Tell the store the time; what its clock says then."""
        self.clock_ms = max(self.clock_ms, now_ms)
        return self.clock_ms

    def read_version(self, at_version: int) -> int:
        """The version to read at for a caller who asked for `at_version`; 0 is the newest.

        Raises:
            OutOfRangeError: It is below the floor, or has not been made.
        """
        if not at_version:
            return self.applied.version
        if at_version < self.floor:
            raise compacted(at_version, self.floor)
        if at_version > self.applied.version:
            raise not_yet(at_version, self.applied.version)
        return at_version

    def get(self, namespace: str, key: bytes, version: int, now_ms: int = 0) -> Found | None:
        """The value of one key at a version that `read_version` gave, unless it has ended by `now_ms`."""
        cursor = self._engine.cursor(Column.DATA)
        found = read(cursor, encode(namespace, key), key, version, now_ms)
        if found is None and not cursor.valid():
            self._engine.check(cursor)
        return found

    def get_octets(self, encoded: EncodedKey, key: bytes) -> bytes | None:
        """The GetResponse for the newest of a key; None where only `get` can tell, or say what is wrong."""
        row = self._rows.get(encoded)
        if row is None:
            row = read_row(self._engine.cursor(Column.DATA), encoded + self._newest_place, key)
            if not row:
                return None if row is None else self._read_version
            self._rows.keep(encoded, row)
        return row + self._read_version

    def batch_octets(self, head: bytes, keys: Iterable[bytes]) -> bytes | None:
        """The BatchGetResponse for the newest of keys; None where only `batch_get` can tell, or say what is wrong.

        Args:
            head: What all keys of the namespace begin with on disk.
            keys: Without a zero byte.
        """
        rows, place, cursor = self._rows, self._newest_place, None
        found: list[bytes] = []
        size_bytes = 0
        for key in keys:
            encoded = EncodedKey(head + key + TERMINATOR)
            row = rows.get(encoded)
            if row is None:
                cursor = cursor or self._engine.cursor(Column.DATA)
                row = read_row(cursor, encoded + place, key)
                if row is None:
                    return None
                if row:
                    rows.keep(encoded, row)
            found.append(row)
            size_bytes += len(row)
        if size_bytes > BATCH_RESPONSE_BYTES_MAX:
            return None
        return b"".join(found) + self._read_version

    def batch_get(self, namespace: str, keys: Sequence[bytes], version: int, now_ms: int = 0) -> list[Found]:
        """The values of those keys that exist, in their order; see `get`.

        Raises:
            ResourceExhaustedError: Together they do not fit a message.
        """
        cursor = self._engine.cursor(Column.DATA)
        found: list[Found] = []
        size_bytes, version_key = 0, versioned(b"", version)
        for key in keys:
            encoded = encode(namespace, key)
            one = read_at(cursor, encoded, key, encoded + version_key, now_ms)
            if one is not None:
                found.append(one)
                size_bytes += len(key) + len(one.value)
                if size_bytes > BATCH_RESPONSE_BYTES_MAX:
                    check_batch_response(size_bytes)
            elif not cursor.valid():
                self._engine.check(cursor)
        return found

    def scan(self, query: Query) -> Scan:
        """A scan at a version that `read_version` gave. Run it, then pass it to `check_scan`."""
        return Scan(self._engine.cursor(Column.DATA), query)

    def octet_scan(self, query: Query) -> OctetScan:
        """As `scan`, for whoever sends its page."""
        return OctetScan(self._engine.cursor(Column.DATA), query)

    def check_scan(self, scan: Scan) -> None:
        """Pass if a scan that is done met no damage. Raises DataLossError."""
        if not scan.cursor.valid():
            self._engine.check(scan.cursor)

    def namespaces(self, after: str, limit: int) -> list[str]:
        """Names of up to `limit` namespaces after one; see `flaredb.core.namespaces`. Raises DataLossError."""
        cursor = self._engine.cursor(Column.DATA)
        names = list(islice(namespaces(cursor, after), limit))
        if len(names) < limit:
            self._engine.check(cursor)
        return names

    def changes_after(self, interest: Interest, position: int) -> Page:
        """The next message of a watch. Its position is the newest version once all has been looked at.

        Raises:
            OutOfRangeError: `position` is below the floor, or has not been made.
        """
        if position < self.floor:
            raise compacted(position, self.floor)
        if position > self.applied.version:
            raise not_yet(position, self.applied.version)
        if position >= self._recent.start:
            return page_of(self._recent.after(position), interest, position)
        return page_of(islice(self._stored_commits(interest, position), FEED_COMMITS_MAX), interest, position)

    def stage(self, txns: Sequence[Txn], now_ms: int) -> Staged:
        """Evaluate `txns` and write what they change. What follows: `Engine.sync`, then `publish`.

        Raises:
            EngineStalledError: Nothing happened; try again in a moment.
            EngineWriteError: Nothing happened.
        """
        evaluation = evaluate(txns, self._view, self._staged, self.tick(now_ms))
        if not evaluation.commits:
            return Staged(evaluation, None)
        is_due = is_mark_due(self._last_mark, evaluation.applied, self._history)
        staged = Staged(evaluation, evaluation.applied if is_due else None)
        self._engine.write(_staged_rows(staged))
        self._staged = evaluation.applied
        self._last_mark = staged.mark or self._last_mark
        return staged

    def sync(self, staged: Staged) -> None:
        """Wait until what was staged is on the disk; may run in another thread. Raises EngineWriteError."""
        self._engine.sync(staged.evaluation.applied.version)

    def publish(self, staged: Staged) -> None:
        """Let readers see a batch that is on the disk."""
        assert staged.evaluation.applied.version >= self.applied.version
        self._show(staged.evaluation.applied)
        if staged.mark is not None:
            self._marks.append(staged.mark)
        self._rows.drop(staged.evaluation.commits)
        self._recent.add(staged.evaluation.commits)

    def overdue(self, from_ms: int, now_ms: int, keys_max: int) -> Overdue:
        """What has come to its end; see `flaredb.core.expiry`. Raises DataLossError."""
        ends, data = self._engine.cursor(Column.EXPIRY), self._engine.cursor(Column.DATA)
        found = overdue(ends, data, from_ms, now_ms, keys_max)
        for cursor in (ends, data):
            if not cursor.valid():
                self._engine.check(cursor)
        return found

    def drop_stale(self, found: Overdue) -> None:
        """Forget ends that are void. Raises EngineWriteError as `stage`."""
        if found.stale:
            self._engine.write(found.stale)

    def raise_floor(self, now_ms: int) -> bool:
        """Give up history that is out of bounds; False if there is none. Raises EngineWriteError as `stage`."""
        floor = plan_floor(self._marks, self.applied, self._history, now_ms, self.floor)
        if floor == self.floor:
            return False
        # Readers must not look below the floor once the sweep has begun, so it is written before anything goes. It
        # needs no sync: the log keeps the order, so what survives a crash never has the sweep without the floor.
        gone = [mark for mark in self._marks if mark.version < floor]
        self._engine.write(
            [(Column.META, FLOOR_KEY, number(floor)), *((Column.META, mark_key(mark), None) for mark in gone)]
        )
        self.floor = floor
        self._marks = self._marks[len(gone) :]
        return True

    def sweep_slice(self) -> bool:
        """Delete a little of what nobody can see any more; False when nothing is left to do.

        Raises:
            DataLossError: The history to sweep cannot be read.
            EngineWriteError: As `stage`.
        """
        if self.swept >= self.floor:
            return False
        keys: list[EncodedKey] = []
        gone: list[Row] = []
        through = self.floor
        for version, encoded_keys in self._stored_changes(self.swept, self.floor):
            keys += encoded_keys
            gone.append((Column.CHANGES, number(version), None))
            if len(keys) >= SWEEP_KEYS_MAX:
                through = version
                break
        cursor = self._engine.cursor(Column.DATA)
        gone += sweep(cursor, keys, self.swept, through)
        self._engine.check(cursor)
        self._engine.write([*gone, (Column.META, SWEPT_KEY, number(through))])
        self.swept = through
        return True

    def _stored_changes(self, after: int, through: int) -> Iterator[tuple[int, tuple[EncodedKey, ...]]]:
        """Versions and keys of the commits after one version and up to another."""
        cursor = self._engine.cursor(Column.CHANGES)
        cursor.seek(number(after + 1))
        while cursor.valid():
            version = parse_number(cursor.key())
            if version > through:
                return
            yield version, parse_change(cursor.value())
            cursor.next()
        self._engine.check(cursor)

    def _stored_commits(self, interest: Interest, position: int) -> Iterator[Commit]:
        """Commits after `position`, each with those of its changes that `interest` wants."""
        lower, upper = bounds(interest.namespace, interest.start, interest.end)
        for version, encoded_keys in self._stored_changes(position, self.applied.version):
            wanted = [encoded for encoded in encoded_keys if lower <= encoded < upper]
            records = self._engine.get_many(Column.DATA, [versioned(encoded, version) for encoded in wanted])
            changes = (_change(interest.namespace, *found) for found in zip(wanted, records, strict=True))
            yield Commit(version, interest.namespace, tuple(changes))

    def _show(self, applied: Mark) -> None:
        """Let readers see all up to these counters. What every read of the newest needs is made here, once."""
        self.applied = applied
        self._newest_place = versioned(b"", applied.version)
        self._read_version = read_version_field(applied.version)

    def _counters(self) -> Mark:
        record = self._engine.get(Column.META, APPLIED_KEY)
        return START if record is None else parse_mark(record)

    def _number(self, key: bytes) -> int:
        record = self._engine.get(Column.META, key)
        return 0 if record is None else parse_number(record)

    def _stored_marks(self) -> list[Mark]:
        """Marks by rising version."""
        marks = []
        cursor = self._engine.cursor(Column.META)
        cursor.seek(MARK_PREFIX)
        while cursor.valid() and cursor.key().startswith(MARK_PREFIX):
            marks.append(parse_mark(cursor.value()))
            cursor.next()
        self._engine.check(cursor)
        return marks


def _check_format(engine: Engine) -> bool:
    """Pass if the engine holds our format, or is empty: whether it is."""
    stored = engine.get(Column.META, FORMAT_KEY)
    if stored is not None and stored != FORMAT:
        raise StoreDirectoryError(
            f"the store is of format {stored.decode('ascii', 'replace')!a}; this flaredb reads "
            f"'{FORMAT.decode()}' only: run the version of flaredb that wrote it"
        )
    return stored is None


def _make(engine: Engine, first_version: int) -> Mark:
    """Make the counters of an empty engine. Before its version there is no history: nobody may watch from there."""
    rows: list[Row] = [(Column.META, FORMAT_KEY, FORMAT)]
    first = replace(START, version=first_version)
    if first != START:
        rows += [(Column.META, APPLIED_KEY, mark_record(first))]
        rows += [(Column.META, key, number(first_version)) for key in (FLOOR_KEY, SWEPT_KEY)]
    engine.write(rows)
    engine.sync(first_version)
    return first


def _check_complete(engine: Engine, applied: Mark) -> None:
    """Pass if everything that was acknowledged is there."""
    confirmed = engine.synced()
    if applied.version < confirmed:
        raise StoreDirectoryError(
            f"the store holds versions up to {applied.version} and had confirmed {confirmed}: acknowledged writes "
            "are lost. Restore the state directory from a backup; or, to go on without them, delete the file 'synced' "
            "in it and start again"
        )


def _staged_rows(staged: Staged) -> Iterator[Row]:
    yield from rows(staged.evaluation)
    if staged.mark is not None:
        yield Column.META, mark_key(staged.mark), mark_record(staged.mark)


def _change(namespace: str, encoded: EncodedKey, record: bytes | None) -> Change:
    """A change as its data record tells it, which is kept for as long as the change is."""
    if record is None:
        raise damaged(f"a change of {encoded!r} has no data")
    return Change(encoded, key_of(encoded, namespace), parse_value(record), parse_end(record))
