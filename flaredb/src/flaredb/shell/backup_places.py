"""Where a backup is written to and read from: a file, a pipe, an object in S3. All of it waits; callers use threads.

A destination has nothing before all of it is there: a file gets its name when it is on the disk, an object exists once
its upload is completed. What fails before takes away what it has begun.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, Protocol, TypeVar

from ultracloud.servicekit.errors import ConfigError, StartError
from ultracloud.servicekit.files import sync_folder

_T = TypeVar("_T")

PIPE = "-"
S3_PREFIX = "s3://"
ENDING_SIGNALS = (signal.SIGINT, signal.SIGTERM)
FILE_MODE = 0o600
"""A backup holds what the store holds, secrets' hashes too."""


class Destination(Protocol):
    """Takes a backup. Every method raises StartError where it cannot."""

    def begin(self) -> None:
        """See that it can be written to."""
        ...

    def write(self, piece: bytes) -> None:
        """Take the next bytes."""
        ...

    def finish(self) -> None:
        """Let the whole appear."""
        ...

    def abandon(self) -> None:
        """Take away what was begun, if anything was."""
        ...


class Source(Protocol):
    """Gives a backup. Every method raises StartError where it cannot.

    Attributes:
        is_repeatable: Whether it can be read again from its beginning.
    """

    is_repeatable: bool

    def read(self, size: int) -> bytes:
        """The next bytes, fewer only at the end."""
        ...

    def rewind(self) -> None:
        """Begin again, with the same bytes."""
        ...

    def close(self) -> None:
        """Let go of it."""
        ...


@contextlib.contextmanager
def destination(place: str, s3_endpoint: str | None) -> Iterator[Destination]:
    """The destination of that name, abandoned where an error leaves the block.

    Raises:
        StartError: It cannot be written to.
    """
    opened = _destination(place, s3_endpoint)
    try:
        opened.begin()
        yield opened
    except BaseException:
        opened.abandon()
        raise


@contextlib.contextmanager
def source(place: str, s3_endpoint: str | None) -> Iterator[Source]:
    """The source of that name.

    Raises:
        StartError: It cannot be read.
    """
    opened = _open_source(place, s3_endpoint)
    try:
        yield opened
    finally:
        opened.close()


def s3_place(place: str) -> tuple[str, str]:
    """Bucket and key of an URL.

    Raises:
        ConfigError: It has none.
    """
    bucket, _, key = place.removeprefix(S3_PREFIX).partition("/")
    if not bucket or not key or key.endswith("/"):
        raise ConfigError(f"'{place}' names no object; accepted: s3://BUCKET/KEY")
    return bucket, key


def _destination(place: str, s3_endpoint: str | None) -> Destination:
    if place == PIPE:
        if sys.stdout.isatty():
            raise ConfigError("a backup is not text; send stdout to a file or a program, or name a file")
        return _Pipe(sys.stdout.buffer)
    if place.startswith(S3_PREFIX):
        # Only now: the client takes memory and half a second.
        from flaredb.shell import backup_s3

        return backup_s3.Upload(*s3_place(place), s3_endpoint)
    return _FileDestination(Path(place))


def _open_source(place: str, s3_endpoint: str | None) -> Source:
    if place == PIPE:
        return _FileSource("stdin", sys.stdin.buffer)
    if place.startswith(S3_PREFIX):
        from flaredb.shell import backup_s3

        return backup_s3.Download(*s3_place(place), s3_endpoint)
    try:
        return _FileSource(place, Path(place).open("rb"))
    except OSError as error:
        raise StartError(f"{place}: {error.strerror}") from error


class _Pipe:
    """Bytes to whoever reads stdout; see `Destination`."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def begin(self) -> None:
        """See `Destination`."""

    def write(self, piece: bytes) -> None:
        """See `Destination`. Raises BrokenPipeError where nobody reads any more."""
        self._file.write(piece)

    def finish(self) -> None:
        """See `Destination`."""
        self._file.flush()

    def abandon(self) -> None:
        """What was sent lacks its end, and every reader sees that."""


class _FileDestination:
    """A file that is written beside its place; see `Destination`."""

    def __init__(self, path: Path) -> None:
        if path.exists() and not path.is_file():
            raise ConfigError(f"{path} is no file; name a file, or - for stdout")
        self._path = path
        self._beside = path.with_name(f".{path.name}.part")
        self._opened: BinaryIO | None = None

    @property
    def _file(self) -> BinaryIO:
        assert self._opened is not None, "begin first"
        return self._opened

    def begin(self) -> None:
        """See `Destination`."""
        # A signal that came between the file and our knowing of it would leave it there.
        held = signal.pthread_sigmask(signal.SIG_BLOCK, ENDING_SIGNALS)
        try:
            self._opened = self._doing(self._open)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, held)

    def write(self, piece: bytes) -> None:
        """See `Destination`."""
        self._doing(lambda: self._file.write(piece))

    def finish(self) -> None:
        """See `Destination`."""
        self._doing(self._publish)

    def abandon(self) -> None:
        """See `Destination`."""
        if self._opened is None:
            return
        self._beside.unlink(missing_ok=True)
        # What is buffered goes nowhere; a full disk must not hide why we are here.
        with contextlib.suppress(OSError):
            self._opened.close()

    def _open(self) -> BinaryIO:
        descriptor = os.open(self._beside, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, FILE_MODE)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            is_ours = self._beside.stat().st_ino == os.fstat(descriptor).st_ino
        except (BlockingIOError, FileNotFoundError):
            is_ours = False
        if not is_ours:
            os.close(descriptor)
            raise StartError(f"another backup is being written to {self._path}; wait for it, or name another file")
        os.ftruncate(descriptor, 0)
        return os.fdopen(descriptor, "wb")

    def _publish(self) -> None:
        self._file.flush()
        os.fsync(self._file.fileno())
        self._beside.rename(self._path)
        self._file.close()
        sync_folder(self._path.parent)

    def _doing(self, step: Callable[[], _T]) -> _T:
        try:
            return step()
        except OSError as error:
            raise StartError(f"{self._path}: {error.strerror}; nothing was left there") from error


class _FileSource:
    """A file, or stdin; see `Source`."""

    def __init__(self, name: str, file: BinaryIO) -> None:
        self._name = name
        self._file = file
        # The same descriptor is read again: whoever renames another file over it changes nothing here.
        self.is_repeatable = file.seekable()
        self._begin = file.tell() if self.is_repeatable else 0

    def read(self, size: int) -> bytes:
        """See `Source`."""
        try:
            return self._file.read(size)
        except OSError as error:
            raise StartError(f"{self._name}: {error.strerror}") from error

    def rewind(self) -> None:
        """See `Source`."""
        assert self.is_repeatable
        self._file.seek(self._begin)

    def close(self) -> None:
        """See `Source`."""
        if self._name != "stdin":
            self._file.close()
