"""From a state folder to a member that can take part: newest snapshot first, then the log after it.

A folder always has a snapshot, since a new member writes one of its beginning: who the members are is part of the
state. Only what is known to be committed may be applied, so what the log holds is handed to Raft, which finds out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from chainfire.core import snapshot, wal
from chainfire.core.machine import Machine
from chainfire.core.membership import Member, Membership
from chainfire.core.work import command_of
from chainfire.errors import StorageError
from chainfire.shell import snapshots
from chainfire.shell.segments import Log, LogBrokenError, LogFullError, Origin, SegmentedLog, sync_folder
from ultracloud.base.faults import Fault
from ultracloud.raft.words import NOBODY, Config, Entry, HardState, NodeId, Restored, SnapshotMark

LOG_FOLDER = "log"
SNAPSHOT_FOLDER = "snapshots"
FOLDER_MODE = 0o700
FIRST_INDEX, FIRST_TERM = 1, 1
"""The beginning of a cluster stands for an entry: who joins later has not got it, and so is sent the state."""
NOTHING = SnapshotMark()
_REPAIR = (
    "restore the state folder from a backup; or, if other members live, remove this member from the cluster, empty the "
    "folder and let it join again (chainfire member replace)"
)


@dataclass(frozen=True, slots=True)
class Founding:
    """Who a member without any state is.

    Attributes:
        members: Everybody there is, itself included.
        is_new: They begin a cluster; otherwise it joins one, and its leader will send it the state.
    """

    cluster_id: int
    member_id: int
    members: tuple[Member, ...]
    is_new: bool = True


@dataclass(slots=True)
class Recovered:
    """A member that can take part.

    Attributes:
        restored: What Raft is told.
        mark: Which snapshot the machine is.
        snapshot_bytes: Size of that snapshot.
        kept_bytes: What the log holds after it.
    """

    machine: Machine
    log: Log
    cluster_id: int
    member_id: int
    restored: Restored
    mark: SnapshotMark
    snapshot_bytes: int
    kept_bytes: int


def recover(
    folder: Path,
    segment_bytes: int,
    entropy: Callable[[int], bytes],
    found: Callable[[], Founding],
    *,
    force_new: bool = False,
) -> Recovered:
    """Open a state folder, or make a new one.

    Args:
        folder: The folder.
        segment_bytes: Size of new files of the log.
        entropy: Random bytes.
        found: Says who this member is; asked only if the folder does not say it.
        force_new: Forget all other members: the way out when most are lost.

    Raises:
        StorageError: Something on disk is damaged or missing, or the disk is full.
        OSError: The folder cannot be used.
    """
    for part in (folder, folder / LOG_FOLDER, folder / SNAPSHOT_FOLDER):
        part.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
    for name in snapshots.UNFINISHED_NAMES:
        (folder / SNAPSHOT_FOLDER / name).unlink(missing_ok=True)
    log = SegmentedLog(folder / LOG_FOLDER, segment_bytes, lambda: int.from_bytes(entropy(4), "big"))
    payloads = list(log.replay())
    path = snapshots.newest(folder / SNAPSHOT_FOLDER)
    try:
        if path is None:
            # A log that was begun and never written to is what a crash in the very beginning leaves.
            _refuse_without_snapshot(folder, payloads)
            path = _begin(folder, log, found())
        recovered = _read(folder, log, payloads, path)
        if force_new:
            recovered = _alone(folder, recovered)
    except (LogFullError, LogBrokenError) as error:
        raise StorageError(f"the log cannot be written: {error}; free some space and start again") from error
    sync_folder(folder)
    return recovered


def _refuse_without_snapshot(folder: Path, payloads: Sequence[wal.Payload]) -> None:
    if payloads:
        raise StorageError(f"{folder / LOG_FOLDER} holds records but {folder / SNAPSHOT_FOLDER} no snapshot; {_REPAIR}")


def _begin(folder: Path, log: SegmentedLog, founding: Founding) -> Path:
    """Make the first segment and the snapshot of the beginning; give the snapshot's path."""
    mark = NOTHING
    if founding.is_new:
        voters = frozenset(NodeId(each.member_id) for each in founding.members)
        mark = SnapshotMark(FIRST_INDEX, FIRST_TERM, Config(voters))
    if log.is_new:
        log.begin(Origin(founding.cluster_id, founding.member_id), mark.index + 1)
    machine = Machine()
    machine.members = Membership(founding.members)
    machine.applied_index = mark.index
    return _write_snapshot(folder, machine, mark, log.origin)


def _write_snapshot(folder: Path, machine: Machine, mark: SnapshotMark, origin: Origin) -> Path:
    head = snapshot.head_of(machine, mark.term, origin.cluster_id, origin.member_id)
    return snapshots.write_now(folder / SNAPSHOT_FOLDER, mark.index, snapshot.frames_of(machine, head, mark.config))


