"""A PostgreSQL of Debian's for tests: in a folder of its own, on a unix socket only, never as root, gone at the end.

    with postgres(folder) as server:
        server.url()          # postgresql://postgres@/postgres?host=...
        server.crash()        # every process of it is killed
        server.start()

PostgreSQL refuses to run as root. Where a test is root, a user namespace of one user lets it run as somebody else who
still owns the test's files, whatever folder they are in.

Source: PostgreSQL 15 manual, 19.3 "Starting the Database Server"; postmaster.pid's eighth line, which pg_ctl reads too.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from ultracloud.testkit.processes import DIE_WITH_US, Process, ProcessFailedError

ROOT = Path(__file__).parents[5]
UNPACKED = ROOT / ".cache" / "debian" / "usr"
"""Where tools/bootstrap.sh unpacks what is better not installed: Debian's package would start a server."""
FOLDERS = (Path("/usr/lib/postgresql"), UNPACKED / "lib" / "postgresql")
READY_S = 20.0
AS_NOBODY = ("unshare", "--user", "--map-user=65534", "--map-group=65534", "--")
ACCESS = "local all secretive scram-sha-256\nlocal all all trust\n"
"""Whoever reaches the socket is trusted, but for one user who needs a password."""
SETTINGS = {
    "listen_addresses": "",
    "shared_buffers": "32MB",
    "max_connections": "60",
    "log_min_messages": "warning",
    # Its compiler is a package of its own, which is not unpacked.
    "jit": "off",
}


def find_postgres() -> Path | None:
    """The folder of PostgreSQL's programs, the newest there is; None without."""
    on_path = shutil.which("postgres")
    found = [path.parent for folder in FOLDERS for path in sorted(folder.glob("*/bin/postgres"))]
    if found:
        return found[-1]
    return Path(on_path).resolve().parent if on_path else None


class PostgresServer:
    """A server and its data. Made by `postgres`.

    Attributes:
        socket_folder: Where its socket is; the `host` of a URL.
    """

    def __init__(self, programs: Path, folder: Path) -> None:
        self.socket_folder = folder
        self._programs = programs
        self._data = folder / "data"
        self._log = folder / "log"
        self._process: Process | None = None

    def url(self, database: str = "postgres", user: str = "postgres") -> str:
        """Where clients find it, without a password."""
        return f"postgresql://{user}@/{database}?host={self.socket_folder}"

    @property
    def pid(self) -> int:
        """The process that all others are children of."""
        assert self._process is not None
        return self._process.pid

    def make(self, encoding: str = "UTF8") -> None:
        """Make the data."""
        command = [self._programs / "initdb", "-D", self._data, "-U", "postgres", "-E", encoding, "--no-locale"]
        done = subprocess.run(
            [*_as_somebody(), *map(str, command), "--no-sync", "--auth=trust"],
            env=environment_of(),
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise ProcessFailedError(f"initdb failed: {done.stdout}{done.stderr}")
        (self._data / "pg_hba.conf").write_text(ACCESS)

    def start(self, **settings: str) -> None:
        """Start it and wait until it takes connections; `settings` are of its postgresql.conf."""
        options = [f"-c{name}={value}" for name, value in (SETTINGS | settings).items()]
        command = [str(self._programs / "postgres"), "-D", str(self._data), "-k", str(self.socket_folder), *options]
        ends_at = time.monotonic() + READY_S
        while True:
            # Killed processes may be seen as living for a moment, and the data is theirs so long.
            process = Process([*_as_somebody(), *DIE_WITH_US, *command], self._log, env=environment_of())
            while process.is_running and not self._is_ready(process.pid):
                if time.monotonic() > ends_at:
                    process.close()
                    raise ProcessFailedError(f"PostgreSQL is not ready within {READY_S:g} s\n{process.tail()}")
                time.sleep(0.02)
            if process.is_running:
                self._process = process
                return
            process.close()
            if time.monotonic() > ends_at:
                raise ProcessFailedError(f"PostgreSQL ended\n{process.tail()}")
            time.sleep(0.1)

    def crash(self) -> None:
        """Kill every process of it at once, as a power cut would."""
        assert self._process is not None
        children = _children(self._process.pid)
        self._process.kill()
        for child in children:
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, 9)
        self._process.close()
        self._process = None

    def pause(self) -> None:
        """Let nothing be answered, as a cut network would."""
        self._signal_all(19)

    def go_on(self) -> None:
        """End a `pause`."""
        self._signal_all(18)

    def stop(self) -> None:
        """End it, if it runs: fast, which tells clients."""
        if self._process is not None:
            self._process.signal(2)
            self._process.wait()
            self._process.close()
            self._process = None

    def _signal_all(self, number: int) -> None:
        assert self._process is not None
        for pid in (self._process.pid, *_children(self._process.pid)):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def _is_ready(self, pid: int) -> bool:
        with contextlib.suppress(FileNotFoundError):
            lines = (self._data / "postmaster.pid").read_text().splitlines()
            return len(lines) > 7 and lines[0] == str(pid) and lines[7].strip() == "ready"  # noqa: PLR2004 - the 8th
        return False


@contextlib.contextmanager
def postgres(programs: Path, *, encoding: str = "UTF8", **settings: str) -> Iterator[PostgresServer]:
    """A server for as long as the block lasts, with its data in a temporary folder."""
    # Not pytest's folder: a socket's path has at most 107 characters.
    with tempfile.TemporaryDirectory(prefix="postgres-") as folder:
        server = PostgresServer(programs, Path(folder))
        server.make(encoding)
        server.start(**settings)
        try:
            yield server
        finally:
            server.stop()


def _as_somebody() -> tuple[str, ...]:
    return AS_NOBODY if os.geteuid() == 0 else ()


def environment_of() -> dict[str, str]:
    """What the programs need to find their libraries where they were only unpacked."""
    libraries = UNPACKED / "lib" / f"{os.uname().machine}-linux-gnu"
    return {**os.environ, "LD_LIBRARY_PATH": str(libraries), "LC_ALL": "C"} if libraries.is_dir() else dict(os.environ)


def _children(parent: int) -> list[int]:
    """Process ids of a process's children."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields = stat.read_text().rpartition(")")[2].split()
            if int(fields[1]) == parent:
                found.append(int(stat.parent.name))
    return found
