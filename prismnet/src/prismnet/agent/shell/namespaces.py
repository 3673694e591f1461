"""Network namespaces: made, named, entered and removed, as `ip netns` does it, without its processes.

A namespace's name is a file in /run/netns with the namespace bind-mounted over it. Entering one is a property of a
thread (setns(2)), so everything here is done by one thread, the kernel thread of the agent, which returns home after
each visit; sockets opened on a visit stay in their namespace wherever they are used.

Source: setns(2), unshare(2), network_namespaces(7); ip-netns(8) for the shared mount of the folder.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
from collections.abc import Iterator
from pathlib import Path

from prismnet.agent.core.state import HOST, NamespaceName

CLONE_NEWNET = 0x4000_0000
MS_BIND, MS_REC, MS_SHARED = 4096, 16384, 1 << 20
MNT_DETACH = 2
_THREAD_NAMESPACE = "/proc/thread-self/ns/net"


class Namespaces:
    """Namespaces with names in `folder`; to be used by one thread only, which made this object."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._home = os.open(_THREAD_NAMESPACE, os.O_RDONLY | os.O_CLOEXEC)

    def close(self) -> None:
        """Forget the way home."""
        os.close(self._home)

    def names(self) -> list[NamespaceName]:
        """Names that have a namespace behind them.

        A name without one is what a kill between making the file and mounting over it leaves; `create` takes it over.
        """
        if not self.folder.is_dir():
            return []
        device = self.folder.stat().st_dev
        found = []
        for entry in sorted(self.folder.iterdir()):
            # The mount may go between the listing and the look.
            with contextlib.suppress(FileNotFoundError):
                if entry.stat().st_dev != device:
                    found.append(NamespaceName(entry.name))
        return found

    def create(self, name: NamespaceName) -> None:
        """Make a namespace called `name`; one that exists is left as it is."""
        if name in self.names():
            return
        self._share_folder()
        path = self.folder / name
        path.touch(mode=0o444)
        self._call(self._libc.unshare(CLONE_NEWNET), "unshare")
        try:
            self._mount(_THREAD_NAMESPACE, path, MS_BIND)
        finally:
            self._call(self._libc.setns(self._home, CLONE_NEWNET), "setns home")

    def delete(self, name: NamespaceName) -> None:
        """Remove the name; the namespace goes with the last process and socket in it."""
        path = self.folder / name
        if self._libc.umount2(os.fsencode(path), MNT_DETACH):
            # Not mounted, or not there at all: then only the file may be left.
            code = ctypes.get_errno()
            if code not in (errno.EINVAL, errno.ENOENT):
                raise OSError(code, os.strerror(code), str(path))
        path.unlink(missing_ok=True)

    def open(self, name: NamespaceName) -> int:
        """A descriptor of the namespace; the caller closes it."""
        return os.open(self.folder / name, os.O_RDONLY | os.O_CLOEXEC)

    @contextlib.contextmanager
    def entered(self, name: NamespaceName) -> Iterator[None]:
        """Be in the namespace for the length of a block."""
        if name == HOST:
            yield
            return
        descriptor = self.open(name)
        try:
            self._call(self._libc.setns(descriptor, CLONE_NEWNET), f"setns {name}")
        finally:
            os.close(descriptor)
        try:
            yield
        finally:
            # A thread that cannot come home would change the wrong network next: let this end the process.
            self._call(self._libc.setns(self._home, CLONE_NEWNET), "setns home")

    def _share_folder(self) -> None:
        """Let processes in other mount namespaces see new names, and let go of removed ones."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o755)
        if self._try_mount(None, self.folder, MS_SHARED | MS_REC) == errno.EINVAL:
            self._mount(str(self.folder), self.folder, MS_BIND | MS_REC)
            self._mount(None, self.folder, MS_SHARED | MS_REC)

    def _mount(self, source: str | None, target: Path, flags: int) -> None:
        code = self._try_mount(source, target, flags)
        if code:
            raise OSError(code, os.strerror(code), str(target))

    def _try_mount(self, source: str | None, target: Path, flags: int) -> int:
        """mount(2); 0 or the error's number."""
        encoded = os.fsencode(source) if source is not None else None
        if self._libc.mount(encoded, os.fsencode(target), b"none", ctypes.c_ulong(flags), None):
            return ctypes.get_errno()
        return 0

    def _call(self, result: int, what: str) -> None:
        """Turn the C way of failing into ours."""
        if result:
            code = ctypes.get_errno()
            raise OSError(code, os.strerror(code), what)
