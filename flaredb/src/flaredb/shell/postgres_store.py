"""The store on PostgreSQL: what `flaredb.shell.store` promises, asked of a server that must be waited for.

The rules are the core's: `evaluate` decides, `feed` pages the changes, `retention` plans the floor. What differs is who
holds the state between two calls: nothing is remembered here but the counters and the newest commits. One caller, the
committer, runs batches; readers go side by side, each statement with a snapshot of its own, at a version that was
published before it began.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import asyncpg

from flaredb.core.commands import Change, Commit, EncodedKey, Txn
from flaredb.core.evaluate import Evaluation
from flaredb.core.feed import FEED_BYTES_MAX, FEED_COMMITS_MAX, Interest, Page, Recent, page_of
from flaredb.core.keys import bounds, encode, key_of
from flaredb.core.limits import BATCH_RESPONSE_BYTES_MAX, PAGE_BYTES_MAX, check_batch_response
from flaredb.core.namespaces import PAST_NAME, past
from flaredb.core.records import START, Mark, parse_end, parse_value, value_record
from flaredb.core.retention import History, is_mark_due, plan_floor
from flaredb.core.visibility import Found, Query, Standing, is_ended
from flaredb.errors import compacted, not_yet, overloaded
from flaredb.shell import postgres_sql as sql
from flaredb.shell.postgres_errors import LOST, SPOKEN, DatabaseError, away, fault_of, superseded
from flaredb.shell.postgres_session import STATEMENT_S, Writer
from flaredb.shell.postgres_view import evaluate_on
from flaredb.shell.watermark import Watermark

READS_MAX = 10_000
"""Reads that wait for a session or an answer: more would only outlive their callers' deadlines."""
SWEEP_COMMITS_MAX = 256
"""Commits whose changed keys one sweep looks at: some ten milliseconds of the server's time."""


@dataclass(frozen=True, slots=True)
class Staged:
    """A batch that is decided and not committed yet."""

    evaluation: Evaluation
    before: Mark
    mark: Mark | None


class CommitLostError(Exception):
    """The session was lost while PostgreSQL committed a batch: only the next session can tell whether it did.

    Attributes:
        staged: The batch.
    """

    def __init__(self, staged: Staged, detail: str) -> None:
        super().__init__(detail)
        self.staged = staged


