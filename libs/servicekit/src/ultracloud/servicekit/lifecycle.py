"""A service's life: arguments, configuration, state folder, build, ready, signals, drain, end.

`main` is all that a service's `__main__` calls. Whatever goes wrong before it serves is one sentence on stderr and an
exit code; what goes wrong later is logged and ends the process, because a supervisor restarts the whole.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import importlib
import logging
import os
import resource
import signal
import sys
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeVar

from ultracloud.base.faults import Fault
from ultracloud.servicekit import config as configuration
from ultracloud.servicekit import logs, systemd
from ultracloud.servicekit.doors import parse_address
from ultracloud.servicekit.errors import StartError
from ultracloud.servicekit.replacement import finish_replacement
from ultracloud.servicekit.runtime import Runtime, identity_of
from ultracloud.servicekit.settings import Settings
from ultracloud.servicekit.state_dir import open_state_dir

if TYPE_CHECKING:
    from ultracloud.servicekit.coordination import Coordination

STOP_S = 10.0
"""Seconds a service gets to put its state in order after the last call; a log is flushed in far less."""
GC_THRESHOLDS = (20_000, 10, 20)
"""Thirty times the default: with a thousand streams open, the collector would often stop the loop for 40 ms."""
EXIT_FORCED = 1
EXIT_INTERRUPTED = 130
"""As a shell has it of a program that SIGINT ended."""
SHELLS = ("bash", "fish", "zsh")
"""Those whose completion the command `completion` prints."""

SettingsT = TypeVar("SettingsT", bound=Settings)


class Service(Protocol):
    """What `build` may give: something to stop when no more calls come."""

    async def stop(self) -> None:
        """Flush and close; must be done within STOP_S."""
        ...


Build = Callable[[SettingsT, Runtime], Awaitable[Service | None]]
"""Builds a service: opens its state, starts its tasks in `runtime.tasks`, and awaits `runtime.serve(...)` last."""


@dataclass(frozen=True, slots=True)
class Command:
    """A command of a service besides `serve` and `check-config`.

    Attributes:
        about: One line for `--help`.
        configure: Adds arguments, or further commands below it, and sets the default `run`: a function of the parsed
            arguments that gives the exit code and raises StartError. Called only where the command is used.
    """

    name: str
    about: str
    configure: Callable[[argparse.ArgumentParser], None]


def late(module: str, function: str = "configure") -> Callable[[argparse.ArgumentParser], None]:
    """A command's `configure` that is imported when the command is used: a server's start is mostly imports."""

    def configure(parser: argparse.ArgumentParser) -> None:
        getattr(importlib.import_module(module), function)(parser)

    return configure


def main(
    name: str,
    config_cls: type[SettingsT],
    build: Build[SettingsT],
    argv: Sequence[str] | None = None,
    commands: Sequence[Command] = (),
) -> int:
    """Run the service's command line and give the exit code: 0 well, 1 failed, 2 wrong usage or configuration.

    Args:
        name: The service's name: its program, its environment prefix, its SPIFFE id.
        config_cls: Its configuration.
        build: See `Build`.
        argv: Arguments, if not the process's.
        commands: What the service can do besides.
    """
    words = sys.argv[1:] if argv is None else argv
    is_whole = words[:1] == ["completion"]
    parser = _arguments(name, [each for each in commands if is_whole or each.name in words], commands)
    arguments = parser.parse_args(words)
    if arguments.command is None:
        parser.print_usage(sys.stderr)
        return 2
    if arguments.command == "completion":
        from ultracloud.servicekit import completion

        sys.stdout.write(completion.script(parser, arguments.shell))
        return 0
    try:
        if "run" in arguments:
            return _run(arguments)
        settings = configuration.load(config_cls, arguments.config, os.environ, _prefix(name))
        # Before the state folder is touched: a wrong address leaves nothing half-made.
        parse_address(settings.listen.address)
        if not (arguments.command == "check-config" and arguments.no_files):
            identity_of(settings)
        if arguments.command == "check-config":
            sys.stdout.write(f"{arguments.config or 'environment'}: ok\n")
            return 0
        return run(name, settings, build, logs.configure(name, settings.log.level, settings.log.file))
    except StartError as error:
        text = str(error)
        sys.stderr.write(f"{text if text.startswith(name + ':') else f'{name}: {text}'}\n")
        return error.exit_code


def _run(arguments: argparse.Namespace) -> int:
    """Run a command that serves nothing."""
    try:
        code = int(arguments.run(arguments))
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever read the answer has enough of it; at its end Python would try to write the rest again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_FORCED
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    return code


def _arguments(name: str, used: Sequence[Command], besides: Sequence[Command]) -> argparse.ArgumentParser:
    """The command line, in which only the commands that are `used` have their arguments."""
    parser = argparse.ArgumentParser(prog=name, description=f"UltraCloud's {name}.")
    parser.add_argument("--version", action=_Version, nargs=0, help="print the version")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    for command, about in (("serve", "run the service"), ("check-config", "check the configuration and exit")):
        sub = commands.add_parser(command, help=about)
        sub.add_argument("--config", type=Path, help=f"TOML file; {_prefix(name)}_* variables override it")
        if command == "check-config":
            # Where a configuration is built, the machine it is for and its certificates are not there.
            sub.add_argument("--no-files", action="store_true", help="do not ask for the files that it names")
    for each in besides:
        sub = commands.add_parser(each.name, help=each.about, description=f"{each.about.capitalize()}.")
        if each in used:
            each.configure(sub)
    commands.add_parser("completion", help="print what makes a shell complete these commands").add_argument(
        "shell", choices=SHELLS
    )
    return parser


def _prefix(name: str) -> str:
    """What the service's environment variables begin with: ``PRISMNET_AGENT`` of ``prismnet-agent``."""
    return name.upper().replace("-", "_").replace(".", "_")


