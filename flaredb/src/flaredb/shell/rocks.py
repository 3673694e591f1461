"""The engine on RocksDB, through `rocksdict`.

Column families `data`, `changes` and `meta` share one write-ahead log, so a batch over all three is atomic and needs
one sync. `rocksdict` holds Python's lock while it writes, sync included, but not in `flush_wal`; so a batch is written
without sync, on the loop, which takes microseconds, and another thread waits for the disk in `sync`.

Memory is bounded from the start: a few MiB of memtables, and a block cache that takes what is read up to a part of the
machine's memory; the operator may set both.

Source: RocksDB wiki, "Column Families", "WAL Recovery Modes", "Partitioned Index Filters", "Setup Options and Basic
Tuning".
"""

from __future__ import annotations

import resource
from collections.abc import Iterable, Sequence
from pathlib import Path

from rocksdict import (
    BlockBasedIndexType,
    BlockBasedOptions,
    Cache,
    DBCompressionType,
    DBRecoveryMode,
    Options,
    Rdict,
    WriteBatch,
    WriteOptions,
)

from flaredb.core.engine import Column, Cursor, EngineFullError, EngineStalledError, EngineWriteError, Row
from flaredb.errors import MIB, StoreDirectoryError, damaged
from flaredb.shell.watermark import Watermark

BACKGROUND_JOBS = 2
"""Threads that flush and compact: one of each at a time keeps up with one committing loop."""
OPEN_FILES_MIN, OPEN_FILES_MAX = 256, 32768
"""SST files held open. A store that has more of them opens one for nearly each read, which takes 40 us of the 50: at
8 to 64 MiB a file these are enough for 256 GiB to 2 TiB."""
OPEN_FILES_PART = 2
"""Half of the descriptors that the process may have; clients' connections take the others."""
WAL_BYTES_MAX = 16 * MIB
"""Log that a start may have to replay: an eighth of a second."""
WAL_FILES_REUSED = 3
"""Logs that are written over instead of deleted: of a file that grows, each sync writes the file system's journal too,
which was a third of it. As many as make WAL_BYTES_MAX, and one that is written: a burst of flushes frees them all."""
LOG_FILE_BYTES_MAX = 1 * MIB
LOG_FILES_KEPT = 2
"""RocksDB's own log says what it did before trouble; nobody reads more than the last of it."""
MANIFEST_PREALLOCATION_BYTES = 64 * 1024
"""RocksDB's default of 4 MiB would be most of a small store."""
INDEX_PART_BYTES = 16 * 1024
"""A part of an index or filter: so large that those of a large store are read soon after a start."""
BLOOM_BITS_PER_KEY = 10
"""One false positive in a hundred."""
DELETIONS_WINDOW, DELETIONS_TRIGGER, DELETIONS_RATIO = 1024, 512, 0.5
"""Files with so many deletions among so many neighbours are compacted early: the sweeper deletes as much as is written,
and scans step over what it left."""

DATABASE_NAME, WATERMARK_NAME = "rocksdb", "synced"
"""What stands in the state directory."""
NO_SPACE = "No space left"
"""How RocksDB passes on ENOSPC. It stops all writing then, and resumes within seconds of there being room again."""


class RocksEngine:
    """An open RocksDB. Made by `open_rocks`; see `flaredb.core.engine.Engine` for what its methods promise."""

    def __init__(self, database: Rdict, watermark: Watermark) -> None:
        self._database = database
        self._watermark = watermark
        self._columns = {column: database.get_column_family(column) for column in Column}
        self._handles = {column: database.get_column_family_handle(column) for column in Column}
        self._write_options = WriteOptions()
        # Without this a write that RocksDB wants to slow down sleeps with Python's lock held: all stands still.
        self._write_options.no_slowdown = True

    def cursor(self, column: Column) -> Cursor:
        """A cursor over what the column holds now."""
        return self._columns[column].iter()

    def check(self, cursor: Cursor) -> None:
        """Pass if `cursor` met no damage."""
        try:
            cursor.status()
        except Exception as error:
            raise damaged(str(error)) from error

    def get(self, column: Column, key: bytes) -> bytes | None:
        """The value of one key."""
        try:
            value: bytes | None = self._columns[column].get(key)
        except Exception as error:
            raise damaged(str(error)) from error
        return value

    def get_many(self, column: Column, keys: Sequence[bytes]) -> list[bytes | None]:
        """The values of several keys."""
        try:
            values: list[bytes | None] | None = self._columns[column].get(list(keys))
        except Exception as error:
            raise damaged(str(error)) from error
        return values if values is not None else []

    def write(self, rows: Iterable[Row]) -> None:
        """Make all changes visible at once; durable with the next `sync`."""
        batch = WriteBatch(raw_mode=True)
        handles = self._handles
        for column, key, value in rows:
            if value is None:
                batch.delete(key, handles[column])
            else:
                batch.put(key, value, handles[column])
        try:
            self._database.write(batch, self._write_options)
        except Exception as error:
            raise _write_error(str(error)) from error

    def sync(self, version: int) -> None:
        """Wait until all earlier writes are on the disk, then remember `version`, if it is one."""
        try:
            self._database.flush_wal(sync=True)
            if version:
                self._watermark.write(version)
        except Exception as error:
            raise EngineWriteError(str(error)) from error

    def flush(self) -> None:
        """Have all that is in memory written to tables, in the background. What comes then stands in another log."""
        try:
            for column in self._columns.values():
                column.flush(wait=False)
        except Exception as error:
            raise _write_error(str(error)) from error

    def synced(self) -> int:
        """The version that the last `sync` before the opening remembered."""
        return self._watermark.version

    def figure(self, column: Column, name: str) -> int:
        """One of RocksDB's figures of a column, 0 where it has none."""
        return self._columns[column].property_int_value(name) or 0

    def close(self) -> None:
        """Give up the directory; again is harmless. No cursor may be in use, and no `sync` under way."""
        if not self._columns:
            return
        for column in self._columns.values():
            column.close()
        self._columns.clear()
        # Each handle keeps the database open, and with it the lock of the directory.
        self._handles.clear()
        self._database.close()
        self._watermark.close()


