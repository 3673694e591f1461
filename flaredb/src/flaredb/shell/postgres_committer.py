"""Group commit on PostgreSQL: many callers' transactions in one database transaction, and what follows a lost session.

One task commits. While PostgreSQL has one batch, writes gather for the next. When the session is lost, writes are
refused at once and a new session is sought; it tells whether the batch that was under way was committed, so its callers
get a true answer if it comes within OUTCOME_WAIT_S, and are told that nobody knows if it does not.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence

from flaredb.core.commands import Commit, DeleteRange, Outcome, Txn
from flaredb.core.keys import encode
from flaredb.errors import closing
from flaredb.shell.disk import SYNC_BUCKETS_S
from flaredb.shell.postgres_errors import SPOKEN, away, key_too_long, outcome_unknown
from flaredb.shell.postgres_session import Writer
from flaredb.shell.postgres_store import CommitLostError, PostgresStore, Staged
from flaredb.shell.waiting import AnyWaiting, ResultT, WaitingWrites, answer, tell
from ultracloud.base.faults import Fault
from ultracloud.servicekit.metrics import Times

ENCODED_BYTES_MAX = 2600
"""An entry of PostgreSQL's B-tree is a third of a page, 2704 bytes, with the version and its headers."""
CHECK_S = 5.0
"""Seconds without a write after which the session is tried: who is superseded or cut off must not wait for a caller."""
RETRY_S_MIN, RETRY_S_MAX = 0.05, 2.0
"""Seconds between attempts to connect: a restart takes about one, a failover some ten."""
OUTCOME_WAIT_S = 10.0
"""Seconds that callers of a batch wait to hear what became of it; few have a longer deadline."""

_log = logging.getLogger("flaredb.commit")

Reopen = Callable[[int], Awaitable[Writer | None]]


