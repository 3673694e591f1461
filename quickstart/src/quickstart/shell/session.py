"""One run's folder: claimed, filled, emptied again. Two runs never share one; nothing foreign is ever removed."""

from __future__ import annotations

import enum
import errno
import fcntl
import json
import os
import shutil
import uuid
from dataclasses import dataclass
from pathlib import Path

from quickstart.core import cluster as clusters
from quickstart.core import toml
from quickstart.core.cluster import Cluster
from quickstart.core.layout import Layout
from quickstart.errors import QuickstartError
from ultracloud.servicekit import config
from ultracloud.servicekit.errors import ConfigError
from ultracloud.servicekit.pki import TlsIdentity

FIRST_DAYS = 3
"""Of a process's first certificate, as iam's later ones: all are replaced at two thirds of their life."""
SURVIVORS = frozenset({"logs", "lock", "quickstart.json"})
"""What stays in the folder after a run: the logs, and what says that the folder is ours."""


class Phase(enum.StrEnum):
    """What the folder's marker says of its last run."""

    RUNNING = "running"
    KEPT = "kept"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class Session:
    """A claimed folder; `lock` is the descriptor that claims it, and `had_leftovers` tells of a run that was killed."""

    layout: Layout
    lock: int
    had_leftovers: bool

    def mark(self, phase: Phase) -> None:
        """Say what is going on in the folder."""
        self.layout.marker.write_text(json.dumps({"made_by": "quickstart", "phase": phase.value}) + "\n")

    def clean(self) -> None:
        """Remove all but the logs."""
        _empty(self.layout.state)
        self.mark(Phase.ENDED)


def claim(layout: Layout, *, is_kept_lost: bool = False) -> Session:
    """Take the state folder for this run, and remove what an earlier run left in it.

    Args:
        layout: Where it is.
        is_kept_lost: Whether a kept cloud that does not run any more is removed, too.

    Raises:
        QuickstartError: It cannot be written, is not ours, or another run has it.
    """
    state = layout.state
    if state.exists() and not state.is_dir():
        raise QuickstartError(f"{state} is a file, not a folder", remedy="choose another folder with --state DIR")
    if state.is_dir() and any(state.iterdir()) and not layout.marker.exists():
        raise QuickstartError(
            f"{state} is not empty and was not made by the quickstart, so nothing in it is touched",
            remedy="choose an empty or new folder with --state DIR",
        )
    try:
        return _claim(layout, is_kept_lost=is_kept_lost)
    except OSError as error:
        raise unwritable(state, error) from error


def reclaim(layout: Layout) -> Session:
    """Take the folder of a kept cloud that does not run any more, with all that is in it.

    Raises:
        QuickstartError: It runs, or another run has it.
    """
    try:
        return Session(layout, _lock(layout), had_leftovers=True)
    except OSError as error:
        raise unwritable(layout.state, error) from error


def unwritable(state: Path, error: OSError) -> QuickstartError:
    """Why nothing can be written to the state folder."""
    why = {
        errno.EROFS: "is on a read-only file system",
        errno.ENOSPC: "is on a full file system",
        errno.EDQUOT: "has used up its disk quota",
        errno.EACCES: "may not be written by this user",
        errno.EPERM: "may not be written by this user",
    }.get(error.errno or 0, f"cannot be written: {error.strerror}")
    return QuickstartError(f"the state folder {state} {why}", remedy="choose another folder with --state DIR")


def _claim(layout: Layout, *, is_kept_lost: bool) -> Session:
    """Lock the folder and empty it."""
    layout.state.mkdir(parents=True, exist_ok=True)
    lock = _lock(layout)
    if _phase(layout) is Phase.KEPT and not is_kept_lost:
        os.close(lock)
        raise QuickstartError(
            f"{layout.state} has a kept cloud that does not run any more: it was killed, or the machine restarted",
            remedy=remedy_of_ended(layout),
        )
    had_leftovers = _phase(layout) in (Phase.RUNNING, Phase.KEPT)
    session = Session(layout, lock, had_leftovers)
    _empty(layout.state)
    shutil.rmtree(layout.logs, ignore_errors=True)
    layout.logs.mkdir()
    session.mark(Phase.RUNNING)
    return session


