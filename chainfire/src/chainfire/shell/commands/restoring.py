"""`chainfire snapshot restore`: from a state file to the folder of a member of a new cluster.

Every member of the new cluster is restored from the same file with the same members and token, each on its own machine.
They then agree on all ids without having spoken, and none is taken for a member of the cluster that the file is from.
"""

from __future__ import annotations

import argparse
import secrets
from dataclasses import replace
from pathlib import Path

from chainfire.config import MIB, Storage
from chainfire.core import snapshot
from chainfire.core.machine import Machine
from chainfire.core.membership import Member, Membership, cluster_id, first_members
from chainfire.core.snapshot import MalformedSnapshotError, Restore, SnapshotHead
from chainfire.errors import StorageError
from chainfire.shell import snapshots
from chainfire.shell.commands.statefile import StateFile, opened
from chainfire.shell.recovery import FIRST_INDEX, FIRST_TERM, FOLDER_MODE, LOG_FOLDER, SNAPSHOT_FOLDER
from chainfire.shell.segments import LogBrokenError, LogFullError, Origin, SegmentedLog, sync_folder
from ultracloud.raft.words import Config, NodeId
from ultracloud.servicekit.errors import ConfigError, StartError
from ultracloud.servicekit.printing import add_output_argument, print_one, remark
from ultracloud.servicekit.state_dir import open_state_dir

