"""What several tests of flaredb start from."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from flaredb.core.engine import Engine
from flaredb.core.retention import History
from flaredb.shell.rocks import open_rocks
from flaredb.testing import MemoryEngine
from ultracloud.testkit.postgres import PostgresServer, find_postgres, postgres

MIB = 1024 * 1024


@pytest.fixture
def history() -> History:
    """More than any test writes."""
    return History(age_ms=3_600_000, changes=100_000, bytes=100 * MIB)


@pytest.fixture(params=["memory", "rocks"])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    """Each engine in turn: what holds of one holds of the other."""
    if request.param == "memory":
        yield MemoryEngine()
        return
    with closing(open_rocks(tmp_path / "db", 4 * MIB, 4 * MIB)) as rocks:
        yield rocks


@pytest.fixture
def open_store_folder(tmp_path: Path) -> Iterator[Callable[[], Engine]]:
    """Opens the RocksDB of this test, again after a `close`; whatever is open is closed at the end."""
    with ExitStack() as opened:
        yield lambda: opened.enter_context(closing(open_rocks(tmp_path / "db", 4 * MIB, 4 * MIB)))


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """Debian's PostgreSQL, one for all tests of a process; each test has schemas of its own."""
    programs = find_postgres()
    if programs is None:
        pytest.skip("no PostgreSQL found: `./dev test` unpacks Debian's, see tools/packages.debian")
    with postgres(programs) as server:
        yield server
