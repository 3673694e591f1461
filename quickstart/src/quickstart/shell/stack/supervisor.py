"""The supervisor's shell: starts processes, reaps every child at once, reads clocks, and lets the core decide.

It is the first process of its own process namespace: what it does not reap stays a zombie, and when it ends the kernel
kills all that is left. Nothing it starts can outlive it.

Source: pid_namespaces(7); quickstart.core.supervision.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import sys
import time
from collections.abc import Callable
from io import FileIO
from pathlib import Path
from typing import assert_never

from quickstart.core import supervision
from quickstart.core.stack import Program, Stack
from quickstart.core.supervision import Effect, Event, ProcessName, Supervision
from quickstart.shell.stack import place

READY_WORD = b"ready"
LINE_BYTES_MAX = 64 * 1024
SOCKET_POLL_S = 0.02
"""How often a socket is tried until it answers: far below what a person or the 4 s aim notices."""

Watcher = Callable[[], None]


class Supervisor:
    """Runs the programs of one stack."""

    def __init__(self, stack: Stack) -> None:
        self.programs = {ProcessName(program.name): program for program in stack.programs}
        self.core = Supervision(self.programs)
        self.watchers: set[Watcher] = set()
        self.ended = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None
        self._readers: dict[ProcessName, asyncio.Task[None]] = {}
        self._is_ending = False

    def start(self) -> None:
        """Take over the signals and start every program that does not wait to be asked for."""
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGCHLD, self._reap)
        loop.add_signal_handler(signal.SIGTERM, self.end, 0)
        for name, program in self.programs.items():
            if not program.waits:
                self.take(supervision.StartAsked(name))

    def end(self, grace_ms: int) -> None:
        """Stop everything; `ended` is set when nothing runs any more."""
        self._is_ending = True
        for name in self.programs:
            self.take(supervision.StopAsked(name, grace_ms))
        self._notice_end()

    def take(self, event: Event) -> None:
        """Let the core decide on an event and do what it says."""
        for effect in self.core.step(event, now_ms()):
            self._do(effect)
        self._set_timer()

    def _do(self, effect: Effect) -> None:
        match effect:
            case supervision.Spawn(name):
                self._spawn(self.programs[name])
            case supervision.Terminate(pid):
                _signal(pid, signal.SIGTERM)
            case supervision.Kill(pid):
                _signal(pid, signal.SIGKILL)
            case supervision.Changed():
                for watcher in tuple(self.watchers):
                    watcher()
                self._notice_end()
            case _:
                assert_never(effect)

    def _notice_end(self) -> None:
        if self._is_ending and self.core.are_all_stopped():
            self.ended.set()

    def _spawn(self, program: Program) -> None:
        """Start a program; its stdout passes by us on the way to its log, for the ready line."""
        name = ProcessName(program.name)
        reading, writing = os.pipe2(os.O_CLOEXEC)
        try:
            pid = _posix_spawn(program, writing)
            log = Path(program.log).open("ab", buffering=0)  # noqa: SIM115 - the task that copies closes it
        except OSError as error:
            os.close(reading)
            sys.stderr.write(f"supervisor: {program.name} cannot be started: {error}\n")
            self.take(supervision.SpawnFailed(name))
            return
        finally:
            os.close(writing)
        self.take(supervision.Spawned(name, pid))
        old = self._readers.pop(name, None)
        if old is not None:
            old.cancel()
        self._readers[name] = asyncio.create_task(self._follow(program, reading, log), name=f"output of {name}")

    async def _follow(self, program: Program, reading: int, log: FileIO) -> None:
        """Copy a program's stdout to its log and notice when it is ready."""
        async with asyncio.TaskGroup() as group:
            watch: asyncio.Task[None] | None = None
            if program.ready_socket:
                watch = group.create_task(self._wait_socket(program), name=f"socket of {program.name}")
            await self._copy_output(program, reading, log)
            if watch is not None:
                watch.cancel()

    async def _copy_output(self, program: Program, reading: int, log: FileIO) -> None:
        stream = asyncio.StreamReader(limit=LINE_BYTES_MAX)
        loop = asyncio.get_running_loop()
        transport, _ = await loop.connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(stream), os.fdopen(reading, "rb", buffering=0)
        )
        try:
            while chunk := await _line_or_chunk(stream):
                log.write(chunk)
                if not program.ready_socket and chunk.split(maxsplit=1)[:1] == [READY_WORD]:
                    self.take(supervision.SaidReady(ProcessName(program.name)))
        finally:
            log.close()
            transport.close()

    async def _wait_socket(self, program: Program) -> None:
        """Try the program's socket until it answers."""
        while True:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe, contextlib.suppress(OSError):
                probe.connect(program.ready_socket)
                self.take(supervision.SaidReady(ProcessName(program.name)))
                return
            await asyncio.sleep(SOCKET_POLL_S)

    def _reap(self) -> None:
        """Collect every child that has ended, ours or an orphan handed to us."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            self.take(supervision.Exited(pid, os.waitstatus_to_exitcode(status)))

    def _set_timer(self) -> None:
        """Wake up when the core next waits for time."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        due_ms = self.core.next_due_ms()
        if due_ms is not None:
            delay_s = max(0.0, (due_ms - now_ms()) / 1000)
            self._timer = asyncio.get_running_loop().call_later(delay_s, self.take, supervision.TimePassed())


def now_ms() -> int:
    """Milliseconds of a clock that never goes back."""
    return time.monotonic_ns() // 1_000_000


def _posix_spawn(program: Program, writing: int) -> int:
    """Start the program in a session of its own, in its network namespace."""
    arguments = list(program.arguments)
    if program.namespace:
        # Not `ip netns exec`: that also remounts /sys, which hides the cgroups.
        arguments = ["nsenter", f"--net={place.namespace_path(program.namespace)}", "--", *arguments]
    Path(program.log).parent.mkdir(parents=True, exist_ok=True)
    return os.posix_spawnp(
        arguments[0],
        arguments,
        {**os.environ, **program.environment},
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0),
            (os.POSIX_SPAWN_DUP2, writing, 1),
            (os.POSIX_SPAWN_OPEN, 2, program.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644),
        ],
        setsid=True,
        setsigmask=[],
        setsigdef=[signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGPIPE],
    )


async def _line_or_chunk(stream: asyncio.StreamReader) -> bytes:
    """The next line; of a line without end, what there is."""
    try:
        return await stream.readline()
    except ValueError:
        return await stream.read(LINE_BYTES_MAX)


def _signal(pid: int, number: signal.Signals) -> None:
    """Send a signal; a process that has just ended needs none."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)
