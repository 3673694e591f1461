"""Group commit: commands go into the log in batches, and are applied and answered when their batch is durable.

While one batch is being synced the next one gathers, so the busier the server, the larger the batches and the fewer
the syncs. The disk is waited for in a thread; everything else happens on the loop, without a task for each request. The
next sync starts before the last batch is applied, so disk and processor work at the same time.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from queue import SimpleQueue
from typing import Any, NamedTuple, TypeVar

from chainfire.core import entry
from chainfire.core.commands import Command
from chainfire.core.results import Result
from chainfire.errors import LogFailedError, NoSpaceError, RequestTooLargeError, StoppedError, TooManyRequestsError
from chainfire.shell.segments import Log, LogBrokenError, LogFullError
from ultracloud.base.faults import Fault

REQUEST_BYTES_MAX = 1536 * 1024
"""etcd's limit of one request."""
BATCH_BYTES_MAX = 1 << 20
"""Bytes after which a batch takes no more; with one request on top a record stays well below a segment."""
BATCH_COMMANDS_MAX = 2000
"""Commands after which it takes no more: they are applied in one go, which takes about 10 ms."""
WAITING_BYTES_MAX = 64 << 20
"""Bytes that may wait for the disk: a second of a slow one. More are refused rather than held."""
WAITING_COMMANDS_MAX = 50_000
"""Commands that may wait: each takes a kilobyte beside its bytes, and more would outlive their callers' deadlines."""

GATHER_S = 0.0001
"""How long an idle disk waits for callers that were answered together to come back together. A sync takes longer, and
one sync for ten callers is quicker for all of them than one for the first and another for the rest."""

AnswerT = TypeVar("AnswerT")
_log = logging.getLogger("chainfire.log")


class _Proposal(NamedTuple):
    command: Command
    body: bytes
    answer: asyncio.Future[Any]
    render: Callable[[Result], Any]


class LogThread:
    """The one thread that touches the log's files; jobs run in order."""

    def __init__(self) -> None:
        self._jobs: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="chainfire-log", daemon=True)
        self._thread.start()

    def submit(self, job: Callable[[], None]) -> None:
        """Run a job, which raises nothing."""
        self._jobs.put(job)

    def stop(self) -> None:
        """Finish what was submitted, then end."""
        self._jobs.put(None)
        self._thread.join()

    def _run(self) -> None:
        while (job := self._jobs.get()) is not None:
            job()