class PostgresCommitter:
    """Runs transactions of many callers in batches, one at a time.

    Attributes:
        is_connected: Whether the writer's session stands; without it writes are refused.
        times: How long batches that write waited.
    """

    def __init__(
        self,
        store: PostgresStore,
        *,
        now_ms: Callable[[], int],
        reopen: Reopen,
        committed: Callable[[Sequence[Commit]], None],
        connected: Callable[[bool], None],
    ) -> None:
        """Take transactions on the running loop.

        Args:
            store: Nobody else commits in it.
            now_ms: Wall time.
            reopen: A new writer's session after the one of this epoch; None if it must be asked again later.
            committed: Told of each batch's commits, once readers see them.
            connected: Told when the session is lost, and when there is another.
        """
        self._store = store
        self._now_ms = now_ms
        self._reopen = reopen
        self._committed = committed
        self._connected = connected
        self._waiting = WaitingWrites()
        self._wake = asyncio.Event()
        self._is_closed = False
        self.is_connected = True
        self.times = Times(SYNC_BUCKETS_S)
        self._listen()

    @property
    def waiting_count(self) -> int:
        """Writes that no batch has yet."""
        return len(self._waiting)

    def submit(self, txn: Txn, deliver: Callable[[Outcome], ResultT]) -> asyncio.Future[ResultT]:
        """Queue a transaction that `limits.check_txn` passed.

        Args:
            txn: Dropped if its future is cancelled before its batch begins.
            deliver: Makes the future's result of the outcome. If that is a refusal, the future fails instead: with
                FailedPreconditionError, and nothing was written.

        Raises:
            UnavailableError: Too much waits already, PostgreSQL is away, or the server stops. Nothing was queued.
            InvalidArgumentError: A key is longer than PostgreSQL's indexes take.
        """
        if self._is_closed:
            raise closing()
        if not self.is_connected:
            raise away("the writer's session is lost")
        _check_keys(txn)
        future = self._waiting.add(txn, deliver, asyncio.get_running_loop())
        self._wake.set()
        return future

    def close(self) -> None:
        """Refuse new writes; `run` ends when those that wait are done."""
        self._is_closed = True
        self._wake.set()

    async def run(self) -> None:
        """Commit until `close`.

        Raises:
            SupersededError: Another flaredb is the schema's writer; the process must end.
            DatabaseError: PostgreSQL came back with less than it had confirmed; the same.
        """
        while self._waiting or not self._is_closed:
            if self._store.connection.is_closed():
                await self._recover(None, [])
            elif not self._waiting:
                await self._rest()
            else:
                await self._run_batch(self._waiting.take())

    async def _rest(self) -> None:
        """Wait for something to do, and now and then see whether the session still stands."""
        self._wake.clear()
        try:
            async with asyncio.timeout(CHECK_S):
                await self._wake.wait()
        except TimeoutError:
            try:
                await self._store.check_writer()
            except SPOKEN as error:
                _log.warning("the writer's session does not answer: %s", error)
                self._store.connection.terminate()

    async def _run_batch(self, waiting: list[AnyWaiting]) -> None:
        """Decide, commit and answer one batch."""
        began = time.perf_counter()
        try:
            staged = await self._store.stage([one.txn for one in waiting], self._now_ms())
            if staged.evaluation.commits:
                await self._store.commit(staged)
                self.times.add(time.perf_counter() - began)
        except CommitLostError as error:
            _log.warning("the session was lost during a commit: %s", error)
            await self._recover(error.staged, waiting)
        except Fault as fault:
            _log.error("writes are refused: %s", fault)
            tell(waiting, fault)
        else:
            self._answer(staged, waiting)

    def _answer(self, staged: Staged, waiting: Sequence[AnyWaiting]) -> None:
        """Show a batch to readers, watchers and its callers, in this order."""
        if staged.evaluation.commits:
            self._store.publish(staged)
            self._committed(staged.evaluation.commits)
        answer(waiting, staged.evaluation.outcomes)

    async def _recover(self, lost: Staged | None, callers: list[AnyWaiting]) -> None:
        """Find a new session, and tell `callers` what became of their batch, `lost`, when that is known."""
        loop = asyncio.get_running_loop()
        self._set_connected(is_connected=False)
        self._store.connection.terminate()
        unknown = loop.call_later(OUTCOME_WAIT_S, tell, callers, outcome_unknown("no session since"))
        try:
            writer = await self._find_session()
            if writer is None:
                tell(callers, outcome_unknown("flaredb stops"))
                return
            is_committed = await self._store.resume(writer, lost)
        finally:
            unknown.cancel()
        self._listen()
        if lost is not None and is_committed:
            self._answer(lost, callers)
        tell(callers, away("the session was lost before the commit"))
        self._set_connected(is_connected=True)

    async def _find_session(self) -> Writer | None:
        """Ask for a new session until there is one; None if the server stops before."""
        pause_s, said = RETRY_S_MIN, ""
        while not self._is_closed:
            try:
                writer = await self._reopen(self._store.epoch)
            except SPOKEN as error:
                if str(error) != said:
                    said = str(error)
                    _log.warning("no session with PostgreSQL: %s: %s", type(error).__name__, said)
            else:
                if writer is not None:
                    return writer
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, RETRY_S_MAX)
        return None

    def _set_connected(self, *, is_connected: bool) -> None:
        """Take writes again, or refuse those that wait: nothing was written for them."""
        if is_connected == self.is_connected:
            return
        self.is_connected = is_connected
        self._connected(is_connected)
        if is_connected:
            _log.info("PostgreSQL is back, all that was confirmed is there")
            return
        _log.error("the session with PostgreSQL is lost: writes are refused until there is another")
        self._waiting.refuse_all(away("the writer's session is lost"))

    def _listen(self) -> None:
        """Hear of the session's end though nobody writes."""
        self._store.connection.add_termination_listener(lambda _connection: self._wake.set())


def _check_keys(txn: Txn) -> None:
    """Pass if PostgreSQL's index takes all that is written."""
    for write in txn.writes:
        if not isinstance(write, DeleteRange):
            size_bytes = len(encode(txn.namespace, write.key))
            if size_bytes > ENCODED_BYTES_MAX:
                raise key_too_long(size_bytes, ENCODED_BYTES_MAX)