def _read(folder: Path, log: SegmentedLog, payloads: Sequence[wal.Payload], path: Path) -> Recovered:
    """Read the snapshot, and take what the log has after it."""
    restore = snapshots.load(path)
    head = restore.head
    assert head is not None, path
    if log.is_new:
        raise StorageError(f"{path} is there but the log is not; {_REPAIR}")
    if log.origin.cluster_id != head.cluster_id:
        raise StorageError(f"{path} is of another cluster than the log beside it; {_REPAIR}")
    mark = SnapshotMark(head.index, head.term, restore.config)
    tail = tail_of(payloads)
    state, entries = joined(folder, mark, tail)
    if not entries and (tail.last_index, tail.last_term) != (mark.index, mark.term):
        log.append_mark(wal.Mark(state, mark.index, mark.term))
    return Recovered(
        machine=restore.machine,
        log=log,
        cluster_id=log.origin.cluster_id,
        member_id=log.origin.member_id,
        restored=Restored(mark, entries, state, mark.index),
        mark=mark,
        snapshot_bytes=path.stat().st_size,
        kept_bytes=sum(len(each.body) + wal.ENTRY_OVERHEAD_BYTES for each in entries),
    )


@dataclass(frozen=True, slots=True)
class Tail:
    """What a log says after all that was replaced in it.

    Attributes:
        state: The newest hard state; None if it has no record.
        start: The mark it begins behind: index and term; zeros if its beginning was dropped.
        entries: Its entries, without gaps.
    """

    state: HardState | None
    start: tuple[int, int]
    entries: tuple[Entry, ...]

    @property
    def last_index(self) -> int:
        """Where it ends."""
        return self.entries[-1].index if self.entries else self.start[0]

    @property
    def last_term(self) -> int:
        """The term there."""
        return self.entries[-1].term if self.entries else self.start[1]


def tail_of(payloads: Iterable[wal.Payload]) -> Tail:
    """Read records one after another.

    Raises:
        StorageError: Entries are missing between two of them.
    """
    state: HardState | None = None
    entries: list[Entry] = []
    start = (0, 0)
    for payload in payloads:
        state = payload.state
        if isinstance(payload, wal.Mark):
            entries, start = [], (payload.index, payload.term)
        elif payload.entries:
            first = payload.entries[0].index
            base = entries[0].index if entries else start[0] + 1 if start[0] else first
            if first > base + len(entries):
                raise StorageError(f"the log goes on with entry {first} after {base + len(entries) - 1}; {_REPAIR}")
            del entries[max(0, first - base) :]
            entries += payload.entries
    return Tail(state, start, tuple(entries))


def joined(folder: Path, mark: SnapshotMark, tail: Tail) -> tuple[HardState, tuple[Entry, ...]]:
    """Hard state, and the entries that follow a snapshot.

    Raises:
        StorageError: What is between the two is missing.
    """
    entries = tail.entries
    found = tail.state or HardState()
    # A leader's snapshot may be of a term in which nothing else is on this disk: nobody was voted for in it.
    vote = found.vote if found.term >= mark.term else NOBODY
    state = HardState(max(found.term, mark.term), vote, max(found.commit, mark.index))
    first = entries[0].index if entries else tail.last_index + 1
    if first > mark.index + 1:
        raise StorageError(
            f"the log in {folder} begins with entry {first}, but the snapshot ends with {mark.index}: a segment or a "
            f"snapshot is missing; {_REPAIR}"
        )
    at = mark.index - first
    if at >= len(entries) or (at >= 0 and entries[at].term != mark.term):
        # A crash came between a leader's snapshot and the record that the log begins anew. What the log says instead
        # was never committed.
        return state, ()
    return state, entries[at + 1 :]


def _alone(folder: Path, found: Recovered) -> Recovered:
    """Apply all that the log holds, as if this member had been elected, and begin anew with it alone.

    What others may have committed is gone; what this member has, it cannot know to be unanswered.
    """
    machine, restored = found.machine, found.restored
    term = found.mark.term
    for each in restored.entries:
        apply_offline(machine, each)
        term = each.term
    me = machine.members.find(found.member_id) or Member(found.member_id)
    # Removed as if by command: one of the others that turns up again is refused, and ends, instead of waiting for ever.
    gone = {each.member_id for each in machine.members.all()} - {me.member_id}
    machine.members = Membership([replace(me, is_learner=False)], machine.members.removed | gone)
    machine.store.take_changes()
    mark = SnapshotMark(machine.applied_index, term, Config(frozenset({NodeId(found.member_id)})))
    state = HardState(restored.hard_state.term + 1, NOBODY, mark.index)
    path = _write_snapshot(folder, machine, mark, Origin(found.cluster_id, found.member_id))
    found.log.append_mark(wal.Mark(state, mark.index, mark.term))
    return replace(
        found,
        restored=Restored(mark, (), state, mark.index),
        mark=mark,
        snapshot_bytes=path.stat().st_size,
        kept_bytes=0,
    )


def apply_offline(machine: Machine, found: Entry) -> None:
    """Apply an entry of a log that nobody serves.

    Raises:
        StorageError: It cannot be read.
    """
    try:
        command = command_of(found)
    except ValueError as error:
        raise StorageError(
            f"entry {found.index} of the log cannot be read: {error}; was it written by a newer version?"
        ) from error
    if command is None:
        machine.skip(found.index)
        return
    with suppress(Fault):
        # A refusal is the command's result, now as it was then.
        machine.apply(found.index, command)
