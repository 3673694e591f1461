"""How `./dev bench flaredb` asks: `_streams.c` for gRPC, pgbench for PostgreSQL, each from the load's core.

Every client has a connection and one call under way; keys are drawn at random from all there are.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from google.protobuf.message import Message

from bench._chainfire_servers import LOAD_CORE
from ultracloud.testkit.postgres import environment_of

SOURCE = Path(__file__).with_name("_streams.c")
VALUE_BYTES = 256
FILL_KEYS, FILL_DEPTH = 100_000, 4
"""Of one file of requests, 30 MB; so many transactions are under way."""
RUN_S_MAX = 600
CONNECTS_A_SECOND = 50
"""Of pgbench's clients, which all connect within its time; its rate is without that."""
PGBENCH_RATE = re.compile(r"tps = ([\d.]+)")


@dataclass(frozen=True, slots=True)
class Round:
    """One run: answers per second, and how soon half and 99 of 100 came."""

    per_second: float
    p50_ms: float
    p99_ms: float


class Load:
    """Generates load from one core.

    Args:
        folder: For its files; the compiled generator goes there too.
        pgbench: The program.
    """

    def __init__(self, folder: Path, pgbench: Path) -> None:
        self._folder = folder
        self._streams = folder / "streams"
        self._pgbench = pgbench
        subprocess.run(["gcc", "-O2", "-o", str(self._streams), str(SOURCE)], check=True)

    def spread(self, port: int, path: str, requests: Iterable[Message], clients: int, seconds: float) -> Round:
        """Distinct requests in turn, from so many clients."""
        return self._round("spread", port, path, clients, seconds, self._file("requests", requests))

    def fan_out(
        self, port: int, paths: tuple[str, ...], watch: Message, put: Message, watchers: int, puts: int
    ) -> Round:
        """One put after another; how long until the last of the watchers, a stream each, has its event."""
        files = self._file("watch", [watch]), self._file("put", [put])
        return self._round("fanout", port, watchers, puts, *files, *paths)

    def fill(self, port: int, path: str, keys: int, keys_a_txn: int, txn: Callable[[int, int], Message]) -> None:
        """Put as many distinct keys."""
        for first in range(0, keys, FILL_KEYS):
            last = min(first + FILL_KEYS, keys)
            txns = (txn(at, min(at + keys_a_txn, last)) for at in range(first, last, keys_a_txn))
            self._say("calls", port, path, FILL_DEPTH, self._file("fill", txns))

    def answered(self, port: int, path: str, request: Message) -> int:
        """Ask until there is an answer; when that was, by the monotonic clock in nanoseconds."""
        return int(self._say("answered", path, self._file("request", [request]), 0, port)["at_ns"])

    def pgbench(self, port: int, script: str, clients: int, seconds: float, words: dict[str, object]) -> Round:
        """A script of pgbench's, with prepared statements; `words` are its variables."""
        path, log = self._folder / "script.sql", self._folder / "pgbench"
        path.write_text(script)
        said = self._run(
            *(str(self._pgbench), "--no-vacuum", "--protocol=prepared", f"--client={clients}", "--jobs=1"),
            *(
                f"--time={max(1, round(seconds)) + clients // CONNECTS_A_SECOND}",
                f"--file={path}",
                "--log",
                f"--log-prefix={log}",
            ),
            *(f"--define={name}={value}" for name, value in words.items()),
            *("--host=127.0.0.1", f"--port={port}", "--username=postgres", "postgres"),
        )
        spent_us = []
        for part in self._folder.glob("pgbench.*"):
            spent_us += [int(line.split()[2]) for line in part.read_text().splitlines()]
            part.unlink()
        spent_us.sort()
        rate = PGBENCH_RATE.search(said)
        if rate is None or not spent_us:
            raise SystemExit(f"bench flaredb: pgbench did not succeed:\n{said}")
        p50_us, p99_us = spent_us[len(spent_us) // 2], spent_us[len(spent_us) * 99 // 100]
        return Round(float(rate[1]), p50_us / 1000, p99_us / 1000)

    def _file(self, name: str, requests: Iterable[Message]) -> Path:
        """Requests as they are on the wire."""
        path = self._folder / f"{name}.bin"
        with path.open("wb") as file:
            for request in requests:
                body = request.SerializeToString()
                # No compression, the length, the message.
                file.write(b"\x00" + len(body).to_bytes(4, "big") + body)
        return path

    def _round(self, *words: object) -> Round:
        said = self._say(*words)
        return Round(said["rate"], said["p50_ms"], said["p99_ms"])

    def _say(self, *words: object) -> dict[str, float]:
        said = self._run(str(self._streams), *map(str, words))
        return {name: float(value) for name, _, value in (word.partition("=") for word in said.split())}

    def _run(self, *command: str) -> str:
        ran = subprocess.run(
            ["taskset", "-c", str(LOAD_CORE), *command],
            capture_output=True,
            text=True,
            check=False,
            timeout=RUN_S_MAX,
            env=environment_of(),
        )
        if ran.returncode:
            raise LoadError(f"{' '.join(command)} failed:\n{ran.stdout}{ran.stderr}")
        return ran.stdout


class LoadError(Exception):
    """A generator of load did not succeed; what it said."""
