"""Group commit over a log in memory: what is answered, when, and what becomes of refusals."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from chainfire.core.commands import Command, Compact, Put
from chainfire.core.machine import Machine
from chainfire.core.results import Result
from chainfire.core.wal import Batch
from chainfire.errors import (
    CompactedError,
    LogFailedError,
    NoSpaceError,
    RequestTooLargeError,
    StoppedError,
    TooManyRequestsError,
)
from chainfire.shell.committer import BATCH_BYTES_MAX, REQUEST_BYTES_MAX, WAITING_COMMANDS_MAX, Committer, LogThread
from chainfire.testing import MemoryLog


class Commits:
    """A committer with what stands around it."""

    def __init__(self) -> None:
        self.log, self.machine, self.batches = MemoryLog(), Machine(), 0
        self.thread = LogThread()
        self.committer = Committer(self.log, self.thread, 1, 1, self.machine.apply, self._applied)

    def put(self, key: bytes = b"k", value: bytes = b"") -> asyncio.Future[int]:
        """Propose a put; answers with the revision it got."""
        return self.propose(Put(key, value))

    def propose(self, command: Command) -> asyncio.Future[int]:
        return self.committer.propose(command, revision_of)

    def _applied(self) -> None:
        self.batches += 1


def revision_of(result: Result) -> int:
    return result.revision


def play(scene: Callable[[Commits], Awaitable[None]]) -> None:
    """Run a scene, then end its thread."""

    async def run() -> None:
        commits = Commits()
        try:
            await asyncio.wait_for(scene(commits), 10)
        finally:
            commits.thread.stop()

    asyncio.run(run())


def test_commands_of_one_turn_are_one_record_and_answered_in_order() -> None:
    async def scene(commits: Commits) -> None:
        assert await asyncio.gather(*(commits.put() for _ in range(10))) == list(range(2, 12))
        assert commits.batches == 1
        (record,) = commits.log.replay()
        assert isinstance(record, Batch)
        assert len(record.entries) == 10

    play(scene)


def test_what_comes_while_the_disk_is_busy_goes_into_the_next_record() -> None:
    async def scene(commits: Commits) -> None:
        first = commits.put()
        await asyncio.sleep(0)
        assert await asyncio.gather(first, *(commits.put() for _ in range(5))) == [2, 3, 4, 5, 6, 7]
        assert commits.batches == 2

    play(scene)


def test_large_batches_are_split() -> None:
    async def scene(commits: Commits) -> None:
        await asyncio.gather(*(commits.put(value=bytes(BATCH_BYTES_MAX // 2)) for _ in range(6)))
        assert commits.batches == 3

    play(scene)


def test_a_refusal_by_the_state_is_an_answer_and_its_entry_stays() -> None:
    async def scene(commits: Commits) -> None:
        await commits.put()
        await commits.propose(Compact(2))
        with pytest.raises(CompactedError):
            await commits.propose(Compact(2))
        assert commits.machine.applied_index == 3
        assert await commits.put() == 3

    play(scene)


def test_a_full_disk_refuses_and_later_writes_take_the_same_index() -> None:
    async def scene(commits: Commits) -> None:
        assert await commits.put() == 2
        commits.log.is_full = True
        with pytest.raises(NoSpaceError):
            await commits.put()
        assert commits.committer.is_full
        commits.log.is_full = False
        assert await commits.put() == 3
        assert commits.machine.applied_index == 2
        assert not commits.committer.is_full

    play(scene)


def test_a_broken_log_fails_what_waits_and_everything_after() -> None:
    async def scene(commits: Commits) -> None:
        assert await commits.put() == 2
        commits.log.is_broken = True
        first = commits.put()
        await asyncio.sleep(0)
        second = commits.put()
        for answer in (first, second):
            with pytest.raises(LogFailedError):
                await answer
        with pytest.raises(LogFailedError, match="restart the server"):
            commits.put()
        assert commits.machine.revision == 2

    play(scene)


def test_a_request_over_the_limit_is_not_logged() -> None:
    async def scene(commits: Commits) -> None:
        with pytest.raises(RequestTooLargeError):
            commits.put(value=bytes(REQUEST_BYTES_MAX))
        assert list(commits.log.replay()) == []

    play(scene)


def test_a_caller_that_is_gone_hinders_nobody() -> None:
    async def scene(commits: Commits) -> None:
        gone, staying = commits.put(), commits.put()
        gone.cancel()
        assert await staying == 3

    play(scene)


def test_stopping_answers_what_was_taken_and_takes_no_more() -> None:
    async def scene(commits: Commits) -> None:
        answers = [commits.put() for _ in range(3)]
        await commits.committer.stop()
        assert [answer.result() for answer in answers] == [2, 3, 4]
        with pytest.raises(StoppedError):
            commits.put()

    play(scene)


def test_a_flood_is_refused_before_it_fills_the_memory() -> None:
    async def scene(commits: Commits) -> None:
        answers = [commits.put() for _ in range(WAITING_COMMANDS_MAX)]
        with pytest.raises(TooManyRequestsError):
            commits.put()
        assert (await asyncio.gather(*answers))[-1] == WAITING_COMMANDS_MAX + 1

    play(scene)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_defect_of_the_log_ends_the_process_instead_of_its_thread() -> None:
    async def scene(commits: Commits) -> None:
        commits.log.kept.clear()
        commits.put()
        with pytest.raises(IndexError):
            await commits.committer.wait_crash()

    play(scene)


def test_a_broken_invariant_ends_the_process_instead_of_the_callback() -> None:
    async def scene(commits: Commits) -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _loop, _context: None)
        commits.machine.applied_index = 99
        commits.put()
        with pytest.raises(AssertionError):
            await commits.committer.wait_crash()

    play(scene)
