"""Watches: which changes go to which stream, in order, each exactly once.

A watch is *synced* when it has seen everything up to the present: changes are then pushed to its stream as they are
applied. A watch from a past revision, or one whose reader is slow, is *lagging*: it is pushed nothing and reads from
history instead, some at a time as its stream is drained, until it has caught up. So a stream holds a bounded number of
changes however slow its reader.

The shell calls `publish` after each batch of the log, waits for streams that `take` would give something, and sends.

Source: etcd 3.5 semantics of the Watch RPC.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

from chainfire.core.intervals import Intervals
from chainfire.core.keyvalue import FROM_KEY, KeyValue, Record, covers, key_of, revision_of, unpack
from chainfire.core.mvcc import Mvcc

BACKLOG_CHANGES_MAX = 4096
"""Changes that wait in one stream before its watches lag: a batch of the log fits, a stalled reader is cheap."""
CATCH_UP_RECORDS = 1024
"""Records of history that one step of a lagging watch looks at: about half a millisecond."""
ANSWERS_MAX = 1024
"""Answers that may wait in one stream: from there on a client that asks and does not read waits for itself."""
WATCHES_PER_STREAM_MAX = 100_000
"""A client that opens more than this on one stream is broken."""
ALL_WATCHES = -1
"""Watch id of answers that are about the whole stream, or about a watch that could not be made."""


class Change(NamedTuple):
    """One record as a watch sees it; `previous` only where it was asked for and is kept."""

    record: KeyValue
    previous: KeyValue | None


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a client wants to watch.

    Attributes:
        watch_id: 0 lets the stream choose.
        start_revision: 0 is from now on; less is from the very first, as in etcd.
    """

    key: bytes
    end: bytes = b""
    start_revision: int = 0
    watch_id: int = 0
    puts: bool = True
    deletes: bool = True
    prev_kv: bool = False
    progress: bool = False
    fragment: bool = False


@dataclass(frozen=True, slots=True)
class Created:
    """The watch is there and sees everything after `revision`, or from where it was asked to start."""

    revision: int
    watch_id: int


@dataclass(frozen=True, slots=True)
class Canceled:
    """Nothing more comes for this watch.

    Attributes:
        refused: The watch could not be made at all.
        compacted: Not 0: what it was to start from is compacted; this is the oldest revision kept.
    """

    revision: int
    watch_id: int
    reason: str = ""
    refused: bool = False
    compacted: int = 0


@dataclass(frozen=True, slots=True)
class Progress:
    """Everything up to `revision` has been sent."""

    revision: int
    watch_id: int


@dataclass(slots=True)
class Changes:
    """Changes of whole revisions, in order; grows until it is taken.

    Attributes:
        revision: The store's when the last of them was added.
    """

    revision: int
    watch_id: int
    fragment: bool
    changes: list[Change] = field(default_factory=list)


Answer: TypeAlias = Created | Canceled | Progress | Changes


@dataclass(slots=True, eq=False)
class Watch:
    """One watch.

    Attributes:
        next_revision: Changes before it are not wanted, or have been given.
        pending: The answer that waits in the stream and can still grow.
        quiet: Nothing was sent since the last periodic progress answer.
    """

    stream: WatchStream
    watch_id: int
    wanted: Wanted
    next_revision: int
    pending: Changes | None = None
    quiet: bool = True

    def change(self, store: Mvcc, record: KeyValue, bare: Change | None = None) -> Change | None:
        """The change this watch sees of a record in its range; None if it is filtered.

        Args:
            store: What is watched.
            record: What became of the key.
            bare: The same without what was before, to be shared by all watches that do not ask for that.
        """
        if not (self.wanted.puts if record.version else self.wanted.deletes):
            return None
        if self.wanted.prev_kv:
            return Change(record, store.before(record))
        return bare or Change(record, None)


