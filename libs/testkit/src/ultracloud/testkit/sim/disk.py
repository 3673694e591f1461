"""A simulated disk: a real folder, and what a power cut at this moment would leave of it.

The program under test runs unchanged on the folder. The disk listens to `os` (fsync, fdatasync, pwritev with RWF_DSYNC,
open with O_CREAT, rename, replace, link, unlink, mkdir) and so knows what has been promised to last. `cut` writes a
folder in which every promise is kept and everything else is as bad as a real disk may make it: each unsynced sector old
or new on its own, new files without content, names that came and went.

What it assumes is what journalling file systems give: sectors of SECTOR_BYTES are written whole, changes of names
within one folder happen in order, and a sync of a folder makes its names last.

Source: "All File Systems Are Not Created Equal" (OSDI 2014); ALICE's abstract persistence model.
"""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from types import TracebackType
from typing import Any, Self

SECTOR_BYTES = 512
"""What a disk writes whole. Many write 4096; less is harder on the program."""
_LISTENED = ("open", "fsync", "fdatasync", "pwritev", "rename", "replace", "link", "unlink", "remove", "mkdir")


@dataclass(slots=True)
class _Promise:
    """What of one file is sure to last. `keeper` is a descriptor that keeps its inode number from being used again."""

    content: bytes
    keeper: int


_Step = dict[str, int | None]
"""One atomic change of a folder: names that now lead to an inode, names that are gone (None)."""


@dataclass(slots=True)
class _Names:
    """One folder: the names that are sure to last, and what was done to them since."""

    lasting: dict[str, int]
    since: list[_Step] = field(default_factory=list)

    def after(self, steps: int) -> dict[str, int]:
        """The names after the first `steps` changes."""
        left: dict[str, int | None] = dict(self.lasting)
        for step in self.since[:steps]:
            left |= step
        return {name: inode for name, inode in left.items() if inode is not None}


