"""A member that is alone, over a log in memory: what is answered, when, and what becomes of refusals."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from chainfire.core.commands import Alarm, Command, Compact, Put
from chainfire.core.compaction import Policy
from chainfire.core.machine import Machine
from chainfire.core.results import Result
from chainfire.core.wal import Batch
from chainfire.core.work import BATCH_BYTES_MAX, REQUEST_BYTES_MAX, WAITING_COMMANDS_MAX
from chainfire.errors import CompactedError, NoSpaceError, RequestTooLargeError, StoppedError, TooManyRequestsError
from chainfire.shell.node import Bounds, Node
from chainfire.shell.recovery import Recovered
from chainfire.shell.segments import LogBrokenError
from chainfire.testing import MemoryLog
from ultracloud.raft.events import Campaign
from ultracloud.raft.words import Config, HardState, NodeId, Restored, SnapshotMark

MARK = SnapshotMark(1, 1, Config(frozenset({NodeId(7)})))
BOUNDS = Bounds(
    quota_bytes=0,
    snapshot_log_bytes=1 << 30,
    compaction=Policy(),
    progress_s=60,
    tick_ms=100,
    election_ticks=6,
    request_bytes_max=REQUEST_BYTES_MAX,
)


class Alone:
    """A node with what stands around it."""

    def __init__(self, folder: Path) -> None:
        self.log, machine = MemoryLog(), Machine()
        machine.applied_index = MARK.index
        restored = Restored(MARK, (), HardState(1, NodeId(0), MARK.index), MARK.index)
        state = Recovered(machine, self.log, 1, 7, restored, MARK, 0, 0)
        self.node = Node(folder, state, BOUNDS, lambda: 0, lambda count: b"\x01" * count)

    async def lead(self) -> None:
        """Become the leader."""
        self.node.tell(Campaign())
        assert await self.node.wait_until(lambda: self.node.replica.is_alone, 5)
        self.log.kept = [[]]

    def put(self, key: bytes = b"k", value: bytes = b"") -> asyncio.Future[int]:
        """Propose a put; answers with the revision it got."""
        return self.propose(Put(key, value))

    def propose(self, command: Command) -> asyncio.Future[int]:
        return self.node.propose(command, revision_of)

    @property
    def records(self) -> list[int]:
        """How many entries each record has."""
        return [len(each.entries) for each in self.log.replay() if isinstance(each, Batch)]


def revision_of(result: Result) -> int:
    return result.revision


@pytest.fixture
def play(tmp_path: Path) -> Callable[[Callable[[Alone], Awaitable[None]]], None]:
    """Runs a scene with a node that leads."""

    async def run(scene: Callable[[Alone], Awaitable[None]]) -> None:
        alone = Alone(tmp_path)
        try:
            await alone.lead()
            async with asyncio.timeout(10):
                await scene(alone)
        finally:
            # What the log's thread raises is told within this test, and not in whichever comes next.
            alone.node._thread.stop()

    return lambda scene: asyncio.run(run(scene))


Play = Callable[[Callable[[Alone], Awaitable[None]]], None]


def test_commands_of_one_turn_are_one_record_and_answered_in_order(play: Play) -> None:
    async def scene(alone: Alone) -> None:
        assert await asyncio.gather(*(alone.put() for _ in range(10))) == list(range(2, 12))
        assert alone.records == [10]

    play(scene)


def test_what_comes_while_the_disk_is_busy_goes_into_the_next_record(play: Play) -> None:
    async def scene(alone: Alone) -> None:
        first = alone.put()
        await asyncio.sleep(0)
        assert await asyncio.gather(first, *(alone.put() for _ in range(5))) == [2, 3, 4, 5, 6, 7]
        assert alone.records == [1, 5]

    play(scene)


def test_large_batches_are_split(play: Play) -> None:
    async def scene(alone: Alone) -> None:
        await asyncio.gather(*(alone.put(value=bytes(BATCH_BYTES_MAX // 2)) for _ in range(6)))
        assert alone.records == [2, 2, 2]

    play(scene)


def test_a_refusal_by_the_state_is_an_answer_and_its_entry_stays(play: Play) -> None:
    async def scene(alone: Alone) -> None:
        await alone.put()
        await alone.propose(Compact(2))
        with pytest.raises(CompactedError):
            await alone.propose(Compact(2))
        assert sum(alone.records) == 3
        assert await alone.put() == 3

    play(scene)


def test_a_full_disk_holds_writes_until_there_is_room(play: Play) -> None:
    async def scene(alone: Alone) -> None:
        assert await alone.put() == 2
        alone.log.is_full = True
        waiting = alone.put()
        assert await alone.node.wait_until(lambda: alone.node.storing.is_full, 0.3)
        assert alone.node.troubles() == ["the disk is full; free some space"]
        alone.log.is_full = False
        assert await waiting == 3
        assert not alone.node.storing.is_full

    play(scene)


def test_a_broken_log_ends_the_process_and_answers_nothing(play: Play) -> None:
    async def scene(alone: Alone) -> None:
        alone.log.is_broken = True
        waiting = alone.put()
        with pytest.raises(LogBrokenError):
            await alone.node.storing.wait_crash()
        assert not waiting.done()

    play(scene)


def test_a_request_over_the_limit_is_not_logged(play: Play) -> None:
    async def scene(alone: Alone) -> None:
        with pytest.raises(RequestTooLargeError):
            alone.put(value=bytes(REQUEST_BYTES_MAX))
        assert alone.records == []

    play(scene)


def test_a_caller_that_is_gone_hinders_nobody(play: Play) -> None:
    async def scene(alone: Alone) -> None:
        gone, staying = alone.put(), alone.put()
        gone.cancel()
        assert await staying == 3

    play(scene)


def test_stopping_answers_what_was_taken_and_takes_no_more(play: Play) -> None:
    async def scene(alone: Alone) -> None:
        answers = [alone.put() for _ in range(3)]
        await alone.node.stop()
        assert [answer.result() for answer in answers] == [2, 3, 4]
        with pytest.raises(StoppedError):
            alone.put()

    play(scene)


def test_a_flood_is_refused_before_it_fills_the_memory(play: Play) -> None:
    async def scene(alone: Alone) -> None:
        answers = [alone.put() for _ in range(WAITING_COMMANDS_MAX)]
        with pytest.raises(TooManyRequestsError):
            alone.put()
        assert (await asyncio.gather(*answers))[-1] == WAITING_COMMANDS_MAX + 1

    play(scene)


def test_under_an_alarm_what_adds_is_refused_before_the_log(play: Play) -> None:
    async def scene(alone: Alone) -> None:
        alone.node.raise_alarm(Alarm.NOSPACE)
        assert await alone.node.wait_until(lambda: bool(alone.node.machine.alarms), 5)
        with pytest.raises(NoSpaceError):
            alone.put()
        assert sum(alone.records) == 1

    play(scene)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_defect_of_the_log_ends_the_process_instead_of_its_thread(play: Play) -> None:
    async def scene(alone: Alone) -> None:
        alone.log.defect = ArithmeticError("a defect")
        alone.put()
        with pytest.raises(ArithmeticError, match="a defect"):
            await alone.node.storing.wait_crash()

    play(scene)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_broken_invariant_ends_the_process_instead_of_the_callback(play: Play) -> None:
    async def scene(alone: Alone) -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _loop, _context: None)
        alone.node.machine.applied_index = 99
        alone.put()
        with pytest.raises(AssertionError):
            await alone.node.storing.wait_crash()

    play(scene)
