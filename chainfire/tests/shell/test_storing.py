"""What is stored, and what the last record of a member that stops says."""

import asyncio

from chainfire.core.wal import Batch
from chainfire.core.work import Store
from chainfire.shell.logthread import LogThread
from chainfire.shell.storing import Storing
from chainfire.testing import MemoryLog
from ultracloud.raft.words import Entry, EntryKind, HardState, NodeId

VOTED = HardState(5, NodeId(2), 1)


def sealed(*stores: Store) -> Batch:
    """The last record of a log in which `stores` were stored."""
    log, thread = MemoryLog(), LogThread()

    async def run() -> None:
        storing = Storing(log, thread, lambda _: None, VOTED)
        for each in stores:
            storing.store(each)
        storing.seal()
        thread.stop()

    asyncio.run(run())
    *_, last = log.replay()
    assert isinstance(last, Batch)
    return last


def test_a_seal_of_an_untouched_log_repeats_term_and_vote() -> None:
    assert sealed() == Batch(VOTED)


def test_a_seal_says_no_more_than_the_records_before_it() -> None:
    entries = (Entry(2, 5, EntryKind.NORMAL, b""), Entry(3, 5, EntryKind.NORMAL, b""))
    first = Store(1, HardState(5, NodeId(2), 2), entries[:1])
    # The leader says that 4 is committed as well, which is still on its way here.
    second = Store(2, HardState(5, NodeId(2), 4), entries[1:])
    assert sealed(first, second) == Batch(HardState(5, NodeId(2), 3))
