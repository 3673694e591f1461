"""When a supervised process is started, restarted, told to stop and killed: a machine without a clock or a process.

The shell feeds it what happened and does what it asks. A process that dies is started again: at once the first time,
then after a pause that doubles, and at once again after it has lived for a while.

Source: the restart rules of systemd.service(5), with the back-off it lacks.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NewType, assert_never

ProcessName = NewType("ProcessName", str)

PAUSE_FIRST_MS = 100
"""Long enough that a process which dies at once does not eat a core, short enough that nobody notices one death."""
PAUSE_MAX_MS = 5_000
"""A service that waits for something outside (a full disk) is back within seconds of its return."""
SETTLED_MS = 10_000
"""After living this long a death is a new fault, not the old one again."""
KILL_AGAIN_MS = 1_000
"""A killed process that waits for a disk is gone when the disk answers; asking more often does not help."""
STATUS_NOT_STARTED = 127
"""What a shell says of a command that is not there."""
PROCESSES_MAX = 64
"""A node runs about a dozen; more is a mistake in the plan."""


class Phase(enum.StrEnum):
    """Where a process is in its life."""

    STOPPED = "stopped"
    PAUSED = "paused"
    STARTING = "starting"
    READY = "ready"
    STOPPING = "stopping"


@dataclass(frozen=True, slots=True)
class StartAsked:
    """Somebody wants it to run."""

    name: ProcessName


@dataclass(frozen=True, slots=True)
class StopAsked:
    """Somebody wants it not to run; it gets `grace_ms` after a polite signal, then is killed."""

    name: ProcessName
    grace_ms: int


@dataclass(frozen=True, slots=True)
class KillAsked:
    """Somebody wants it dead this instant, and started again as after any death."""

    name: ProcessName


@dataclass(frozen=True, slots=True)
class Spawned:
    """The shell has started it."""

    name: ProcessName
    pid: int


@dataclass(frozen=True, slots=True)
class SpawnFailed:
    """The shell could not start it: no such program, no memory."""

    name: ProcessName


@dataclass(frozen=True, slots=True)
class SaidReady:
    """It serves."""

    name: ProcessName


@dataclass(frozen=True, slots=True)
class Exited:
    """A child has ended; `status` is its exit code, or the negative number of the signal that ended it."""

    pid: int
    status: int


@dataclass(frozen=True, slots=True)
class TimePassed:
    """Something may be due."""


Event = StartAsked | StopAsked | KillAsked | Spawned | SpawnFailed | SaidReady | Exited | TimePassed


@dataclass(frozen=True, slots=True)
class Spawn:
    """Start it, and answer with Spawned or SpawnFailed."""

    name: ProcessName


@dataclass(frozen=True, slots=True)
class Terminate:
    """Ask the process to end."""

    pid: int


@dataclass(frozen=True, slots=True)
class Kill:
    """End the process."""

    pid: int


@dataclass(frozen=True, slots=True)
class Changed:
    """Its phase or process is another one now; those who watch are told."""

    name: ProcessName


Effect = Spawn | Terminate | Kill | Changed


@dataclass(slots=True)
class Process:
    """What is known of one process.

    Attributes:
        pid: Of the process as it runs; 0 while it does not.
        starts: How often it has been started.
        quick_deaths: How often in a row it died before it had settled.
        started_ms: When it was last started.
        due_ms: When the next thing happens to it by itself: a start (PAUSED) or a kill (STOPPING).
        status: How it last ended; None if it never did.
    """

    name: ProcessName
    phase: Phase = Phase.STOPPED
    pid: int = 0
    starts: int = 0
    quick_deaths: int = 0
    started_ms: int = 0
    due_ms: int = 0
    status: int | None = None


class Supervision:
    """All processes of one supervisor."""

    def __init__(self, names: Iterable[str]) -> None:
        self.processes = {ProcessName(name): Process(ProcessName(name)) for name in names}
        assert len(self.processes) <= PROCESSES_MAX, len(self.processes)

    def step(self, event: Event, now_ms: int) -> list[Effect]:
        """Take in what happened and say what must be done.

        Args:
            event: What happened. A name must be one of the processes; an unknown pid is an orphan and is ignored.
            now_ms: Never less than in an earlier call.
        """
        match event:
            case TimePassed():
                return [effect for process in self.processes.values() for effect in _due(process, now_ms)]
            case Exited(pid, status):
                found = [process for process in self.processes.values() if process.pid == pid]
                return _exited(found[0], status, now_ms) if found else []
            case StartAsked(name) | StopAsked(name) | KillAsked(name):
                return _asked(self.processes[name], event, now_ms)
            case Spawned(name) | SpawnFailed(name) | SaidReady(name):
                return _lived(self.processes[name], event, now_ms)
            case _:
                assert_never(event)

    def next_due_ms(self) -> int | None:
        """When TimePassed has something to do; None if nothing waits for time."""
        waiting = (Phase.PAUSED, Phase.STOPPING)
        return min((process.due_ms for process in self.processes.values() if process.phase in waiting), default=None)

    def are_all_stopped(self) -> bool:
        """Whether nothing runs and nothing will."""
        return all(process.phase is Phase.STOPPED for process in self.processes.values())


def pause_ms(quick_deaths: int) -> int:
    """How long to wait before the next start after this many quick deaths in a row, the last one included."""
    if quick_deaths <= 1:
        return 0
    return int(min(PAUSE_MAX_MS, PAUSE_FIRST_MS * 2 ** (quick_deaths - 2)))


def _asked(process: Process, event: StartAsked | StopAsked | KillAsked, now_ms: int) -> list[Effect]:
    """Do what somebody wants of a process."""
    match event:
        case StartAsked():
            return _start(process)
        case StopAsked():
            return _stop(process, now_ms + event.grace_ms)
        case KillAsked():
            return [Kill(process.pid)] if process.pid else []
        case _:
            assert_never(event)


def _lived(process: Process, event: Spawned | SpawnFailed | SaidReady, now_ms: int) -> list[Effect]:
    """Take in what the shell saw of a process's beginning."""
    match event:
        case Spawned():
            return _spawned(process, event.pid, now_ms)
        case SpawnFailed():
            process.started_ms = now_ms
            return _exited(process, STATUS_NOT_STARTED, now_ms)
        case SaidReady():
            return _ready(process)
        case _:
            assert_never(event)