DEFAULT_PEER_URL = "http://localhost:2380"
"""etcd's: good enough for a member that stays alone."""
REVISION_MAX = (1 << 63) - 1


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `snapshot restore`."""
    parser.add_argument(
        "file", type=Path, metavar="FILE", help="a snapshot of etcd's or ours, or a stopped etcd's data folder"
    )
    parser.add_argument("--state-dir", type=Path, required=True, metavar="DIR", help="made; must be empty if it exists")
    parser.add_argument("--name", required=True, help="of this member")
    parser.add_argument(
        "--member",
        action="append",
        default=[],
        metavar="NAME=URL[,URL]",
        help=f"each member of the new cluster with its peer URLs (default: NAME={DEFAULT_PEER_URL})",
    )
    parser.add_argument(
        "--token", help="makes the cluster's ids its own; the same on every member (default: made from the file)"
    )
    parser.add_argument(
        "--bump-revision",
        type=int,
        default=0,
        metavar="N",
        help="go on N revisions later, so that no client sees a revision again that meant something else",
    )
    parser.add_argument(
        "--mark-compacted",
        action="store_true",
        help="forget the past, so that watches of the old cluster's clients start anew; goes with --bump-revision",
    )
    parser.add_argument(
        "--allow-missing", action="store_true", help="restore a killed etcd's database without what only its log has"
    )
    add_hash_argument(parser)
    add_output_argument(parser)
    parser.set_defaults(run=_restore)


def add_hash_argument(parser: argparse.ArgumentParser) -> None:
    """For files that were copied by hand."""
    parser.add_argument(
        "--skip-hash-check", action="store_true", help="accept an etcd database without a checksum at its end"
    )


def _restore(arguments: argparse.Namespace) -> int:
    urls = _members(arguments)
    if (arguments.bump_revision > 0) != arguments.mark_compacted:
        raise ConfigError("--bump-revision and --mark-compacted go together: watches must not miss the gap")
    _refuse_unless_empty(arguments.state_dir)
    with opened(arguments.file, skip_hash_check=arguments.skip_hash_check) as file:
        _refuse_if_missing(file, is_accepted=arguments.allow_missing)
        machine = _state(file, arguments.bump_revision)
        token = arguments.token or f"restored-{file.digest[:16]}"
        kind = file.kind
    members = first_members(urls, token)
    me = next(member for member in members if member.name == arguments.name)
    origin = Origin(cluster_id(member.member_id for member in members), me.member_id)
    _forget_old_cluster(machine, members)
    _write(arguments.state_dir, machine, origin)
    print_one(
        {
            "restored_from": kind,
            "state_dir": str(arguments.state_dir),
            "revision": machine.revision,
            "keys": machine.store.count_live(b"\x00", b"\x00"),
            "leases": len(machine.leases),
            "cluster_id": f"{origin.cluster_id:x}",
            "member_id": f"{origin.member_id:x}",
            "members": [f"{member.name}={','.join(member.peer_urls)}" for member in members],
            "token": token,
        },
        arguments.output,
    )
    if len(members) > 1:
        remark("restore every member from the same file with the same members and token, then start them")
    return 0


def _members(arguments: argparse.Namespace) -> dict[str, tuple[str, ...]]:
    """Peer URLs by name.

    Raises:
        ConfigError: They are no members, or this one is not among them.
    """
    found: dict[str, tuple[str, ...]] = {}
    for given in arguments.member or [f"{arguments.name}={DEFAULT_PEER_URL}"]:
        name, _, urls = given.partition("=")
        peers = tuple(url for url in urls.split(",") if url)
        if not name or not peers or not all(url.startswith(("http://", "https://")) for url in peers):
            raise ConfigError(f"--member {given} is no NAME=URL with a URL like http://host:2380")
        found[name] = (*found.get(name, ()), *peers)
    every = [url for peers in found.values() for url in peers]
    if len(set(every)) != len(every):
        raise ConfigError("two members have the same peer URL")
    if arguments.name not in found:
        raise ConfigError(f"no --member is named '{arguments.name}'; there are {', '.join(sorted(found))}")
    return found


def _refuse_unless_empty(folder: Path) -> None:
    try:
        if folder.exists() and any(folder.iterdir()):
            raise ConfigError(f"{folder} is not empty; name a new folder, or move the old one away first")
    except OSError as error:
        raise StartError(f"{folder}: {error.strerror}") from error


def _refuse_if_missing(file: StateFile, *, is_accepted: bool) -> None:
    """Refuse a database that lacks what its etcd had answered."""
    if file.missing and not is_accepted:
        raise StartError(
            f"{file.path} lacks the last {file.missing} changes that this etcd had logged: it was killed; start it, "
            "then end it with SIGTERM, or save a snapshot while it runs; --allow-missing restores without them"
        )


def _state(file: StateFile, bump: int) -> Machine:
    """The state in a file, `bump` revisions later."""
    file.check()
    restore = Restore()
    for frame in file.frames():
        try:
            restore.add(_bumped(frame, bump) if isinstance(frame, SnapshotHead) else frame)
        except MalformedSnapshotError as error:
            raise StartError(f"{file.path} is damaged: {error}; use another backup") from error
    return restore.machine


def _bumped(head: SnapshotHead, bump: int) -> SnapshotHead:
    if not bump:
        return head
    if not 0 < bump <= REVISION_MAX - head.revision:
        raise ConfigError(f"--bump-revision is {bump}; accepted: 1 to {REVISION_MAX - head.revision}")
    return replace(head, revision=head.revision + bump, compact_revision=head.revision + bump)


def _forget_old_cluster(machine: Machine, members: tuple[Member, ...]) -> None:
    """Members and their alarms are of the cluster that the file is from; keys, leases and users are kept."""
    machine.members = Membership(members)
    machine.alarms = set()
    machine.applied_index = FIRST_INDEX


def _write(folder: Path, machine: Machine, origin: Origin) -> None:
    """Fill a state folder. The snapshot comes first: a start that finds it without its log refuses."""
    held = open_state_dir("chainfire", folder)
    try:
        for part in (LOG_FOLDER, SNAPSHOT_FOLDER):
            (folder / part).mkdir(mode=FOLDER_MODE)
        voters = Config(frozenset(NodeId(member.member_id) for member in machine.members.all()))
        head = snapshot.head_of(machine, FIRST_TERM, origin.cluster_id, origin.member_id)
        snapshots.write_now(folder / SNAPSHOT_FOLDER, head.index, snapshot.frames_of(machine, head, voters))
        log = SegmentedLog(folder / LOG_FOLDER, Storage().segment_mib * MIB, lambda: secrets.randbits(32))
        log.begin(origin, FIRST_INDEX + 1)
        log.close()
        sync_folder(folder)
    except (LogFullError, LogBrokenError, StorageError) as error:
        raise StartError(f"{error}; empty {folder} and try again") from error
    except OSError as error:
        raise StartError(f"{error.filename or folder}: {error.strerror}; empty {folder} and try again") from error
    finally:
        held.close()
