from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from flaredb.core.commands import Change, Commit
from flaredb.core.feed import Interest
from flaredb.core.keys import encode
from flaredb.shell import watchers as module
from flaredb.shell.watchers import Place, Watchers
from ultracloud.base.faults import ResourceExhaustedError, UnavailableError

LONG_S = 60.0


def commit(version: int, key: bytes, namespace: str = "iam") -> Commit:
    return Commit(version, namespace, (Change(encode(namespace, key), key, b"v"),))


async def sleeping(watchers: Watchers, interest: Interest, timeout_s: float = LONG_S) -> asyncio.Task[tuple[int, bool]]:
    task = asyncio.create_task(watchers.wait_touched(interest, lambda: 40, timeout_s))
    await asyncio.sleep(0)
    return task


def test_a_touched_watcher_wakes_before_the_batch():
    async def main() -> None:
        watchers = Watchers()
        task = await sleeping(watchers, Interest("iam", b"b", b"c"))
        watchers.tell([commit(7, b"a"), commit(8, b"b")])
        assert await task == (6, True)

    asyncio.run(main())


def test_a_watcher_that_is_told_asleep_sleeps_on_until_it_must_wake():
    async def main() -> None:
        watchers, told = Watchers(), []

        def push(commits: Sequence[Commit]) -> bool:
            told.append([one.version for one in commits])
            return len(told) < 3

        task = asyncio.create_task(watchers.wait_touched(Interest("iam", b"b", b"c"), lambda: 40, LONG_S, push))
        await asyncio.sleep(0)
        watchers.tell([commit(7, b"a"), commit(8, b"b")])
        watchers.tell([commit(9, b"a")])
        watchers.tell([commit(10, b"b")])
        await asyncio.sleep(0)
        assert not task.done()
        watchers.tell([commit(11, b"b")])
        assert await task == (10, True)
        assert told == [[7, 8], [10], [11]]

    asyncio.run(main())


def test_an_untouched_watcher_sleeps_on():
    async def main() -> None:
        watchers = Watchers()
        task = await sleeping(watchers, Interest("iam", b"b", b"c"))
        watchers.tell([commit(7, b"c"), commit(8, b"b", "dns")])
        await asyncio.sleep(0)
        assert not task.done()
        watchers.close()
        with pytest.raises(UnavailableError, match="stopping"):
            await task

    asyncio.run(main())


def test_a_quiet_watcher_is_told_how_far_it_is():
    async def main() -> None:
        task = await sleeping(Watchers(), Interest("iam", b"", b""), timeout_s=0.001)
        assert await task == (40, False)

    asyncio.run(main())


def test_a_commit_at_the_moment_of_the_timeout_is_not_stepped_over():
    async def main() -> None:
        watchers = Watchers()
        loop = asyncio.get_running_loop()

        def newest() -> int:  # the timer asks; the commit comes before the task has its turn
            loop.call_soon(watchers.tell, [commit(41, b"a")])
            return 40

        task = asyncio.create_task(watchers.wait_touched(Interest("iam", b"", b""), newest, 0.0))
        position, _ = await task
        assert position == 40

    asyncio.run(main())


def test_a_cancelled_watcher_is_forgotten():
    async def main() -> None:
        watchers = Watchers()
        task = await sleeping(watchers, Interest("iam", b"", b""))
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        watchers.tell([commit(7, b"a")])
        assert task.cancelled()

    asyncio.run(main())


def test_watches_are_bounded(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "WATCHES_MAX", 2)
    watchers = Watchers()
    watchers.open()
    watchers.open()
    with pytest.raises(ResourceExhaustedError, match="2 watches are open"):
        watchers.open()
    watchers.leave()
    watchers.open()


def test_no_watch_begins_while_the_server_stops():
    watchers = Watchers()
    watchers.close()
    with pytest.raises(UnavailableError):
        watchers.open()


def test_the_slowest_watch_that_is_awake_says_how_far_watches_are_behind():
    watchers = Watchers()
    assert watchers.behind(10) == 0
    watchers.places |= {Place(9), Place(4), slow := Place(2, is_asleep=True)}
    assert watchers.behind(10) == 6
    slow.is_asleep = False
    assert watchers.behind(10) == 8