class PostgresStore:
    """A schema's keys, all namespaces.

    Attributes:
        applied: The counters after the newest published commit.
        floor: The oldest version that may be read.
        swept: What nobody at this version or after can see is gone; not above `floor`.
        clock_ms: The latest time that anybody brought: the store's clock, which never goes back.
        staged_ms: The clock of the newest batch, which may not be committed yet: nothing that it writes ends by then.
    """

    def __init__(self, writer: Writer, readers: Any, history: History, watermark: Watermark) -> None:
        """Go on from what the writer's session found.

        Args:
            writer: The session that commits.
            readers: A pool of sessions, as `postgres_session` opens it.
            history: How much of it is kept.
            watermark: What this machine was told is committed.

        Raises:
            DatabaseError: The server has less than it had confirmed.
        """
        self._readers = readers
        self._writer = writer
        self._history = history
        self.applied = writer.applied
        self._recent = Recent(writer.applied.version)
        self.clock_ms = self.staged_ms = writer.applied.at_ms
        self._watermark = watermark
        self._reading_count = 0
        self._take(writer)
        _check_complete(self.applied, watermark.version)

    @property
    def epoch(self) -> int:
        """The writer's epoch."""
        return self._writer.epoch

    @property
    def connection(self) -> Any:
        """The writer's session."""
        return self._writer.connection

    async def resume(self, writer: Writer, lost: Staged | None) -> bool:
        """Go on with a new session; whether `lost` was committed.

        Raises:
            DatabaseError: The server has less than it had confirmed.
        """
        _check_complete(writer.applied, self.applied.version)
        is_committed = lost is not None and writer.applied == lost.evaluation.applied
        assert is_committed or writer.applied == self.applied, (writer.applied, self.applied)
        self._take(writer)
        # After a failover the readers' sessions may still be with a server that is none of ours any more.
        await self._readers.expire_connections()
        # What the lost batch changed is published as any other batch is, once the committer tells its callers.
        return is_committed

    def _take(self, writer: Writer) -> None:
        self._writer = writer
        self.floor, self.swept = writer.floor, writer.swept
        self._marks = writer.marks
        self._last_mark = writer.marks[-1] if writer.marks else START

    def read_version(self, at_version: int) -> int:
        """The version to read at for a caller who asked for `at_version`; 0 is the newest.

        Raises:
            OutOfRangeError: It is below the floor, or has not been made.
        """
        if not at_version:
            return self.applied.version
        return self._within(at_version)

    def tick(self, now_ms: int) -> int:
        """Tell the store the time; what its clock says then."""
        self.clock_ms = max(self.clock_ms, now_ms)
        return self.clock_ms

    async def get(self, namespace: str, key: bytes, version: int, now_ms: int = 0) -> Found | None:
        """The value of one key at a version that `read_version` gave, unless it has ended by `now_ms`."""
        row = (await self._read(version, sql.READ_KEY, encode(namespace, key), version))[0]
        found = None if row["version"] is None else _found(key, row)
        return None if found is None or is_ended(found.expires_at_ms, now_ms) else found

    async def batch_get(self, namespace: str, keys: Sequence[bytes], version: int, now_ms: int = 0) -> list[Found]:
        """The values of those keys that exist, in their order; see `get`.

        Raises:
            ResourceExhaustedError: Together they do not fit a message.
        """
        encoded = [encode(namespace, key) for key in keys]
        rows = await self._read(version, sql.READ_KEYS, encoded, version, now_ms, BATCH_RESPONSE_BYTES_MAX)
        found, size_bytes = [], 0
        for row in rows:
            one = None if row["at"] is None else _found(keys[row["at"] - 1], row)
            if one is not None:
                size_bytes += len(one.key) + len(one.value)
                check_batch_response(size_bytes)
                found.append(one)
        return found

    async def scan(self, query: Query) -> tuple[list[Found], bool]:
        """One page of a range at a version that `read_version` gave, and whether more follows."""
        lower, upper = bounds(query.namespace, query.start, query.end)
        if lower >= upper:
            return [], False
        statement = _SCANS[query.reverse, query.keys_only]
        arguments = lower, upper, query.at_version, query.now_ms, query.limit, PAGE_BYTES_MAX
        rows = [row for row in await self._read(query.at_version, statement, *arguments) if row["key"] is not None]
        page = rows[: query.limit]
        found = [
            Found(
                key_of(row["key"], query.namespace),
                parse_value(row["record"]) or b"",
                row["version"],
                row["expires_at_ms"] or 0,
            )
            for row in page
        ]
        return found, bool(page) and page[-1]["more"]

    async def namespaces(self, after: str, limit: int) -> list[str]:
        """Names of up to `limit` namespaces after one; see `flaredb.core.namespaces`. Raises as `get`."""
        rows = await self._read(self.applied.version, sql.READ_NAMESPACES, past(after), limit, PAST_NAME)
        return [row["name"].decode() for row in rows if row["name"] is not None]

    async def changes_after(self, interest: Interest, position: int) -> Page:
        """The next message of a watch. Its position is the newest version once all has been looked at.

        Raises:
            OutOfRangeError: `position` is below the floor, or has not been made.
        """
        self._within(position)
        if position >= self._recent.start:
            return page_of(self._recent.after(position), interest, position)
        # Versions of one schema are counted without a gap, so this bounds the commits that are looked at.
        through = min(self.applied.version, position + FEED_COMMITS_MAX)
        span = bounds(interest.namespace, interest.start, interest.end)
        rows = await self._read(position, sql.READ_CHANGES, position, through, *span, FEED_BYTES_MAX)
        return page_of(_commits(rows, interest.namespace, through), interest, position)

    async def stage(self, txns: Sequence[Txn], now_ms: int) -> Staged:
        """Decide what a batch does; nothing is written. What follows: `commit`, then `publish`.

        Raises:
            UnavailableError: PostgreSQL does not answer, or refuses.
            DataLossError: It says that what it stores is damaged.
        """
        before = self.applied
        self.staged_ms = self.tick(now_ms)
        try:
            evaluation = await evaluate_on(txns, before, self.staged_ms, self._standings, self._standings_of_range)
        except SPOKEN as error:
            raise fault_of(error) from error
        is_due = bool(evaluation.commits) and is_mark_due(self._last_mark, evaluation.applied, self._history)
        return Staged(evaluation, before, evaluation.applied if is_due else None)

    async def commit(self, staged: Staged) -> None:
        """Have PostgreSQL commit a batch, on its disk, in one transaction.

        Raises:
            CommitLostError: It may or may not have: the session is gone.
            UnavailableError: It did not; it refused.
            ResourceExhaustedError: It did not; its disk is full.
            SupersededError: It did not; another flaredb is the writer now.
        """
        applied = staged.evaluation.applied
        counters = applied.version, applied.at_ms, applied.changes, applied.bytes
        columns = _columns(staged.evaluation)
        try:
            committed = await self.connection.fetchval(
                sql.COMMIT, self.epoch, staged.before.version, *counters, staged.mark is not None, *columns
            )
        except LOST as error:
            raise CommitLostError(staged, f"{type(error).__name__}: {error}") from error
        except asyncpg.PostgresError as error:
            raise fault_of(error) from error
        if committed != 1:
            raise superseded(self.epoch)

    async def check_writer(self) -> None:
        """Pass if the writer's session answers, and is the writer's. Raises one of SPOKEN, or SupersededError."""
        if await self.connection.fetchval(sql.READ_EPOCH) != self.epoch:
            raise superseded(self.epoch)

    def publish(self, staged: Staged) -> None:
        """Let readers see a batch that PostgreSQL has committed."""
        self.applied = staged.evaluation.applied
        if staged.mark is not None and staged.mark not in self._marks:
            self._marks.append(staged.mark)
            self._last_mark = staged.mark
        self._recent.add(staged.evaluation.commits)
        self._watermark.write(self.applied.version)

    async def overdue(self, from_ms: int, now_ms: int, keys_max: int) -> list[tuple[EncodedKey, int]]:
        """Keys that have ended since `from_ms`, with when they did, by that. Raises as `stage`."""
        return [
            (EncodedKey(row["key"]), row["expires_at_ms"])
            for row in await self._run(sql.READ_OVERDUE, from_ms, now_ms, keys_max)
        ]

    async def raise_floor(self, now_ms: int) -> bool:
        """Give up history that is out of bounds; False if there is none. Raises as `stage`."""
        floor = plan_floor(self._marks, self.applied, self._history, now_ms, self.floor)
        if floor == self.floor:
            return False
        await self._change(sql.RAISE_FLOOR, self.epoch, floor)
        self.floor = floor
        self._marks = [mark for mark in self._marks if mark.version >= floor]
        return True

    async def sweep_slice(self) -> bool:
        """Delete a little of what nobody can see any more; False when nothing is left to do. Raises as `stage`."""
        if self.swept >= self.floor:
            return False
        through = min(self.floor, self.swept + SWEEP_COMMITS_MAX)
        await self._change(sql.SWEEP, self.epoch, self.swept, through)
        self.swept = through
        return True

    def _within(self, version: int) -> int:
        if version < self.floor:
            raise compacted(version, self.floor)
        if version > self.applied.version:
            raise not_yet(version, self.applied.version)
        return version

    async def _read(self, version: int, statement: str, *arguments: object) -> list[Any]:
        """Rows that one snapshot has, in which everything after `version` is still kept.

        Raises:
            OutOfRangeError: History was given up meanwhile.
            UnavailableError: PostgreSQL does not answer or refuses, or too many wait for it.
            DataLossError: PostgreSQL says that what it stores is damaged.
        """
        rows = await self._run(statement, *arguments)
        if rows[0]["epoch"] != self.epoch:
            # Somebody else may have committed by then, so what we call the newest is not. Or it is our own next
            # session, which the committer has not told us of yet.
            raise away("the schema has another writer")
        if rows[0]["floor"] > version:
            raise compacted(version, rows[0]["floor"])
        return rows

    async def _change(self, statement: str, *arguments: object) -> None:
        """A change beside the batches, which another writer's epoch makes one of nothing."""
        if (await self._run(statement, *arguments))[0]["count"] != 1:
            raise away("the schema has another writer")

    async def _run(self, statement: str, *arguments: object) -> list[Any]:
        if self._reading_count >= READS_MAX:
            raise overloaded(self._reading_count, 0)
        self._reading_count += 1
        try:
            async with self._readers.acquire(timeout=STATEMENT_S) as connection:
                rows: list[Any] = await connection.fetch(statement, *arguments)
        except SPOKEN as error:
            raise fault_of(error) from error
        finally:
            self._reading_count -= 1
        return rows

    async def _standings(self, keys: Sequence[EncodedKey]) -> dict[EncodedKey, Standing]:
        rows = await self.connection.fetch(sql.READ_STANDINGS, keys)
        return {keys[row["at"] - 1]: _standing(keys[row["at"] - 1], row) for row in rows}

    async def _standings_of_range(self, lower: bytes, upper: bytes, keys_max: int) -> list[Standing]:
        rows = await self.connection.fetch(sql.READ_STANDINGS_OF_RANGE, lower, upper, keys_max)
        return [_standing(EncodedKey(row["key"]), row) for row in rows]