class _Version(argparse.Action):
    """Prints the distribution's version; looked up only then, because that is slow."""

    def __call__(self, parser: argparse.ArgumentParser, *_rest: object) -> None:
        from importlib import metadata

        try:
            version = metadata.version(f"ultracloud-{parser.prog}")
        except metadata.PackageNotFoundError:
            version = "unknown"
        sys.stdout.write(f"{parser.prog} {version}\n")
        parser.exit()


def run(name: str, settings: SettingsT, build: Build[SettingsT], log: logging.Logger) -> int:
    """Serve until a signal, and give the exit code: for a program with a command line of its own.

    Raises:
        StartError: It cannot start, or something ended it.
    """
    import uvloop

    _raise_file_limit()
    state = open_state_dir(name, settings.state_dir)
    if (identity := identity_of(settings)) is not None and settings.tls.renew:
        finish_replacement(identity)
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(_live(name, settings, build, log))
    except BaseExceptionGroup as group:
        raise _first_reason(name, group, log) from group
    finally:
        state.close()


class _StoppedError(Exception):
    """Ends the task group once the service has stopped; never leaves this module."""


async def _live(name: str, settings: SettingsT, build: Build[SettingsT], log: logging.Logger) -> int:
    """Build, announce, wait for a signal, stop."""
    signals = _Signals()
    exit_code = 0
    runtime: Runtime | None = None
    try:
        async with asyncio.TaskGroup() as tasks:
            runtime = Runtime(name, settings, tasks, log)
            service = await signals.unless_first(build(settings, runtime))
            if not signals.is_stopping:
                _announce(runtime, tasks)
                await signals.first.wait()
            exit_code = await _stop(runtime, service, signals)
            raise _StoppedError  # noqa: TRY301 - a task group has no other way to end its tasks
    except* _StoppedError:
        pass
    finally:
        if runtime is not None:
            await runtime.close()
    return exit_code