class SimDisk:
    """Use it around the program: ``with SimDisk(folder) as disk: ...; disk.cut(seed, into)``.

    Args:
        folder: The folder it listens to, and all below; what is in it now lasts.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder.resolve()
        self._files: dict[int, _Promise] = {}
        self._folders: dict[Path, _Names] = {}
        self._real: dict[str, Callable[..., Any]] = {name: getattr(os, name) for name in _LISTENED}
        self._lock = threading.RLock()
        self._failing: dict[str, tuple[int, int]] = {}
        self.syncs = 0
        """How often something was synced."""
        self.before_sync: Callable[[], None] = lambda: None
        """Called when a sync begins, before anything of it lasts: the worst moment to `cut`. What it raises goes up."""

    def __enter__(self) -> Self:
        """Begin to listen."""
        for path in [self._folder, *(path for path in self._folder.rglob("*") if path.is_dir())]:
            self._folders[path] = _Names({one.name: one.lstat().st_ino for one in path.iterdir() if one.is_file()})
            for one in path.iterdir():
                if one.is_file():
                    self._promise(one)
        for name in _LISTENED:
            setattr(os, name, getattr(self, f"_{name}"))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop listening."""
        for name, function in self._real.items():
            setattr(os, name, function)
        for promise in self._files.values():
            os.close(promise.keeper)
        self._files.clear()

    def fail(self, operation: str, error: int = errno.EIO, *, after: int = 0) -> None:
        """Let an operation (``fsync``, ``open`` ...) fail with an errno, once, after it has succeeded `after` times."""
        assert operation in _LISTENED, operation
        self._failing[operation] = (after, error)

    def cut(self, seed: int, into: Path) -> None:
        """Write into the new folder `into` what a power cut now may leave; another seed, another outcome."""
        random = Random(seed)  # noqa: S311 - a simulation repeats itself
        with self._lock:
            for folder, names in sorted(self._folders.items()):
                target = into / folder.relative_to(self._folder)
                target.mkdir(parents=True, exist_ok=True)
                for name, inode in sorted(self._surviving(names, random).items()):
                    (target / name).write_bytes(self._left_of(inode, random))

    def _surviving(self, names: _Names, random: Random) -> dict[str, int]:
        """Names after a cut: those that last, and the first few of the changes since."""
        return names.after(random.randint(0, len(names.since)))

    def _left_of(self, inode: int, random: Random) -> bytes:
        """Content after a cut: what was promised, and of the rest each sector or not."""
        promise = self._files[inode]
        now = self._content(promise.keeper)
        old = promise.content
        keep = random.choice((0.0, 0.5, 1.0))
        size = random.choice((len(old), len(now), max(len(old), len(now))))
        # A file that shrank without a sync may still have its old end; one that grew may end anywhere in the new part.
        if len(now) > len(old) and random.random() < 0.5:  # noqa: PLR2004 - as often as not
            size = random.randint(len(old), len(now))
        left = bytearray(old.ljust(size, b"\0")[:size])
        for start in range(0, size, SECTOR_BYTES):
            end = min(start + SECTOR_BYTES, size)
            fresh = now[start:end].ljust(end - start, b"\0")
            if left[start:end] != fresh and random.random() < keep:
                left[start:end] = fresh
        return bytes(left)

    def _content(self, descriptor: int) -> bytes:
        """All of a file."""
        return os.pread(descriptor, os.fstat(descriptor).st_size, 0)

    def _promise(self, path: Path, content: bytes | None = None) -> int:
        """Begin to keep a file; gives its inode number."""
        keeper = self._real["open"](path, os.O_RDONLY | os.O_CLOEXEC)
        inode = os.fstat(keeper).st_ino
        if inode in self._files:
            os.close(keeper)
        else:
            self._files[inode] = _Promise(self._content(keeper) if content is None else content, keeper)
        return inode

    def _inside(self, path: Any, dir_fd: int | None = None) -> Path | None:
        """The absolute path, if it is one of ours."""
        if dir_fd is not None or isinstance(path, int):
            return None
        absolute = Path(os.path.abspath(os.fsdecode(path)))  # noqa: PTH100 - resolve() would follow the last link
        return absolute if absolute.parent in self._folders else None

    def _named(self, path: Path, inode: int) -> None:
        """Note that a name leads to a file."""
        self._folders[path.parent].since.append({path.name: inode})

    def _unnamed(self, path: Path) -> None:
        """Note that a name is gone."""
        self._folders[path.parent].since.append({path.name: None})

    def _maybe_fail(self, operation: str, path: object) -> None:
        """Fail if that was asked for."""
        if operation in self._failing:
            after, error = self._failing[operation]
            if after == 0:
                del self._failing[operation]
                raise OSError(error, os.strerror(error), str(path))
            self._failing[operation] = (after - 1, error)

    # What stands in for os's functions. Names and arguments are theirs.

    def _open(self, path: Any, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
        ours = self._inside(path, dir_fd)
        if ours is None or not flags & (os.O_WRONLY | os.O_RDWR):
            descriptor: int = self._real["open"](path, flags, mode, dir_fd=dir_fd)
            return descriptor
        with self._lock:
            self._maybe_fail("open", path)
            is_new = not ours.exists()
            descriptor = self._real["open"](path, flags, mode, dir_fd=dir_fd)
            if is_new:
                self._named(ours, self._promise(ours, b""))
            return descriptor

    def _fsync(self, descriptor: Any) -> None:
        self._sync("fsync", descriptor if isinstance(descriptor, int) else descriptor.fileno())

    def _fdatasync(self, descriptor: Any) -> None:
        self._sync("fdatasync", descriptor if isinstance(descriptor, int) else descriptor.fileno())

    def _sync(self, operation: str, descriptor: int) -> None:
        path = Path(f"/proc/self/fd/{descriptor}").readlink()
        with self._lock:
            if path in self._folders or path.parent in self._folders:
                self.before_sync()
            status = os.fstat(descriptor)
            if path in self._folders:
                self._maybe_fail(operation, path)
                names = self._folders[path]
                names.lasting = names.after(len(names.since))
                names.since.clear()
                self.syncs += 1
            elif path.parent in self._folders:
                self._maybe_fail(operation, path)
                if status.st_ino not in self._files:  # made by open(), which we do not hear
                    self._named(path, self._promise(path, b""))
                promise = self._files[status.st_ino]
                promise.content = self._content(promise.keeper)
                self.syncs += 1

    def _pwritev(self, descriptor: int, buffers: Any, offset: int, flags: int = 0) -> int:
        """Write; with RWF_DSYNC what the file holds lasts when it returns."""
        path = Path(f"/proc/self/fd/{descriptor}").readlink()
        if path.parent not in self._folders or not flags & os.RWF_DSYNC:
            return int(self._real["pwritev"](descriptor, buffers, offset, flags))
        with self._lock:
            self._maybe_fail("pwritev", path)
        written = int(self._real["pwritev"](descriptor, buffers, offset, flags & ~os.RWF_DSYNC))
        self._sync("fdatasync", descriptor)
        return written

    def _rename(
        self, source: Any, target: Any, *, src_dir_fd: int | None = None, dst_dir_fd: int | None = None
    ) -> None:
        old, new = self._inside(source, src_dir_fd), self._inside(target, dst_dir_fd)
        with self._lock:
            if old is None or new is None:
                self._real["rename"](source, target, src_dir_fd=src_dir_fd, dst_dir_fd=dst_dir_fd)
                return
            self._maybe_fail("rename", source)
            inode = self._promise(old, b"")
            self._real["rename"](source, target)
            if old.parent == new.parent:
                # One journal entry: after a cut both have happened or neither.
                self._folders[new.parent].since.append({new.name: inode, old.name: None})
            else:
                self._named(new, inode)
                self._unnamed(old)

    def _replace(
        self, source: Any, target: Any, *, src_dir_fd: int | None = None, dst_dir_fd: int | None = None
    ) -> None:
        self._rename(source, target, src_dir_fd=src_dir_fd, dst_dir_fd=dst_dir_fd)

    def _link(self, source: Any, target: Any, **options: Any) -> None:
        with self._lock:
            self._real["link"](source, target, **options)
            ours = self._inside(target)
            if ours is not None:
                self._named(ours, self._promise(ours, b""))

    def _unlink(self, path: Any, *, dir_fd: int | None = None) -> None:
        ours = self._inside(path, dir_fd)
        with self._lock:
            if ours is not None:
                self._maybe_fail("unlink", path)
            self._real["unlink"](path, dir_fd=dir_fd)
            if ours is not None:
                self._unnamed(ours)

    def _mkdir(self, path: Any, mode: int = 0o777, *, dir_fd: int | None = None) -> None:
        ours = self._inside(path, dir_fd)
        with self._lock:
            self._real["mkdir"](path, mode, dir_fd=dir_fd)
            if ours is not None:  # folders last from the start: what is in them is the interesting part
                self._folders[ours] = _Names({})

    def _remove(self, path: Any, *, dir_fd: int | None = None) -> None:
        self._unlink(path, dir_fd=dir_fd)