def open_rocks(folder: Path, write_buffer_bytes: int, block_cache_bytes: int) -> RocksEngine:
    """Open the RocksDB in `folder`, making it if there is none.

    Args:
        folder: Gets `rocksdb/` and `synced`; made if missing.
        write_buffer_bytes: One memtable; two of them exist while one is flushed.
        block_cache_bytes: Blocks, indexes and filters of all columns.

    Raises:
        StoreDirectoryError: Another process has it open, it is damaged, or the directory cannot be written.
    """
    # A seek looks into it three times, and taking its lock was an eighth of a read. 0: it grows with what it holds.
    cache = Cache.new_hyper_clock_cache(block_cache_bytes, 0)
    options = _options(write_buffer_bytes, cache)
    columns = {str(column): _options(write_buffer_bytes, cache) for column in Column}
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        database = Rdict(str(folder / DATABASE_NAME), options, columns)
        return RocksEngine(database, Watermark(folder / WATERMARK_NAME))
    except Exception as error:
        raise StoreDirectoryError(_sentence(folder, str(error))) from error


def _options(write_buffer_bytes: int, cache: Cache) -> Options:
    """Settings of the database and of each column; RocksDB takes from each what concerns it."""
    options = Options(raw_mode=True)
    options.create_if_missing(True)
    options.create_missing_column_families(True)
    # A power cut may leave the log's end in any state: what was not synced, and so not acknowledged, is dropped. The
    # watermark tells when more than that is missing.
    options.set_wal_recovery_mode(DBRecoveryMode.point_in_time())
    options.set_write_buffer_size(write_buffer_bytes)
    options.set_max_write_buffer_number(2)
    options.set_db_write_buffer_size(2 * write_buffer_bytes)
    options.set_max_total_wal_size(WAL_BYTES_MAX)
    # Safe with the recovery mode above since RocksDB 9.1 (its pull request 12403): what an old use of the file left
    # behind is told from a damaged record, and nothing after a hole is replayed. No write goes past the log.
    options.set_recycle_log_file_num(WAL_FILES_REUSED)
    options.set_max_background_jobs(BACKGROUND_JOBS)
    options.set_max_open_files(_open_files())
    options.set_max_log_file_size(LOG_FILE_BYTES_MAX)
    options.set_keep_log_file_num(LOG_FILES_KEPT)
    options.set_manifest_preallocation_size(MANIFEST_PREALLOCATION_BYTES)
    options.set_stats_dump_period_sec(0)
    options.set_stats_persist_period_sec(0)
    options.set_compression_type(DBCompressionType.lz4())
    options.add_compact_on_deletion_collector_factory(DELETIONS_WINDOW, DELETIONS_TRIGGER, DELETIONS_RATIO)
    blocks = BlockBasedOptions()
    blocks.set_block_cache(cache)
    blocks.set_bloom_filter(BLOOM_BITS_PER_KEY, block_based=False)
    blocks.set_cache_index_and_filter_blocks(True)
    # In parts, or the index of one large table is more than a shard of a small cache holds, and every look-up reads all
    # of it again: 52 us a seek became 2 with 200,000 records.
    blocks.set_index_type(BlockBasedIndexType.two_level_index_search())
    blocks.set_partition_filters(True)
    blocks.set_metadata_block_size(INDEX_PART_BYTES)
    blocks.set_pin_top_level_index_and_filter(True)
    options.set_block_based_table_factory(blocks)
    return options


def _open_files() -> int:
    """How many files may be open, of what the process may have; the kit raised that to the hard limit."""
    descriptors, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return min(max(descriptors // OPEN_FILES_PART, OPEN_FILES_MIN), OPEN_FILES_MAX)


def _write_error(said: str) -> Exception:
    """What a failed write means; RocksDB says it in words only."""
    if "Write stall" in said:
        return EngineStalledError(said)
    return EngineFullError(said) if NO_SPACE in said else EngineWriteError(said)


def _sentence(folder: Path, said: str) -> str:
    """What an operator is told for what RocksDB or the kernel said."""
    if "lock" in said.lower() and "LOCK" in said:
        return f"{folder} is in use by another flaredb: stop that one, or set another state_dir"
    if NO_SPACE in said:
        return f"{folder}: the disk is full: free some space, then start again ({said})"
    if "Permission denied" in said or "Read-only file system" in said:
        return f"{folder} cannot be written: give flaredb a state_dir that it may write ({said})"
    return (
        f"{folder} holds a damaged store, which is left as it is: restore the directory from a backup, "
        f"or move it away to start empty ({said})"
    )
