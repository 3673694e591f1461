"""Debian packages without installing them: found, downloaded and read with apt and dpkg-deb.

The machine's own apt configuration says where packages come from. Its package lists are tried first; where they are
missing or stale, fresh ones are kept beside the cache, so that nothing of the machine changes and no root is needed.

Source: apt-get(8) `download --print-uris`; deb(5).
"""

from __future__ import annotations

import asyncio
import re
import subprocess
import tarfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from quickstart.errors import CommandError, QuickstartError
from quickstart.shell.commands import run

DOWNLOAD_SECONDS = 600.0
"""35 MB over a slow line."""
UPDATE_SECONDS = 300.0
POLL_SECONDS = 0.2
MEGABYTE = 1_000_000

_URI_LINE = re.compile(r"^'(?P<uri>[^']+)' (?P<file>\S+) (?P<size>\d+) (?P<digest>\S+)$")

Report = Callable[[str], None]
"""Is told what is going on, a few words at a time."""


@dataclass(frozen=True, slots=True)
class Package:
    """One package file as the archive offers it."""

    file_name: str
    size_bytes: int
    digest: str

    @property
    def name(self) -> str:
        """The package's name, without version and architecture."""
        return self.file_name.partition("_")[0]


@dataclass(frozen=True, slots=True)
class Apt:
    """One way to ask apt: with the machine's lists, or with lists of our own below `folder`."""

    folder: Path
    own_lists: bool

    @property
    def files(self) -> Path:
        """Where downloaded packages go."""
        return self.folder / "files"

    def downloaded_bytes(self) -> int:
        """How much is there already, unfinished files included."""
        return sum(path.stat().st_size for path in self.files.glob("*.deb"))

    @property
    def options(self) -> tuple[str, ...]:
        """What keeps apt out of the machine's own state; also what lets it run without root."""
        options = ["APT::Sandbox::User=root", f"Dir::Cache={self.folder}", "Acquire::Languages=none"]
        if self.own_lists:
            options.append(f"Dir::State::Lists={self.folder / 'lists'}")
        return tuple(word for option in options for word in ("-o", option))


async def fetch(folder: Path, names: Sequence[str], kernel: str, report: Report) -> list[tuple[Package, Path]]:
    """Download packages and give each with the path of its file.

    Args:
        folder: Where apt may keep its state and the files.
        names: Packages to get.
        kernel: A package that only depends on the kernel of the day; that kernel is got too.
        report: Told about every stage.

    Raises:
        QuickstartError: apt is missing, has no such package, or the download failed.
    """
    for part in ("lists/partial", "archives/partial", "files"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    failure: CommandError | None = None
    for apt in (Apt(folder, own_lists=False), Apt(folder, own_lists=True)):
        try:
            if apt.own_lists:
                report("reading Debian's package lists")
                await run("apt-get", *apt.options, "update", timeout_s=UPDATE_SECONDS)
            return await _fetch_with(apt, names, kernel, report)
        except CommandError as error:
            failure = error
    raise QuickstartError(
        f"Debian's packages for the guest image could not be had: {failure}",
        remedy="check the network and /etc/apt/sources.list; `apt-get update` must work",
    ) from failure


async def _fetch_with(apt: Apt, names: Sequence[str], kernel: str, report: Report) -> list[tuple[Package, Path]]:
    """Resolve and download with one set of package lists."""
    # The candidate comes first; a machine that has seen several kernels lists the older ones after it.
    shown = (await run("apt-cache", *apt.options, "show", "--no-all-versions", kernel)).decode()
    depends = re.search(r"^Depends: ([a-z0-9.+-]+)", shown, re.MULTILINE)
    if depends is None:
        raise CommandError(("apt-cache", "show", kernel), 0, "names no kernel it depends on")
    wanted = [*names, depends[1]]
    lines = (await run("apt-get", *apt.options, "download", "--print-uris", *wanted)).decode().splitlines()
    found = [
        Package(match["file"], int(match["size"]), match["digest"])
        for match in map(_URI_LINE.match, lines)
        if match is not None
    ]
    if len(found) != len(wanted):
        raise CommandError(("apt-get", "download", *wanted), 0, f"offers {len(found)} of {len(wanted)} packages")
    await _download(apt, wanted, sum(package.size_bytes for package in found), report)
    found.sort(key=lambda package: package.file_name)
    return [(package, apt.files / package.file_name) for package in found]


async def _download(apt: Apt, names: Sequence[str], total_bytes: int, report: Report) -> None:
    """Let apt download (it checks sizes and digests), and report how far it is meanwhile."""
    task = asyncio.create_task(
        run("apt-get", *apt.options, "download", *names, folder=apt.files, timeout_s=DOWNLOAD_SECONDS)
    )
    try:
        while not (await asyncio.wait([task], timeout=POLL_SECONDS))[0]:
            report(f"downloading {apt.downloaded_bytes() // MEGABYTE} of {total_bytes // MEGABYTE} MB from Debian")
    finally:
        task.cancel()
    await task


def read_members(package: Path, wanted: Callable[[str], bool]) -> dict[str, bytes]:
    """Read the files of a package whose path `wanted` accepts; a link gives what it points at within the package.

    Raises:
        CommandError: dpkg-deb could not read the package.
    """
    arguments = ("dpkg-deb", "--fsys-tarfile", str(package))
    files: dict[str, bytes] = {}
    links: dict[str, str] = {}
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        with tarfile.open(fileobj=process.stdout, mode="r|") as archive:
            for path, member in _accepted(archive, wanted):
                if member.issym():
                    links[path] = f"{path.rpartition('/')[0]}/{member.linkname}"
                else:
                    body = archive.extractfile(member)
                    files[path] = body.read() if body else b""
        complaint = process.stderr.read().decode(errors="replace")
    if process.returncode:
        raise CommandError(arguments, process.returncode, complaint)
    return files | {path: files[target] for path, target in links.items() if target in files}


def _accepted(archive: tarfile.TarFile, wanted: Callable[[str], bool]) -> Iterator[tuple[str, tarfile.TarInfo]]:
    """The files and links whose path, without the leading dot and slash, is wanted."""
    for member in archive:
        path = member.name.removeprefix("./")
        if (member.isfile() or member.issym()) and wanted(path):
            yield path, member