class Committer:
    """The way of every command.

    Args:
        log: Open for appending; from now on touched by `thread` only.
        thread: Where the disk is waited for.
        next_index: Index of the next entry.
        term: Term of all entries.
        apply: Applies one command at its index.
        applied: Called after each batch was applied.

    Attributes:
        failure: Why nothing can be logged any more; empty while all is well.
        is_full: The last batch found no room on the disk.
    """

    def __init__(
        self,
        log: Log,
        thread: LogThread,
        next_index: int,
        term: int,
        apply: Callable[[int, Command], Result],
        applied: Callable[[], None],
    ) -> None:
        self.failure = ""
        self.is_full = False
        self._log = log
        self._thread = thread
        self._next_index = next_index
        self._term = term
        self._apply = apply
        self._applied = applied
        self._loop = asyncio.get_running_loop()
        self._waiting: deque[_Proposal] = deque()
        self._waiting_bytes = 0
        self._is_syncing = False
        self._last_batch = 0
        self._gathered = 0
        self._gather_until_s = 0.0
        self._is_stopping = False
        self._crash: asyncio.Future[None] = self._loop.create_future()
        self._idle = asyncio.Event()
        self._idle.set()

    def propose(self, command: Command, render: Callable[[Result], AnswerT]) -> asyncio.Future[AnswerT]:
        """Log a command, apply it, and answer with what `render` makes of its result.

        Raises:
            RequestTooLargeError: It is over REQUEST_BYTES_MAX.
            TooManyRequestsError: Too much waits for the disk already.
            LogFailedError: The log cannot be written.
            StoppedError: The server is stopping.
        """
        body = entry.encode(command)
        size = len(body)
        if size > REQUEST_BYTES_MAX:
            raise RequestTooLargeError
        if self._waiting_bytes + size > WAITING_BYTES_MAX or len(self._waiting) >= WAITING_COMMANDS_MAX:
            raise TooManyRequestsError
        if self.failure:
            raise LogFailedError(f"the log cannot be written: {self.failure}; restart the server")
        if self._is_stopping:
            raise StoppedError
        answer: asyncio.Future[AnswerT] = self._loop.create_future()
        self._waiting.append(_Proposal(command, body, answer, render))
        self._waiting_bytes += size
        if not self._is_syncing:
            self._is_syncing = True
            self._idle.clear()
            self._gathered = 0
            self._gather_until_s = time.monotonic() + GATHER_S
            # At the end of this turn of the loop: all that this turn reads goes into one batch.
            self._loop.call_soon(self._gather)
        return answer

    async def wait_crash(self) -> None:
        """Wait for ever; raises what logging or applying a command raised, which no command may."""
        await self._crash

    async def stop(self) -> None:
        """Take no more commands and wait until those that were taken are answered."""
        self._is_stopping = True
        await self._idle.wait()

    def _gather(self) -> None:
        """Start the batch, unless it is smaller than the last one and every turn of the loop still adds to it."""
        count = len(self._waiting)
        if self._gathered < count < self._last_batch and time.monotonic() < self._gather_until_s:
            self._gathered = count
            self._loop.call_soon(self._gather)
        else:
            self._start()

    def _start(self) -> None:
        """Hand the next batch to the thread."""
        batch: list[_Proposal] = []
        size = 0
        waiting = self._waiting
        while waiting and size < BATCH_BYTES_MAX and len(batch) < BATCH_COMMANDS_MAX:
            proposal = waiting.popleft()
            size += len(proposal.body)
            batch.append(proposal)
        self._last_batch = len(batch)
        self._waiting_bytes -= size
        first_index = self._next_index
        self._next_index += len(batch)
        self._thread.submit(lambda: self._sync(first_index, batch))

    def _sync(self, first_index: int, batch: Sequence[_Proposal]) -> None:
        """In the thread: make a batch durable, and say so to the loop."""
        refusal: LogFullError | LogBrokenError | None = None
        try:
            self._log.append_batch(first_index, self._term, [proposal.body for proposal in batch])
        except (LogFullError, LogBrokenError) as error:
            refusal = error
        except BaseException as error:
            self._loop.call_soon_threadsafe(self._crash.set_exception, error)
            raise
        self._loop.call_soon_threadsafe(self._synced, first_index, batch, refusal)

    def _synced(
        self, first_index: int, batch: Sequence[_Proposal], refusal: LogFullError | LogBrokenError | None
    ) -> None:
        """On the loop: apply what is durable and answer it; start the next sync first."""
        if refusal is not None:
            self._next_index = first_index
            self._refuse(batch, refusal)
        self.is_full = isinstance(refusal, LogFullError)
        if self._waiting:
            self._start()
        else:
            self._is_syncing = False
        if refusal is None:
            try:
                self._apply_all(first_index, batch)
            except BaseException as error:
                # A callback's error would only be logged, and a state that is half changed would go on serving.
                self._crash.set_exception(error)
                raise
        if not self._is_syncing:
            self._idle.set()

    def _apply_all(self, first_index: int, batch: Sequence[_Proposal]) -> None:
        apply = self._apply
        for index, (command, _, answer, render) in enumerate(batch, first_index):
            try:
                result = apply(index, command)
            except Fault as refusal:
                if not answer.done():
                    answer.set_exception(refusal)
                continue
            if not answer.done():
                answer.set_result(render(result))
        self._applied()

    def _refuse(self, batch: Sequence[_Proposal], refusal: LogFullError | LogBrokenError) -> None:
        """Answer what could not be logged. After a broken log, everything that waits besides."""
        if isinstance(refusal, LogBrokenError):
            _log.error("the log is broken, writes stop: %s", refusal)
            self.failure = str(refusal)
            batch = [*batch, *self._waiting]
            self._waiting.clear()
            self._waiting_bytes = 0
        elif not self.is_full:
            _log.error("the disk is full, writes stop: %s", refusal)
        for proposal in batch:
            if not proposal.answer.done():
                proposal.answer.set_exception(_fault_of(refusal))


def _fault_of(refusal: LogFullError | LogBrokenError) -> Fault:
    if isinstance(refusal, LogFullError):
        return NoSpaceError(detail=str(refusal))
    return LogFailedError(
        "the log could not be written, so the change may or may not be there after a restart", detail=str(refusal)
    )