_SCANS = {
    (reverse, keys_only): sql.scan(reverse=reverse, keys_only=keys_only)
    for reverse in (False, True)
    for keys_only in (False, True)
}


def _standing(encoded: EncodedKey, row: Any) -> Standing:
    return Standing(encoded, row["version"], parse_value(row["record"]) or b"", parse_end(row["record"]))


def _found(key: bytes, row: Any) -> Found | None:
    value = parse_value(row["record"])
    return None if value is None else Found(key, value, row["version"], parse_end(row["record"]))


def _columns(evaluation: Evaluation) -> tuple[list[bytes], list[int], list[int], list[int | None], list[bytes]]:
    """What a batch adds to `data`, column by column."""
    keys: list[bytes] = []
    versions: list[int] = []
    ordinals: list[int] = []
    ends: list[int | None] = []
    records: list[bytes] = []
    for commit in evaluation.commits:
        keys += (change.encoded for change in commit.changes)
        versions += [commit.version] * len(commit.changes)
        ordinals += range(len(commit.changes))
        ends += (change.expires_at_ms or None for change in commit.changes)
        records += (value_record(change.value, change.expires_at_ms) for change in commit.changes)
    return keys, versions, ordinals, ends, records


def _commits(rows: Sequence[Any], namespace: str, through: int) -> Iterator[Commit]:
    """Commits of the rows that one look at the change feed gave, and where it ended."""
    version = 0
    for version, changed in groupby((row for row in rows if row["key"] is not None), key=lambda row: row["version"]):
        yield Commit(version, namespace, tuple(_change(namespace, row) for row in changed))
    if version < through:
        # Only reached where the page did not end for its bytes: everything up to here was looked at.
        yield Commit(through, namespace, ())


def _change(namespace: str, row: Any) -> Change:
    key, record = row["key"], row["record"]
    return Change(EncodedKey(key), key_of(key, namespace), parse_value(record), parse_end(record))


def _check_complete(found: Mark, confirmed: int) -> None:
    """Pass if everything that was acknowledged is there."""
    if found.version < confirmed:
        raise DatabaseError(
            f"the database holds versions up to {found.version} and had confirmed {confirmed}: acknowledged writes are "
            "lost, as in a failover to a replica that was behind. Restore it from a backup; or, to go on without "
            "them, delete the file 'synced' in the state_dir and start again"
        )
