"""Starts a supervisor and talks to it.

The supervisor lives in namespaces of its own and dies with us: `setpriv --pdeathsig` ends `unshare` when we end,
`--kill-child` ends the supervisor when `unshare` ends, and the kernel ends what is in its process namespace. Even a
SIGKILL of ours leaves no process, mount or network device behind.

Source: setpriv(1), unshare(1), prctl(2) PR_SET_PDEATHSIG.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import struct
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from quickstart.core.stack import Stack, render
from quickstart.core.supervision import Phase
from quickstart.errors import QuickstartError

CONNECT_POLL_S = 0.02
START_SECONDS = 20.0
"""The supervisor answers within half a second; a machine under heavy load gets more."""
ANSWER_SECONDS = 10.0
LINE_BYTES_MAX = 1024 * 1024


@dataclass(frozen=True, slots=True)
class ProcessStatus:
    """One supervised process as the supervisor reports it."""

    name: str
    phase: Phase
    pid: int
    starts: int
    status: int | None


Statuses = Mapping[str, ProcessStatus]


class StackClient:
    """Talks to one supervisor."""

    def __init__(self, control: str) -> None:
        self.control = control

    async def start(self, names: Iterable[str]) -> None:
        """Start processes that do not run."""
        await self._ask(do="start", names=list(names))

    async def stop(self, names: Iterable[str], grace_s: float) -> None:
        """Ask processes to end and return when they have."""
        wanted = list(names)
        await self._ask(do="stop", names=wanted, grace_s=grace_s)
        await self.wait_until(
            lambda statuses: all(statuses[name].phase is Phase.STOPPED for name in wanted), grace_s + ANSWER_SECONDS
        )

    async def kill(self, names: Iterable[str]) -> None:
        """Send SIGKILL; the supervisor starts what has died again."""
        await self._ask(do="kill", names=list(names))

    async def memory_mb(self) -> dict[str, float]:
        """Proportional set size by process, in megabytes."""
        answer = await self._ask(do="memory")
        measured = answer["memory_kb"]
        assert isinstance(measured, dict)
        return {name: kilobytes / 1024 for name, kilobytes in measured.items()}

    async def detach(self) -> None:
        """Let the stack live on when this process ends."""
        await self._ask(do="detach")

    async def end(self, grace_s: float) -> Statuses:
        """Stop everything politely and give how each process ended; the supervisor is gone afterwards.

        Raises:
            ConnectionError: It does not run.
            TimeoutError: It does not end.
        """
        last: Statuses = {}
        async with self._ends(grace_s + ANSWER_SECONDS):
            await self._ask(do="end", grace_s=grace_s)
            with contextlib.suppress(ConnectionError):
                async for statuses in self.watch():
                    last = statuses
        return last

    async def power_cut(self) -> None:
        """Kill the supervisor, and with it everything, as if the machine had lost power."""
        with contextlib.suppress(ConnectionError, ProcessLookupError):
            async with self._ends(ANSWER_SECONDS):
                os.kill(self.pid(), signal.SIGKILL)

    @contextlib.asynccontextmanager
    async def _ends(self, timeout_s: float) -> AsyncIterator[None]:
        """What is done inside ends the supervisor; afterwards the kernel has ended all that was in its namespaces."""
        loop = asyncio.get_running_loop()
        supervisor = os.pidfd_open(self.pid())
        ended = asyncio.Event()
        loop.add_reader(supervisor, ended.set)
        try:
            async with asyncio.timeout(timeout_s):
                yield
                await ended.wait()
        finally:
            loop.remove_reader(supervisor)
            os.close(supervisor)

    async def statuses(self) -> Statuses:
        """How all processes are now."""
        async for statuses in self.watch():
            return statuses
        raise ConnectionResetError("the supervisor has ended")

    async def wait_until(self, is_met: Callable[[Statuses], bool], timeout_s: float) -> Statuses:
        """Wait until the processes are as `is_met` wants them.

        Raises:
            TimeoutError: They are not within `timeout_s`.
            ConnectionError: The supervisor has ended.
        """
        async with asyncio.timeout(timeout_s):
            async for statuses in self.watch():
                if is_met(statuses):
                    return statuses
        raise ConnectionResetError("the supervisor has ended")

    async def watch(self) -> AsyncIterator[Statuses]:
        """How all processes are now, and again after every change, until the supervisor ends."""
        reader, writer = await self._connect()
        try:
            writer.write(b'{"do": "watch"}\n')
            while line := await reader.readline():
                yield _statuses(json.loads(line))
        finally:
            writer.close()

    def pid(self) -> int:
        """The supervisor's process id as seen from here.

        Raises:
            ConnectionError: It does not run.
        """
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            probe.connect(f"\0{self.control}")
            pid, _, _ = struct.unpack("3i", probe.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
        return int(pid)

    def is_running(self) -> bool:
        """Whether a supervisor answers on this socket."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            return probe.connect_ex(f"\0{self.control}") == 0

    async def _ask(self, **request: object) -> dict[str, object]:
        """One request, one answer."""
        reader, writer = await self._connect()
        try:
            writer.write(json.dumps(request).encode() + b"\n")
            async with asyncio.timeout(ANSWER_SECONDS):
                line = await reader.readline()
        finally:
            writer.close()
        if not line:
            raise ConnectionResetError("the supervisor has ended")
        answer: dict[str, object] = json.loads(line)
        assert "error" not in answer, answer
        return answer

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_unix_connection(f"\0{self.control}", limit=LINE_BYTES_MAX)