class WatchHub:
    """All streams, and which watches want a key.

    Args:
        store: What is watched.
        backlog_max: Changes that wait in one stream before its watches lag.
        step_records: Records of history that one step of a lagging watch looks at.
    """

    def __init__(
        self, store: Mvcc, backlog_max: int = BACKLOG_CHANGES_MAX, step_records: int = CATCH_UP_RECORDS
    ) -> None:
        self.store = store
        self.backlog_max = backlog_max
        self.step_records = step_records
        self.synced: Intervals[Watch] = Intervals()
        self._published = store.revision

    def restart(self, streams: Iterable[WatchStream]) -> None:
        """The store has become another one: what watches have not been given they read from its history."""
        for stream in streams:
            stream.fall_behind(self._published)
        self._published = self.store.revision

    def publish(self, records: Iterable[Record]) -> Collection[WatchStream]:
        """Give records that were just applied, whole revisions, to the watches that want them.

        Returns:
            The streams that now have something to take. Those of one connection, mostly opened one after another, are
            also told so: its client can read while others are still rendered for.
        """
        ready: dict[WatchStream, None] = {}
        full: set[WatchStream] = set()
        for packed in records if self.synced else ():
            groups = self.synced.covering(key_of(packed))
            if not groups:
                continue
            record = unpack(packed)
            bare = Change(record, None)
            for group in groups:
                for watch in group:
                    stream = watch.stream
                    if record.mod_revision < watch.next_revision or stream in full:
                        continue
                    # Fullness is judged once a batch, or a revision could be pushed in part.
                    if stream not in ready and stream.is_full:
                        full.add(stream)
                        continue
                    change = watch.change(self.store, record, bare)
                    if change is not None:
                        stream.push(watch, change)
                        ready[stream] = None
        for stream in full:
            stream.fall_behind(self._published)
        self._published = self.store.revision
        return ready.keys()


