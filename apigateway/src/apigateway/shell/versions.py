"""The traffic file: read again when it changes, kept in versions, and the way back.

A file that is wrong changes nothing: the gateway says why, in its log and in `/metrics`, and serves on by the last good
one, also over a restart. Every good one is kept in the state folder; `apigateway rollback` puts an older one in the
file's place, where the running gateway finds it like any other change, so that the file always says what is in force.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Callable, Collection
from datetime import UTC, datetime
from pathlib import Path

from apigateway.config import GatewaySettings
from apigateway.core.traffic import Traffic, check_names
from ultracloud.servicekit import config as configuration
from ultracloud.servicekit.clock import Clock
from ultracloud.servicekit.errors import ConfigError, StartError
from ultracloud.servicekit.files import write_atomically
from ultracloud.servicekit.lifecycle import Command
from ultracloud.servicekit.printing import Cell, add_output_argument, print_rows

CHECK_S = 1.0
"""How often the file is looked at."""
KEPT_MAX = 32
"""Versions that are kept."""
FOLDER = "traffic"
_log = logging.getLogger(__name__)


class Versions:
    """Versions of the traffic file.

    Args:
        path: The file; None keeps the defaults for ever.
        state_dir: Where versions are kept.
        operations: What may be named.
    """

    def __init__(self, path: Path | None, state_dir: Path, operations: Collection[str]) -> None:
        self._path = path
        self._folder = state_dir / FOLDER
        self._operations = operations
        self._stamp: tuple[int, ...] = ()
        self.is_refused = False
        """Whether what the file says now is not in force."""

    def first(self) -> Traffic:
        """What is in force at the start: the file, or the last good version of it.

        Raises:
            ConfigError: The file is wrong, and there was no good one before.
        """
        if self._path is None:
            return Traffic()
        self._stamp = _stamp(self._path)
        try:
            return self._accepted(self._path)
        except ConfigError as error:
            kept = kept_versions(self._folder)
            if not kept:
                raise
            self.is_refused = True
            _log.warning("%s; version %d of it stays in force", error, kept[-1])
            return load(self._folder / name_of(kept[-1]), self._operations)

    async def watch(self, use: Callable[[Traffic], None], clock: Clock) -> None:
        """Look at the file for ever, and use what it says when it changes."""
        while self._path is not None:
            await clock.sleep(CHECK_S)
            self.look(use)

    def look(self, use: Callable[[Traffic], None]) -> None:
        """Use what the file says if it has changed; a wrong one is told and changes nothing."""
        stamp = _stamp(self._path) if self._path is not None else ()
        if self._path is None or stamp == self._stamp:
            return
        self._stamp = stamp
        try:
            use(self._accepted(self._path))
        except ConfigError as error:
            self.is_refused = True
            _log.warning("%s; what was before stays in force", error)
        else:
            self.is_refused = False
            _log.info("traffic changed", extra={"version": self.number})

    @property
    def number(self) -> int:
        """The newest version; 0 before the first."""
        return max(kept_versions(self._folder), default=0)

    def _accepted(self, path: Path) -> Traffic:
        """What the file says, kept as a version if it is another one."""
        traffic = load(path, self._operations)
        text, kept = path.read_bytes(), kept_versions(self._folder)
        if not kept or (self._folder / name_of(kept[-1])).read_bytes() != text:
            self._folder.mkdir(exist_ok=True)
            write_atomically(self._folder / name_of((kept[-1] if kept else 0) + 1), text)
            for old in kept[: max(0, len(kept) + 1 - KEPT_MAX)]:
                (self._folder / name_of(old)).unlink(missing_ok=True)
        return traffic


def load(path: Path, operations: Collection[str]) -> Traffic:
    """What a traffic file says.

    Raises:
        ConfigError: It cannot be read, or says what it may not.
    """
    traffic = configuration.load(Traffic, path, {}, "APIGATEWAY_TRAFFIC")
    try:
        check_names(traffic, operations)
    except ValueError as error:
        raise ConfigError(f"{path}: {error}") from error
    return traffic


def name_of(version: int) -> str:
    """The file that a version is kept in."""
    return f"{version:06d}.toml"


def kept_versions(folder: Path) -> list[int]:
    """Versions that are kept, the oldest first."""
    return sorted(int(path.stem) for path in folder.glob("*.toml") if path.stem.isdigit())


def _stamp(path: Path) -> tuple[int, ...]:
    """What changes when a file does; empty while there is none."""
    try:
        found = path.stat()
    except OSError:
        return ()
    return (found.st_mtime_ns, found.st_size, found.st_ino)


def _list(arguments: argparse.Namespace) -> int:
    """Print the versions and when each came, the one in force last."""
    settings = _settings(arguments)
    folder = settings.state_dir / FOLDER
    kept = kept_versions(folder)
    rows: list[dict[str, Cell]] = [
        {"version": one, "since": _since(folder / name_of(one)), "in_force": one == kept[-1]} for one in kept
    ]
    print_rows(rows, arguments.output)
    return 0


def _since(path: Path) -> str:
    """When a file came, in UTC."""
    return datetime.fromtimestamp(path.stat().st_mtime, UTC).isoformat(timespec="seconds")


def _roll_back(arguments: argparse.Namespace) -> int:
    """Put a version in the file's place."""
    settings = _settings(arguments)
    folder = settings.state_dir / FOLDER
    kept = kept_versions(folder)
    wanted = arguments.version or (kept[-2] if len(kept) > 1 else 0)
    if settings.traffic is None or wanted not in kept:
        raise StartError(
            f"apigateway: there is no version {wanted or 'before this one'}; `apigateway versions` lists them"
        )
    write_atomically(settings.traffic, (folder / name_of(wanted)).read_bytes())
    sys.stdout.write(f"{settings.traffic} is version {wanted} again; a running gateway uses it within {CHECK_S:g} s\n")
    return 0


def _settings(arguments: argparse.Namespace) -> GatewaySettings:
    return configuration.load(GatewaySettings, arguments.config, os.environ, "APIGATEWAY")


def _configure(
    run: Callable[[argparse.Namespace], int], *, numbered: bool
) -> Callable[[argparse.ArgumentParser], None]:
    def configure(parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--config", type=Path, help="the gateway's TOML file")
        if numbered:
            parser.add_argument("version", type=int, nargs="?", default=0, help="without it, the one before")
        else:
            add_output_argument(parser)
        parser.set_defaults(run=run)

    return configure


COMMANDS = (
    Command("versions", "list the versions of the traffic file", _configure(_list, numbered=False)),
    Command("rollback", "put an older version of the traffic file in force", _configure(_roll_back, numbered=True)),
)