async def launch(stack: Stack, plan: Path, log: Path, held: Iterable[int] = ()) -> StackClient:
    """Start a supervisor for `stack` and wait until it answers.

    Args:
        stack: What it runs.
        plan: File the stack is written to.
        log: File for what the supervisor itself has to say.
        held: Descriptors it inherits, such as a lock that shall last as long as it does.

    Raises:
        QuickstartError: It ended at once, or does not answer.
    """
    process = _popen(stack, plan, log, tuple(held))
    client = StackClient(stack.control)
    try:
        await _wait_answering(client, process, log)
    except BaseException:
        # Nobody would end it: whoever ends a stack does so through its socket.
        process.kill()
        process.wait()
        raise
    return client


async def _wait_answering(client: StackClient, process: subprocess.Popen[bytes], log: Path) -> None:
    """Wait until a supervisor that was just started answers."""
    try:
        async with asyncio.timeout(START_SECONDS):
            while not client.is_running():
                if process.poll() is not None:
                    raise QuickstartError(
                        f"the supervisor ended at once: {tail(log)}",
                        remedy="its log names what this machine refused",
                        log=log,
                    )
                await asyncio.sleep(CONNECT_POLL_S)
    except TimeoutError as error:
        raise QuickstartError(
            f"the supervisor did not answer within {START_SECONDS:g} s",
            remedy="the machine may be overloaded; try again",
            log=log,
        ) from error


def _popen(stack: Stack, plan: Path, log: Path, held: tuple[int, ...]) -> subprocess.Popen[bytes]:
    """Start the supervisor as first process of new namespaces, in a session of its own: Ctrl-C is for us alone."""
    arguments = ["setpriv", "--pdeathsig", "KILL", "--", "unshare", "--pid", "--fork", "--mount", "--mount-proc"]
    arguments += ["--kill-child", "--", sys.executable, "-m", "quickstart.shell.stack", "--plan", str(plan)]
    plan.write_text(render(stack))
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as said:
        return subprocess.Popen(
            arguments, stdin=subprocess.DEVNULL, stdout=said, stderr=said, start_new_session=True, pass_fds=held
        )


def tail(path: Path, lines: int = 5) -> str:
    """The last lines of a file; empty if there is none."""
    try:
        return "\n".join(path.read_text(errors="replace").splitlines()[-lines:])
    except FileNotFoundError:
        return ""


def _statuses(answer: Mapping[str, list[dict[str, object]]]) -> Statuses:
    """Read a status line."""
    found = {}
    for fields in answer["processes"]:
        ended = fields["status"]
        assert ended is None or isinstance(ended, int), fields
        found[str(fields["name"])] = ProcessStatus(
            name=str(fields["name"]),
            phase=Phase(str(fields["phase"])),
            pid=int(str(fields["pid"])),
            starts=int(str(fields["starts"])),
            status=ended,
        )
    return found