class WatchStream:
    """The watches of one RPC and what waits to be sent on it."""

    def __init__(self, hub: WatchHub) -> None:
        self._hub = hub
        self._watches: dict[int, Watch] = {}
        self._lagging: dict[Watch, None] = {}
        self._answers: deque[Answer] = deque()
        self._waiting_changes = 0
        self._wants_progress = False
        self._next_id = 0

    @property
    def is_full(self) -> bool:
        """Whether more changes wait than a stream may hold."""
        return self._waiting_changes >= self._hub.backlog_max

    @property
    def is_clogged(self) -> bool:
        """Whether so many answers wait that no more should be asked for."""
        return len(self._answers) >= ANSWERS_MAX

    @property
    def has_answers(self) -> bool:
        """Whether `take` would give something, perhaps after some steps."""
        return bool(self._answers or self._lagging or self._wants_progress)

    @property
    def counts(self) -> tuple[int, int, int]:
        """How many watches there are, how many of them lag, and how many changes wait."""
        return len(self._watches), len(self._lagging), self._waiting_changes

    def create(self, wanted: Wanted) -> None:
        """Make a watch, or answer why not."""
        revision = self._hub.store.revision
        refusal = self._refusal(wanted)
        if refusal:
            self.refuse(refusal)
            return
        watch_id = wanted.watch_id or self._free_id()
        start = max(1, wanted.start_revision) if wanted.start_revision else revision + 1
        watch = Watch(self, watch_id, wanted, start)
        self._watches[watch_id] = watch
        self._answers.append(Created(revision, watch_id))
        if start > revision:
            self._hub.synced.add(wanted.key, wanted.end, watch)
        else:
            self._lagging[watch] = None

    def refuse(self, reason: str) -> None:
        """Answer that a watch cannot be made."""
        self._answers.append(Canceled(self._hub.store.revision, ALL_WATCHES, reason, refused=True))

    def cancel(self, watch_id: int) -> None:
        """End a watch; one that does not exist is passed over, as etcd does."""
        watch = self._watches.get(watch_id)
        if watch is not None:
            self._end(watch)
            self._answers.append(Canceled(self._hub.store.revision, watch_id))

    def request_progress(self) -> None:
        """Answer how far the stream has come, as soon as no watch lags; as in etcd, one without watches has no way."""
        self._wants_progress = bool(self._watches)

    def tick_progress(self) -> bool:
        """Answer how far each watch has come that asked to be told now and then; True if any was due."""
        due = [w for w in self._watches.values() if w.wanted.progress and w.quiet and w not in self._lagging]
        for watch in due:
            watch.pending = None
            self._answers.append(Progress(self._hub.store.revision, watch.watch_id))
        for watch in self._watches.values():
            watch.quiet = True
        return bool(due)

    def close(self) -> None:
        """End all watches."""
        for watch in list(self._watches.values()):
            self._end(watch)
        self._answers.clear()

    def push(self, watch: Watch, change: Change) -> None:
        """Add a change to what waits; called by the hub for watches that are synced."""
        self._pending_of(watch).changes.append(change)
        self._waiting_changes += 1

    def fall_behind(self, given: int) -> None:
        """Let every synced watch, which was given everything up to `given`, read from history what comes after."""
        for watch in self._watches.values():
            if watch not in self._lagging:
                watch.next_revision = max(watch.next_revision, given + 1)
                self._hub.synced.remove(watch.wanted.key, watch.wanted.end, watch)
                self._lagging[watch] = None

    def take(self) -> list[Answer]:
        """Give what is to be sent now, in order; empty if there is nothing. Does one step for a lagging watch."""
        if not self._answers and self._lagging:
            self._catch_up(next(iter(self._lagging)))
        if self._wants_progress and not self._lagging:
            self._wants_progress = False
            self._answers.append(Progress(self._hub.store.revision, ALL_WATCHES))
        taken = list(self._answers)
        self._answers.clear()
        self._waiting_changes = 0
        for answer in taken:
            if isinstance(answer, Changes):
                self._note_taken(answer)
        return taken

    def _note_taken(self, answer: Changes) -> None:
        watch = self._watches.get(answer.watch_id)
        if watch is not None:
            watch.pending = None
            watch.quiet = False

    def _pending_of(self, watch: Watch) -> Changes:
        """The answer that can take more changes of a watch."""
        revision = self._hub.store.revision
        if watch.pending is None:
            watch.pending = Changes(revision, watch.watch_id, watch.wanted.fragment)
            self._answers.append(watch.pending)
        watch.pending.revision = revision
        return watch.pending

    def _catch_up(self, watch: Watch) -> None:
        """Read some history for a lagging watch; it is synced once there is no more."""
        store, wanted = self._hub.store, watch.wanted
        if watch.next_revision < store.compact_revision:
            self._end(watch)
            self._answers.append(Canceled(store.revision, watch.watch_id, compacted=store.compact_revision))
            return
        if wanted.end:
            records, more = store.history.read(watch.next_revision, self._hub.step_records)
        else:
            records, more = store.versions_from(wanted.key, watch.next_revision, self._hub.step_records)
        seen = (watch.change(store, unpack(r)) for r in records if covers(wanted.key, wanted.end, key_of(r)))
        changes = [change for change in seen if change is not None]
        if changes:
            self._pending_of(watch).changes.extend(changes)
        del self._lagging[watch]
        if more:
            watch.next_revision = revision_of(records[-1]) + 1
            # At the end of the queue: watches that lag take turns.
            self._lagging[watch] = None
        else:
            # Not lower than it was: a watch may wait for a revision that has not happened.
            watch.next_revision = max(watch.next_revision, store.revision + 1)
            self._hub.synced.add(wanted.key, wanted.end, watch)

    def _end(self, watch: Watch) -> None:
        del self._watches[watch.watch_id]
        if watch in self._lagging:
            del self._lagging[watch]
        else:
            self._hub.synced.remove(watch.wanted.key, watch.wanted.end, watch)

    def _refusal(self, wanted: Wanted) -> str:
        """Why a watch cannot be made; empty if it can."""
        if wanted.end and wanted.end != FROM_KEY and wanted.end <= wanted.key:
            return "mvcc: watcher range is empty"
        if wanted.watch_id in self._watches and wanted.watch_id:
            return "mvcc: duplicate watch ID provided on the WatchStream"
        if wanted.watch_id < 0 or len(self._watches) >= WATCHES_PER_STREAM_MAX:
            return f"chainfire: watch IDs are 1 or more, and at most {WATCHES_PER_STREAM_MAX} watches share a stream"
        return ""

    def _free_id(self) -> int:
        while self._next_id in self._watches:
            self._next_id += 1
        free, self._next_id = self._next_id, self._next_id + 1
        return free


class Part(NamedTuple):
    """Some changes of an answer, sent as a message of their own; `fragment` says that their revision goes on."""

    changes: list[Change]
    fragment: bool


def parts(answer: Changes, size_of: Callable[[Change], int], bytes_max: int) -> Iterator[Part]:
    """Split an answer into messages of about `bytes_max`.

    A revision stays in one message unless the watch accepts fragments, since a client may stop between messages.
    """
    part: list[Change] = []
    filled = 0
    for change in answer.changes:
        size = size_of(change)
        if part and filled + size > bytes_max:
            goes_on = part[-1].record.mod_revision == change.record.mod_revision
            if answer.fragment or not goes_on:
                yield Part(part, goes_on)
                part, filled = [], 0
        part.append(change)
        filled += size
    yield Part(part, fragment=False)
