"""Processes that share numbers come to have numbers of their own."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

from ultracloud.servicekit.resources.slots import Slots


async def met(processes: list[Slots], each: int) -> int:
    """All take as many numbers as they use at once; how often one has what another has too."""
    async with AsyncExitStack() as stack:
        taken = [[await stack.enter_async_context(one.taken()) for _ in range(each)] for one in processes]
        seen: set[int] = set()
        times = 0
        for slot in (slot for slots in taken for slot in slots):
            slot.was_raced = slot.number in seen
            times += slot.was_raced
            seen.add(slot.number)
    return times


def test_who_meets_another_moves_away_until_nobody_meets() -> None:
    async def scenario() -> None:
        processes = [Slots(32, 8) for _ in range(4)]
        times = [await met(processes, 8) for _ in range(200)]
        assert times[-50:] == [0] * 50

    asyncio.run(scenario())


def test_no_more_are_taken_than_may_be_and_none_twice() -> None:
    async def scenario() -> None:
        slots, taken, most = Slots(8, 3), set[int](), 0

        async def use() -> None:
            nonlocal most
            async with slots.taken() as slot:
                assert slot.number not in taken
                taken.add(slot.number)
                most = max(most, len(taken))
                await asyncio.sleep(0)
                taken.remove(slot.number)

        await asyncio.gather(*(use() for _ in range(50)))
        assert (most, slots.is_idle) == (3, True)

    asyncio.run(scenario())