class _Signals:
    """SIGTERM and SIGINT: the first asks to stop, the second not to wait."""

    def __init__(self) -> None:
        self.first = asyncio.Event()
        self.second = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._take)

    def _take(self) -> None:
        (self.second if self.first.is_set() else self.first).set()

    @property
    def is_stopping(self) -> bool:
        """Whether a signal has come."""
        return self.first.is_set()

    async def unless_first(self, work: Awaitable[Service | None]) -> Service | None:
        """What `work` gives; None if a signal came first."""
        task = asyncio.ensure_future(work)
        asked = asyncio.ensure_future(self.first.wait())
        await asyncio.wait({task, asked}, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            asked.cancel()
            return task.result()
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            return await task
        return None


def _announce(runtime: Runtime, tasks: asyncio.TaskGroup) -> None:
    """Tell systemd that we serve, and everybody when we are ready."""
    # What lives until now lives for ever: the collector need not look at it again. Nor once more before that: it found
    # nothing, and took 20 ms, a twelfth of a start.
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)
    if runtime.settings.tls.renew:
        runtime.renew_certificate()
    systemd.notify("READY=1")
    tasks.create_task(_tell_ready(runtime), name="tell ready")
    beat_s = systemd.watchdog_s()
    if beat_s is not None:
        tasks.create_task(_beat(beat_s), name="watchdog")
    if runtime.settings.peers.chainfire and runtime.addresses:
        tasks.create_task(_register(runtime, runtime.coordination()), name="register")


async def _tell_ready(runtime: Runtime) -> None:
    """Print the ready line once nothing is waited for."""
    waiting = runtime.readiness.waiting_for()
    if waiting:
        runtime.log.info("waiting for %s", ", ".join(waiting))
        systemd.notify(f"STATUS=waiting for {', '.join(waiting)}")
    await runtime.readiness.wait_ready()
    runtime.log.info("ready", extra={"addresses": runtime.addresses})
    systemd.notify("STATUS=ready")
    with contextlib.suppress(OSError):  # nobody reads stdout: the log has it too
        sys.stdout.write(" ".join(["ready", runtime.name, *runtime.addresses]) + "\n")
        sys.stdout.flush()


async def _beat(beat_s: float) -> None:
    """Tell systemd that the loop turns."""
    while True:
        systemd.notify("WATCHDOG=1")
        await asyncio.sleep(beat_s)


async def _register(runtime: Runtime, coordination: Coordination) -> None:
    """Keep this instance in chainfire's list of services."""
    from ultracloud.servicekit.coordination import register

    await register(coordination, runtime.name, runtime.addresses[0], runtime.clock)


async def _stop(runtime: Runtime, service: Service | None, signals: _Signals) -> int:
    """Drain, then stop the service; a second signal or too long a wait forces it."""
    runtime.log.info("stopping")
    systemd.notify("STOPPING=1")
    drained = asyncio.ensure_future(runtime.drain())
    forced = asyncio.ensure_future(signals.second.wait())
    await asyncio.wait({drained, forced}, return_when=asyncio.FIRST_COMPLETED)
    exit_code = 0 if drained.done() else EXIT_FORCED
    for task in (drained, forced):
        task.cancel()
    try:
        async with asyncio.timeout(STOP_S):
            if service is not None:
                await service.stop()
    except TimeoutError:
        runtime.log.critical("not stopped within %g s", STOP_S)
        exit_code = EXIT_FORCED
    return exit_code


def _first_reason(name: str, group: BaseExceptionGroup[BaseException], log: logging.Logger) -> StartError:
    """The sentence for stderr about what ended the service; all of it goes to the log."""
    for error in _leaves(group):
        if isinstance(error, StartError):
            return error
    first = next(iter(_leaves(group)))
    log.critical("a task failed", exc_info=first)
    said = first.public if isinstance(first, Fault) else f"{type(first).__name__}: {first}"
    return StartError(f"{name}: ended by {said}; the log has the details")


def _leaves(group: BaseExceptionGroup[BaseException]) -> list[BaseException]:
    """The errors in a group of groups."""
    found: list[BaseException] = []
    for error in group.exceptions:
        found.extend(_leaves(error) if isinstance(error, BaseExceptionGroup) else [error])
    return found


def _raise_file_limit() -> None:
    """Use as many files as the machine allows: each connection is one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
