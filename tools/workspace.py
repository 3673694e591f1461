"""The members of the workspace, read from the root pyproject so that there is one list."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True, slots=True)
class Member:
    """One package of the workspace."""

    name: str
    folder: Path

    @property
    def source(self) -> Path:
        """What mypy and the style test read."""
        return self.folder / "src"

    @property
    def tests(self) -> Path:
        """Where its tests are."""
        return self.folder / "tests"

    @property
    def dependencies(self) -> tuple[str, ...]:
        """Names of the distributions it declares."""
        project = tomllib.loads((self.folder / "pyproject.toml").read_text())["project"]
        return tuple(project["dependencies"])

    @property
    def distribution(self) -> str:
        """Name of its own distribution."""
        return str(tomllib.loads((self.folder / "pyproject.toml").read_text())["project"]["name"])


def members() -> tuple[Member, ...]:
    """All members, libraries first."""
    patterns = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["uv"]["workspace"]["members"]
    order = ["base", "raft", "api", "testkit", "wire", "servicekit"]
    folders = [folder for pattern in patterns for folder in ROOT.glob(pattern) if (folder / "pyproject.toml").exists()]
    folders.sort(key=lambda folder: (order.index(folder.name) if folder.name in order else len(order), folder.name))
    return tuple(Member(folder.name, folder) for folder in folders)


MEMBERS = members()
