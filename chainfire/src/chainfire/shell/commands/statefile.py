"""A file with a state in it, whoever wrote it: a snapshot of etcd's, a stopped etcd's folder, a snapshot of ours.

Each is read as the frames of a snapshot of ours. Files are mapped, not loaded, so size costs address space only.

Source: etcd 3.5 appends the SHA-256 of all before it to what `snapshot save` writes, and knows it by the file's size.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import mmap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from chainfire.core import etcdfile_reader, etcdwal, snapshot
from chainfire.core.bbolt import MalformedDatabaseError
from chainfire.core.bbolt_reader import Database
from chainfire.core.etcdfile import MalformedEtcdFileError
from chainfire.core.snapshot import (
    FRAME_HEAD_BYTES,
    SNAPSHOT_MAGIC,
    Frame,
    MalformedSnapshotError,
    SnapshotEnd,
    SnapshotHead,
)
from ultracloud.servicekit.errors import ConfigError, StartError

CHECKSUM_BYTES = hashlib.sha256().digest_size
PAGE_BYTES = 512
"""A file whose size is so many bytes times something and CHECKSUM_BYTES ends in its checksum."""
ETCD_DATABASE, ETCD_LOG = Path("member/snap/db"), "wal"
READ_BYTES = 1 << 20
OURS, ETCD_SNAPSHOT, ETCD_FOLDER = "chainfire snapshot", "etcd snapshot", "etcd data folder"


@dataclass(frozen=True, slots=True)
class StateFile:
    """An open file.

    Attributes:
        kind: OURS, ETCD_SNAPSHOT or ETCD_FOLDER.
        path: The very file.
        digest: SHA-256 of its content, without what may be appended; empty for another program's live file.
        is_verified: Whether a checksum of the whole was found and matches.
        missing: Changes that a killed etcd had logged and answered, and that its database lacks.
    """

    kind: str
    path: Path
    digest: str
    is_verified: bool
    size: int
    missing: int
    _file: BinaryIO
    _database: Database | None

    def frames(self) -> Iterator[Frame]:
        """The state in it.

        Raises:
            StartError: It is damaged; the sentence names file and place.
        """
        try:
            if self._database is not None:
                yield from etcdfile_reader.frames_of(self._database)
            else:
                yield from _frames(self._file)
        except (MalformedDatabaseError, MalformedEtcdFileError, MalformedSnapshotError) as error:
            where = f" at or before offset {self._file.tell()}" if self._database is None else ""
            raise StartError(f"{self.path} is damaged{where}: {error}; use another backup") from error

    def check(self) -> None:
        """Look at every page of an etcd database, not only at those with the state.

        Raises:
            StartError: It is damaged.
        """
        if self._database is None:
            return
        try:
            self._database.check()
        except MalformedDatabaseError as error:
            raise StartError(f"{self.path} is damaged: {error}; use another backup") from error


@contextlib.contextmanager
def opened(path: Path, *, skip_hash_check: bool) -> Iterator[StateFile]:
    """Open a state file.

    Args:
        path: The file, or a stopped etcd's data folder.
        skip_hash_check: Accept an etcd database without a checksum, as copied from a data folder.

    Raises:
        StartError: There is none, it is in use, or it does not match its checksum.
    """
    kind, path = _found(path)
    with contextlib.ExitStack() as stack:
        try:
            file = stack.enter_context(path.open("rb"))
            size = path.stat().st_size
        except OSError as error:
            raise StartError(f"{path}: {error.strerror}") from error
        if kind == ETCD_FOLDER:
            _refuse_if_used(path, file)
        if file.read(len(SNAPSHOT_MAGIC)) == SNAPSHOT_MAGIC:
            yield StateFile(OURS, path, _digest(file, size), True, size, 0, file, None)
            return
        has_checksum = kind == ETCD_SNAPSHOT and size % PAGE_BYTES == CHECKSUM_BYTES
        size -= CHECKSUM_BYTES * has_checksum
        digest = _digest(file, size)
        if has_checksum and not skip_hash_check and file.read(CHECKSUM_BYTES).hex() != digest:
            raise StartError(f"{path} does not match the checksum at its end: it is damaged; use another backup")
        if not has_checksum and kind == ETCD_SNAPSHOT and not skip_hash_check:
            raise StartError(
                f"{path} has no checksum at its end: it is cut off, or was copied from a data folder; "
                "give the folder itself, or --skip-hash-check if you know that it is whole"
            )
        content = stack.enter_context(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)) if size else b""
        try:
            database = Database(content if size == len(content) else _Head(content, size))
        except MalformedDatabaseError as error:
            raise StartError(f"{path} is no snapshot of etcd's or chainfire's: {error}") from error
        missing = _missing(path, database) if kind == ETCD_FOLDER else 0
        yield StateFile(kind, path, digest, has_checksum, size, missing, file, database)


class _Head:
    """A mapped file without what is appended to it."""

    def __init__(self, content: mmap.mmap | bytes, size: int) -> None:
        self._content = content
        self._size = size

    def __len__(self) -> int:
        """Its size."""
        return self._size

    def __getitem__(self, part: slice, /) -> bytes:
        """Some of it."""
        start, stop, _ = part.indices(self._size)
        return self._content[start:stop]


def _found(path: Path) -> tuple[str, Path]:
    """What kind of thing was named, and where its file is."""
    if not path.is_dir():
        return ETCD_SNAPSHOT, path
    if (path / ETCD_DATABASE).is_file():
        return ETCD_FOLDER, path / ETCD_DATABASE
    ours = max(path.glob("snapshots/*.snap"), default=None)
    if ours is not None:
        raise ConfigError(
            f"{path} is a member's state folder: start it (chainfire serve), alone if the others are lost "
            f"(cluster.force_new); or give {ours}, which lacks what was written after it"
        )
    raise ConfigError(f"{path} is a folder without {ETCD_DATABASE}; give a snapshot file or etcd's data folder")


def _refuse_if_used(path: Path, file: BinaryIO) -> None:
    """Refuse the database of an etcd that runs: it holds a lock."""
    try:
        fcntl.flock(file.fileno(), fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError as error:
        raise StartError(
            f"{path} is in use by a running etcd; stop it, or take a snapshot (chainfire snapshot save)"
        ) from error


def _missing(path: Path, database: Database) -> int:
    """How many changes are in etcd's log and not in its database."""
    folder = path.parents[1] / ETCD_LOG
    try:
        head = next(etcdfile_reader.frames_of(database))
        assert isinstance(head, SnapshotHead), head
        return etcdwal.changes_after((each.read_bytes() for each in sorted(folder.glob("*.wal"))), head.index)
    except (MalformedDatabaseError, MalformedEtcdFileError) as error:
        raise StartError(f"{path} is damaged: {error}; use another backup") from error
    except OSError as error:
        raise StartError(f"{error.filename or folder}: {error.strerror}") from error


def _digest(file: BinaryIO, size: int) -> str:
    """SHA-256 of the first `size` bytes; the file is left behind them."""
    file.seek(0)
    total = hashlib.sha256()
    while size > 0 and (block := file.read(min(READ_BYTES, size))):
        total.update(block)
        size -= len(block)
    return total.hexdigest()


def _frames(file: BinaryIO) -> Iterator[Frame]:
    """Frames of a snapshot of ours."""
    file.seek(len(SNAPSHOT_MAGIC))
    frame: Frame | None = None
    while not isinstance(frame, SnapshotEnd):
        head = snapshot.parse_frame_head(file.read(FRAME_HEAD_BYTES))
        frame = snapshot.parse_body(head, file.read(head.length))
        yield frame
