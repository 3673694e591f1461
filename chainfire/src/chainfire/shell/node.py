"""One member: the state machine, its log, its watches, and what happens by itself as time passes.

Everything here runs on the loop. Reads are answered from memory: with one member the state that was applied is the
state that was committed, so every read is linearizable.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

from chainfire.core import render
from chainfire.core.commands import (
    Alarm,
    AlarmAction,
    AlarmSet,
    Command,
    Compact,
    LeaseCheckpoint,
    LeaseRevoke,
)
from chainfire.core.expiry import Expiry
from chainfire.core.keyvalue import NO_LEASE, LeaseId
from chainfire.core.machine import adds
from chainfire.core.results import LeaseGranted, Result
from chainfire.core.wal import HardState
from chainfire.core.watch import WatchHub, WatchStream
from chainfire.errors import NoSpaceError
from chainfire.shell.committer import Committer, LogThread
from chainfire.shell.housekeeping import Housekeeping
from chainfire.shell.recovery import Recovered
from chainfire.shell.segments import LogBrokenError, LogFullError
from ultracloud.base.faults import Fault

TICK_S = 0.5
"""How often expired leases are looked for: etcd's."""
_log = logging.getLogger("chainfire.node")

AnswerT = TypeVar("AnswerT")


@dataclass(frozen=True, slots=True)
class Bounds:
    """How large things may get.

    Attributes:
        quota_bytes: Stored bytes from which on the NOSPACE alarm is raised.
        snapshot_log_bytes: Log written since the last snapshot that asks for the next one, or that snapshot's own size
            if it is more: then no more than half of what is written is snapshots.
        history_revisions: Revisions kept for watches and past reads; 0 keeps all that nobody compacts.
        progress_s: Seconds between progress answers to watches that asked for them.
    """

    quota_bytes: int
    snapshot_log_bytes: int
    history_revisions: int
    progress_s: float