def remedy_of_ended(layout: Layout) -> str:
    """What to do about a kept cloud that does not run any more."""
    return f"`{layout.command} --keep` starts it again as it was, `{layout.command} --stop` removes it"


def _lock(layout: Layout) -> int:
    """The descriptor that says whose the folder is."""
    lock = os.open(layout.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        raise _in_use(layout) from None
    return lock


def _in_use(layout: Layout) -> QuickstartError:
    """Who has the folder."""
    if _phase(layout) is Phase.KEPT:
        return QuickstartError(
            f"a cloud kept by an earlier --keep runs on {layout.state}",
            remedy=f"end it with `{layout.command} --stop`, or use another folder with --state DIR",
        )
    return QuickstartError(
        f"another quickstart is running on {layout.state}",
        remedy="wait for it to end, or use another folder with --state DIR",
    )


def _phase(layout: Layout) -> Phase | None:
    """What the marker says; None without one that can be read."""
    try:
        return Phase(json.loads(layout.marker.read_text())["phase"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _empty(state: Path) -> None:
    """Remove everything in the folder but what survives runs."""
    for path in state.iterdir():
        if path.name in SURVIVORS:
            continue
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()


def is_kept(layout: Layout) -> bool:
    """Whether a kept cloud runs on this folder."""
    return _phase(layout) is Phase.KEPT


def make_cluster(layout: Layout, ports: list[int], accelerator: str, python: Path) -> Cluster:
    """Decide the one configuration, and write everything that follows from it: files, folders, certificates."""
    made = Cluster(
        state=layout.state,
        cache=layout.cache,
        python=python,
        host="node-1",
        host_uuid=str(uuid.uuid4()),
        accelerator=accelerator,
        ports=dict(zip(clusters.SERVICES, ports, strict=True)),
    )
    layout.cluster.write_text(toml.render(toml.table_of(made)))
    for name, table in clusters.configurations(made).items():
        path = layout.configuration(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(toml.render(table))
    for name, text in clusters.libvirt_files(made).items():
        path = layout.libvirt / "etc" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    layout.images.mkdir()
    layout.cache.mkdir(parents=True, exist_ok=True)
    issue_certificates(made)
    return made


def load_cluster(layout: Layout) -> Cluster:
    """Read the configuration of a cloud that runs.

    Raises:
        QuickstartError: There is none in this folder.
    """
    why = ""
    if layout.cluster.exists():
        try:
            return config.load(Cluster, layout.cluster, {}, "cluster")
        except ConfigError as error:
            why = f": {error}"
    raise QuickstartError(
        f"no cloud is kept in {layout.state}{why}",
        remedy="start one with `./dev quickstart --keep`, or name its folder with --state DIR",
    )


def operator_identity(cluster: Cluster) -> TlsIdentity:
    """The certificate of the person who runs the quickstart."""
    pki = cluster.layout.pki
    stem = f"operator-{clusters.OPERATOR}"
    return TlsIdentity(certificate=pki / f"{stem}.crt", key=pki / f"{stem}.key", ca=pki / "ca.crt")


def issue_certificates(cluster: Cluster) -> None:
    """A certificate for everybody, of an authority of this cloud's own, which is made with the first ones."""
    from ultracloud.base.principals import SPIFFE_PREFIX
    from ultracloud.servicekit import pki

    layout = cluster.layout
    authority = pki.load_ca(layout.pki) if (layout.pki / "ca.key").exists() else pki.make_ca(layout.pki)
    for process, path in clusters.identities(cluster).items():
        if process == clusters.OPERATOR:
            pki.issue(authority, f"{SPIFFE_PREFIX}{path}", layout.pki)
        else:
            pki.issue(authority, f"{SPIFFE_PREFIX}{path}", layout.certificates(process), days=FIRST_DAYS)
    shutil.copyfile(layout.pki / "ca.crt", layout.authority)
    layout.authority.chmod(0o644)
