"""From a state folder to a running state: the newest snapshot, then the log after it.

Whatever cannot be right ends the start with the file and the offset: a node that guesses is worse than one that stops.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from chainfire.core import entry, wal
from chainfire.core.machine import Machine
from chainfire.core.snapshot import Restore
from chainfire.errors import StorageError
from chainfire.shell import snapshots
from chainfire.shell.segments import Log, LogBrokenError, LogFullError, Origin, SegmentedLog, sync_folder
from ultracloud.base.faults import Fault

LOG_FOLDER = "log"
SNAPSHOT_FOLDER = "snapshots"
FOLDER_MODE = 0o700
ID_BYTES = 8


@dataclass(slots=True)
class Recovered:
    """A state that is ready to serve.

    Attributes:
        snapshot_bytes: Size of the snapshot it came from, 0 without one.
        replayed: Entries of the log that came after that.
        replayed_bytes: What they take in the log.
    """

    machine: Machine
    log: Log
    cluster_id: int
    member_id: int
    term: int
    snapshot_bytes: int
    replayed: int
    replayed_bytes: int


def recover(folder: Path, segment_bytes: int, entropy: Callable[[int], bytes]) -> Recovered:
    """Open a state folder, or make a new one.

    Raises:
        StorageError: Something on disk is damaged or missing, or the disk is full.
        OSError: The folder cannot be used.
    """
    for part in (folder, folder / LOG_FOLDER, folder / SNAPSHOT_FOLDER):
        part.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
    for name in (snapshots.UNFINISHED_NAME, snapshots.EXPORT_NAME):
        (folder / SNAPSHOT_FOLDER / name).unlink(missing_ok=True)
    path = snapshots.newest(folder / SNAPSHOT_FOLDER)
    restored = snapshots.load(path) if path is not None else None
    machine = Machine() if restored is None else restored.machine
    log = SegmentedLog(folder / LOG_FOLDER, segment_bytes, lambda: int.from_bytes(entropy(4), "big"))
    from_snapshot = machine.applied_index
    state, replayed_bytes = _replay(log, machine)
    _check_belong_together(path, restored, log)
    try:
        if log.is_new:
            log.begin(Origin(_new_id(entropy), _new_id(entropy)))
        origin = log.origin
        state = wal.HardState(state.term + 1 if state else 1, origin.member_id)
        log.append_hard_state(state, machine.applied_index + 1)
    except (LogFullError, LogBrokenError) as error:
        raise StorageError(f"the log cannot be written: {error}; free some space and start again") from error
    sync_folder(folder)
    return Recovered(
        machine,
        log,
        origin.cluster_id,
        origin.member_id,
        state.term,
        path.stat().st_size if path is not None else 0,
        machine.applied_index - from_snapshot,
        replayed_bytes,
    )


def _check_belong_together(path: Path | None, restored: Restore | None, log: SegmentedLog) -> None:
    """Refuse a snapshot without its log: what was promised after it would be gone without a word."""
    if restored is None or restored.head is None:
        return
    if log.is_new:
        raise StorageError(f"{path} is there but the log is not; restore the state folder from a backup")
    if log.origin != Origin(restored.head.cluster_id, restored.head.member_id):
        raise StorageError(
            f"{path} is of another member than the log beside it; restore the state folder from a backup"
        )


def _replay(log: Log, machine: Machine) -> tuple[wal.HardState | None, int]:
    """Apply what the log has and the machine has not; give the last hard state, and the bytes of what was applied."""
    state: wal.HardState | None = None
    replayed_bytes = 0
    for payload in log.replay():
        if isinstance(payload, wal.HardState):
            state = payload
        else:
            for each in payload.entries:
                if each.index > machine.applied_index:
                    _apply(machine, each)
                    replayed_bytes += len(each.body) + wal.ENTRY_OVERHEAD_BYTES
    machine.store.take_changes()
    return state, replayed_bytes


def _apply(machine: Machine, found: wal.Entry) -> None:
    if found.index != machine.applied_index + 1:
        raise StorageError(
            f"the log goes on with entry {found.index}, but the state ends with {machine.applied_index}: "
            "a segment or a snapshot is missing; restore the state folder from a backup"
        )
    try:
        command = entry.decode(found.body)
    except entry.MalformedEntryError as error:
        raise StorageError(
            f"entry {found.index} of the log cannot be read: {error}; was it written by a newer version?"
        ) from error
    with suppress(Fault):
        # A refusal is the command's result, now as it was then.
        machine.apply(found.index, command)


def _new_id(entropy: Callable[[int], bytes]) -> int:
    """A random id that is not 0, which etcd's clients take for none."""
    return int.from_bytes(entropy(ID_BYTES), "big") | 1