class Node:
    """One member.

    Attributes:
        cluster_id: Of all members together.
        member_id: Of this one.
        term: How often a member of this log began to lead.
        headers: Renders response headers.
    """

    def __init__(self, folder: Path, state: Recovered, bounds: Bounds, now_ms: Callable[[], int]) -> None:
        self.machine = state.machine
        self.cluster_id = state.cluster_id
        self.member_id = state.member_id
        self.term = state.term
        self.headers = render.HeaderRenderer(state.cluster_id, state.member_id, state.term)
        self.expiry = Expiry()
        self.hub = WatchHub(self.machine.store)
        self.bounds = bounds
        self._log = state.log
        self._now_ms = now_ms
        self._thread = LogThread()
        self.committer = Committer(
            state.log, self._thread, self.machine.applied_index + 1, state.term, self._apply, self._publish
        )
        self.housekeeping = Housekeeping(folder, state, self._thread, bounds.snapshot_log_bytes)
        self._wakes: dict[WatchStream, asyncio.Event] = {}
        self._revoking: set[LeaseId] = set()
        self._raising: set[Alarm] = set()
        self._progress_ms = now_ms()
        self.expiry.lead(self.machine.leases.all(), now_ms())

    @property
    def revision(self) -> int:
        """The store's newest revision."""
        return self.machine.store.revision

    @property
    def now_ms(self) -> int:
        """The node's own time."""
        return self._now_ms()

    @property
    def streams_open(self) -> int:
        """How many streams of watches are open."""
        return len(self._wakes)

    @property
    def log_bytes(self) -> int:
        """Bytes logged since the start."""
        return self._log.bytes_appended

    def propose(self, command: Command, answer: Callable[[Result], AnswerT]) -> asyncio.Future[AnswerT]:
        """Have a command logged and applied, and answer with what `answer` makes of its result.

        Raises:
            NoSpaceError: It adds to a store that is over its quota.
            EtcdError: As `Committer.propose`.
        """
        if self.machine.alarms:
            # Here and not only when it is applied: what is left of a full disk is for what frees space.
            self.machine.refuse_under_alarm(command)
        if self.machine.store.stored_bytes > self.bounds.quota_bytes and adds(command):
            self.raise_alarm(Alarm.NOSPACE)
            raise NoSpaceError
        return self.committer.propose(command, answer)

    def raise_alarm(self, alarm: Alarm) -> None:
        """Raise an alarm of this member, unless it is raised or about to be."""
        if (self.member_id, alarm) not in self.machine.alarms and alarm not in self._raising:
            _log.warning("alarm %s is raised; free space, then disarm it", alarm.name)
            self._raising.add(alarm)
            command = AlarmSet(AlarmAction.ACTIVATE, self.member_id, alarm)
            self._propose_quietly(command, partial(self._raising.discard, alarm))

    def troubles(self) -> list[str]:
        """Why writes are refused now, one sentence each."""
        found = [f"memberID:{member} alarm:{alarm.name} " for member, alarm in sorted(self.machine.alarms)]
        if self.committer.failure:
            found.append(f"the log cannot be written: {self.committer.failure}; restart the server")
        if self.committer.is_full:
            found.append("the disk is full; free some space")
        return found

    def open_stream(self) -> tuple[WatchStream, asyncio.Event]:
        """A new stream of watches, and the event that is set when it has something to take."""
        stream, wake = WatchStream(self.hub), asyncio.Event()
        self._wakes[stream] = wake
        return stream, wake

    def close_stream(self, stream: WatchStream) -> None:
        """End a stream and its watches."""
        stream.close()
        del self._wakes[stream]

    async def run_ticks(self) -> None:
        """Do what time asks for, until cancelled."""
        while True:
            await asyncio.sleep(TICK_S)
            now = self._now_ms()
            self._expire_leases(now)
            self._report_progress(now)
            self._compact_history()
            if not self._log.has_room:
                self._thread.submit(self._make_spare)

    async def stop(self) -> None:
        """Take no more commands, answer those that were taken, and close the log."""
        await self.committer.stop()
        self._thread.submit(self._seal)
        self._thread.stop()
        self._log.close()

    def _apply(self, index: int, command: Command) -> Result:
        result = self.machine.apply(index, command)
        if isinstance(result, LeaseGranted):
            self.expiry.add(result.lease, result.ttl_s, self._now_ms())
        elif isinstance(command, LeaseRevoke):
            self.expiry.remove(command.lease)
        return result

    def _publish(self) -> None:
        """Give what a batch changed to the watches."""
        for stream in self.hub.publish(self.machine.store.take_changes()):
            self._wakes[stream].set()
        if not self._log.has_room:
            # There is one segment left. It is for what frees space.
            self.raise_alarm(Alarm.NOSPACE)

    def _expire_leases(self, now: int) -> None:
        for lease in self.expiry.expired(now):
            if lease not in self._revoking:
                self._revoking.add(lease)
                self._propose_quietly(LeaseRevoke(lease), partial(self._revoking.discard, lease))
        for remaining in self.expiry.checkpoints(now):
            self._propose_quietly(LeaseCheckpoint(remaining))

    def renew(self, lease: LeaseId) -> int:
        """Give a lease its whole time again; its seconds, or 0 if it is gone."""
        found = self.machine.leases.find(lease)
        if lease == NO_LEASE or found is None or not self.expiry.renew(lease, self._now_ms()):
            return 0
        if found.remaining_s:
            # Or a restart would count from the checkpoint and let the lease die early.
            self._propose_quietly(LeaseCheckpoint(((lease, 0),)))
        return found.ttl_s

    def _report_progress(self, now: int) -> None:
        if now - self._progress_ms >= self.bounds.progress_s * 1000:
            self._progress_ms = now
            for stream, wake in self._wakes.items():
                if stream.tick_progress():
                    wake.set()

    def _compact_history(self) -> None:
        """Keep the history at its bound; a tenth over it makes compaction worth its walk."""
        kept, store = self.bounds.history_revisions, self.machine.store
        if kept and store.revision - max(store.compact_revision, 0) > kept + kept // 10:
            self._propose_quietly(Compact(store.revision - kept))

    def _seal(self) -> None:
        """In the log's thread: write one more record, so that damage to the last batch cannot pass for a torn tail."""
        try:
            self._log.append_hard_state(HardState(self.term, self.member_id), self.machine.applied_index + 1)
        except (LogFullError, LogBrokenError) as error:
            _log.warning("the log is not sealed: %s", error)

    def _make_spare(self) -> None:
        """In the log's thread: make the next segment ahead, if there is room by now."""
        try:
            self._log.make_spare()
        except LogBrokenError as error:
            _log.error("no segment can be made ahead: %s", error)

    def _propose_quietly(self, command: Command, ended: Callable[[], None] | None = None) -> None:
        """Propose what nobody waits for; if it is refused, a later tick tries again."""
        try:
            answer = self.committer.propose(command, lambda result: result)
        except Fault as refusal:
            _log.info("%s was not logged: %s", type(command).__name__, refusal)
            if ended is not None:
                ended()
            return
        answer.add_done_callback(lambda done: _end_quietly(done, ended))


def _end_quietly(done: asyncio.Future[Result], ended: Callable[[], None] | None) -> None:
    if not done.cancelled() and done.exception() is not None:
        _log.info("a command of our own was refused: %s", done.exception())
    if ended is not None:
        ended()
