"""Where the command line keeps what: the directories of the XDG specification.

Source: XDG Base Directory Specification 0.8.
"""

from __future__ import annotations

import os
from pathlib import Path

from ultracloud.cli.core.settings import PROJECT_FILE

FOLDER = "ultracloud"
LEVELS_MAX = 64
"""Directories that are looked at upwards for a project file."""


def config_folder() -> Path:
    """Contexts and credentials."""
    return _base("XDG_CONFIG_HOME", ".config") / FOLDER


def cache_folder() -> Path:
    """What may be thrown away: names for completion."""
    return _base("XDG_CACHE_HOME", ".cache") / FOLDER


def contexts_file() -> Path:
    """The contexts."""
    return config_folder() / "config.toml"


def credential_file(context: str) -> Path:
    """What `uc login` has got for a context."""
    return config_folder() / "credentials" / f"{context}.json"


def project_file(start: Path) -> Path | None:
    """The nearest project file at or above a directory, up to the home directory."""
    home = Path.home()
    for level, folder in enumerate([start, *start.parents]):
        if level > LEVELS_MAX:
            return None
        found = folder / PROJECT_FILE
        if found.is_file():
            return found
        if folder == home:
            return None
    return None


def _base(variable: str, below_home: str) -> Path:
    given = os.environ.get(variable, "")
    # The specification has relative paths ignored.
    return Path(given) if given.startswith("/") else Path.home() / below_home