def _start(process: Process) -> list[Effect]:
    """Start what does not run; a process being stopped starts once it has ended."""
    match process.phase:
        case Phase.STOPPED | Phase.PAUSED:
            process.quick_deaths = 0
            return _spawn(process)
        case Phase.STOPPING:
            # The exit that is coming then finds a process that shall live, and starts it again.
            process.phase = Phase.STARTING
            return [Kill(process.pid)]
        case Phase.STARTING | Phase.READY:
            return []
        case _:
            assert_never(process.phase)


def _spawn(process: Process) -> list[Effect]:
    """Have it started; until the shell answers it has no pid."""
    process.phase = Phase.STARTING
    process.pid = 0
    return [Spawn(process.name)]


def _spawned(process: Process, pid: int, now_ms: int) -> list[Effect]:
    """Remember the new pid."""
    process.pid = pid
    process.starts += 1
    process.started_ms = now_ms
    return [Changed(process.name)]


def _ready(process: Process) -> list[Effect]:
    """Believe it, unless it has been told to stop meanwhile."""
    if process.phase is not Phase.STARTING:
        return []
    process.phase = Phase.READY
    return [Changed(process.name)]


def _stop(process: Process, kill_at_ms: int) -> list[Effect]:
    """Ask it to end, and remember when patience ends."""
    match process.phase:
        case Phase.STOPPED:
            return []
        case Phase.PAUSED:
            process.phase = Phase.STOPPED
            return [Changed(process.name)]
        case Phase.STARTING | Phase.READY | Phase.STOPPING:
            process.phase = Phase.STOPPING
            process.due_ms = kill_at_ms
            return [Terminate(process.pid), Changed(process.name)] if process.pid else [Changed(process.name)]
        case _:
            assert_never(process.phase)


def _exited(process: Process, status: int, now_ms: int) -> list[Effect]:
    """Start it again, now or after a pause, unless it was asked to end."""
    process.pid = 0
    process.status = status
    if process.phase is Phase.STOPPING:
        process.phase = Phase.STOPPED
        return [Changed(process.name)]
    process.quick_deaths = 1 if now_ms - process.started_ms >= SETTLED_MS else process.quick_deaths + 1
    process.phase = Phase.PAUSED
    process.due_ms = now_ms + pause_ms(process.quick_deaths)
    return [Changed(process.name), *_due(process, now_ms)]


def _due(process: Process, now_ms: int) -> list[Effect]:
    """What time alone does: a pause ends, or patience."""
    if process.due_ms > now_ms:
        return []
    if process.phase is Phase.PAUSED:
        return _spawn(process)
    if process.phase is Phase.STOPPING and process.pid:
        process.due_ms = now_ms + KILL_AGAIN_MS
        return [Kill(process.pid)]
    return []
