"""Every command of etcdctl, against etcd and against chainfire, and the table of it in the README.

`UPDATE_GOLDENS=1 pytest tests/compat` writes the table anew.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from difflib import unified_diff
from pathlib import Path

import pytest
from compat.programs import CHAINFIRE, member, needs, program, release
from compat.reasons import REASONS
from compat.section import check_section
from compat.talk import Talk

HERE = Path(__file__).parent
VERSIONS = ("3.4", "3.5")


@dataclass(frozen=True, slots=True)
class Row:
    """What a row of the table found: how many lines were said, and which answers differ."""

    said: int
    differences: tuple[str, ...]


def rows() -> dict[str, list[str]]:
    """The lines of `commands.txt` by their row."""
    found: dict[str, list[str]] = {}
    lines: list[str] = []
    for line in (HERE / "commands.txt").read_text().splitlines():
        if line.startswith("== "):
            lines = found.setdefault(line[3:], [])
        elif line and not line.startswith("#"):
            lines.append(line)
    return found


def compared(version: str, folder: Path) -> dict[str, Row]:
    """All rows, said to an etcd of a version and to a chainfire, through that version's programs."""
    etcd, etcdctl = program("etcd", version), program("etcdctl", version)
    assert etcd is not None
    assert etcdctl is not None
    etcdutl = program("etcdutl", version)
    with (
        member([etcd], folder / "etcd") as theirs,
        member(CHAINFIRE, folder / "chainfire") as ours,
        ThreadPoolExecutor(2) as side,
    ):
        talks = [
            Talk(etcdctl, etcdutl, server.addresses[0], folder / f"files-{number}")
            for number, server in enumerate((theirs, ours))
        ]
        found: dict[str, Row] = {}
        for name, lines in rows().items():
            differences = []
            for line in lines:
                wanted, got = side.map(lambda talk, line=line: talk.say(line), talks)
                if wanted != got:
                    differences.append(difference(line, wanted, got))
            found[name] = Row(sum(line[0] not in "?&" for line in lines), tuple(differences))
        for talk in talks:
            talk.close()
        return found


def difference(line: str, wanted: str, got: str) -> str:
    """What a person reads of two answers."""
    lines = unified_diff(wanted.splitlines(), got.splitlines(), "etcd", "chainfire", lineterm="", n=0)
    return "\n".join([f"> {line}", *lines])


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Row]]:
    """All rows by version."""
    folders = [tmp_path_factory.mktemp(f"v{version}") for version in VERSIONS]
    with ThreadPoolExecutor(len(VERSIONS)) as pool:
        found = pool.map(compared, VERSIONS, folders)
        return dict(zip(VERSIONS, found, strict=True))


@needs("3.4")
@needs("3.5")
@pytest.mark.timeout(180)
def test_each_command_is_answered_as_etcd_answers_it_or_the_reason_is_known(table: dict[str, dict[str, Row]]) -> None:
    unexplained = [
        text
        for found in table.values()
        for name, row in found.items()
        if name not in REASONS
        for text in row.differences
    ]
    assert not unexplained, "\n\n".join(unexplained)


@needs("3.4")
@needs("3.5")
def test_the_readme_has_the_table_of_commands(table: dict[str, dict[str, Row]]) -> None:
    lines = [f"| etcdctl | {' | '.join(release(program('etcdctl', version) or '') for version in VERSIONS)} | |"]
    lines.append("|---|---|---|---|")
    for name in rows():
        cells = [cell(table[version][name]) for version in VERSIONS]
        differs = any(table[version][name].differences for version in VERSIONS)
        lines.append(f"| {name} | {' | '.join(cells)} | {REASONS.get(name, '') if differs else ''} |")
    check_section("commands", "\n".join(lines))


def cell(row: Row) -> str:
    """How alike the answers were."""
    if not row.differences:
        return f"same ({row.said})"
    return f"{row.said - len(row.differences)} of {row.said}"
