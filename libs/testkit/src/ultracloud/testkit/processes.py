"""Real processes under test. They end with the test, and with the test's process however that ends.

    with serve("chainfire", config) as chainfire:
        channel = connect(chainfire.addresses[0], ...)
        chainfire.kill()

Source: prctl(2) PR_SET_PDEATHSIG, through setpriv(1), which needs no code between fork and exec.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

READY_S = 20.0
"""A service is ready in about a second; two cores shared by many tests make that many."""
STOP_S = 10.0
OUTPUT_BYTES_MAX = 65_536
LOG_TAIL_BYTES = 4096
DIE_WITH_US = ("setpriv", "--pdeathsig", "KILL", "--")


class ProcessFailedError(AssertionError):
    """A process under test did not do what it should; the end of its log is in the message."""


class Process:
    """One process, its stdout in a pipe and its stderr in a file.

    Attributes:
        addresses: From its ready line, once `wait_ready` has seen it.
        log: Where its stderr goes.
    """

    def __init__(
        self, command: Sequence[str], log: Path, *, env: Mapping[str, str] | None = None, cwd: Path | None = None
    ) -> None:
        self.addresses: tuple[str, ...] = ()
        self.log = log
        self._said = b""
        with log.open("ab") as sink:
            self._child = subprocess.Popen(
                [*DIE_WITH_US, *command],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=sink,
                env={**os.environ, **(env or {})},
                cwd=cwd,
            )

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._child.pid

    @property
    def is_running(self) -> bool:
        """Whether it has not ended."""
        return self._child.poll() is None

    def wait_ready(self, timeout_s: float = READY_S) -> tuple[str, ...]:
        """Wait for ``ready <name> <addresses>``; gives the addresses.

        Raises:
            ProcessFailedError: It ended, or did not say so in time.
        """
        line = self.wait_line("ready ", timeout_s)
        self.addresses = tuple(line.split()[2:])
        return self.addresses

    def wait_line(self, beginning: str, timeout_s: float = READY_S) -> str:
        """Wait for a line on stdout that begins so, and give it; raises as `wait_ready`."""
        assert self._child.stdout is not None
        ends_at = time.monotonic() + timeout_s
        with selectors.DefaultSelector() as selector:
            selector.register(self._child.stdout, selectors.EVENT_READ)
            while True:
                for line in self._said.decode(errors="replace").splitlines(keepends=True):
                    if line.startswith(beginning) and line.endswith("\n"):
                        return line.rstrip("\n")
                if not selector.select(max(0.0, ends_at - time.monotonic())):
                    raise ProcessFailedError(f"no line '{beginning}...' within {timeout_s:g} s\n{self.tail()}")
                more = os.read(self._child.stdout.fileno(), OUTPUT_BYTES_MAX)
                if not more:
                    code = self._child.wait(STOP_S)
                    raise ProcessFailedError(f"ended with {code} before it said '{beginning}...'\n{self.tail()}")
                self._said = (self._said + more)[-OUTPUT_BYTES_MAX:]

    def terminate(self, timeout_s: float = STOP_S) -> int:
        """Ask it to end with SIGTERM, and give its exit code.

        Raises:
            ProcessFailedError: It does not end in time; it is killed then.
        """
        self.signal(signal.SIGTERM)
        return self.wait(timeout_s)

    def wait(self, timeout_s: float = STOP_S) -> int:
        """Wait for its end, and give its exit code; raises as `terminate`."""
        try:
            return self._child.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self.kill()
            raise ProcessFailedError(f"did not end within {timeout_s:g} s\n{self.tail()}") from None

    def kill(self) -> None:
        """End it as a power cut would."""
        if self.is_running:
            self._child.kill()
        self._child.wait()

    def signal(self, number: int) -> None:
        """Send it a signal."""
        self._child.send_signal(number)

    def rss_bytes(self) -> int:
        """Memory it holds now."""
        text = Path(f"/proc/{self.pid}/status").read_text()
        line = next(line for line in text.splitlines() if line.startswith("VmRSS:"))
        return int(line.split()[1]) * 1024

    def tail(self) -> str:
        """The end of its log."""
        return self.log.read_bytes()[-LOG_TAIL_BYTES:].decode(errors="replace")

    def close(self) -> None:
        """End it if it has not, and let go of its pipe."""
        self.kill()
        if self._child.stdout is not None:
            self._child.stdout.close()


@contextlib.contextmanager
def started(
    command: Sequence[str], log: Path, *, env: Mapping[str, str] | None = None, cwd: Path | None = None
) -> Iterator[Process]:
    """A process for as long as the block lasts."""
    process = Process(command, log, env=env, cwd=cwd)
    try:
        yield process
    finally:
        process.close()


@contextlib.contextmanager
def serve(
    module: str,
    config: Path,
    *,
    log: Path | None = None,
    env: Mapping[str, str] | None = None,
    prefix: Sequence[str] = (),
    timeout_s: float = READY_S,
) -> Iterator[Process]:
    """Run ``python -m <module> serve --config <config>`` and wait until it is ready.

    Args:
        module: ``chainfire``, ``prismnet.agent``.
        config: Its configuration.
        log: Where its stderr goes; beside the configuration if not given.
        env: Variables besides ours.
        prefix: What runs it, e.g. `Host.prefix` of a network namespace.
        timeout_s: How long it may take.
    """
    command = [*prefix, sys.executable, "-m", module, "serve", "--config", str(config)]
    with started(command, log or config.with_suffix(".log"), env=env) as process:
        process.wait_ready(timeout_s)
        yield process
