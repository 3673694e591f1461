"""The line that locks and elections stand in."""

from __future__ import annotations

import asyncio

import pytest

from ultracloud.base.faults import UnavailableError
from ultracloud.servicekit.clock import SystemClock
from ultracloud.servicekit.coordination import Election, MemoryCoordination, Session, Txn, TxnResult
from ultracloud.servicekit.coordination.queue import first


class SlowCoordination(MemoryCoordination):
    """Does what it is asked at once, and says so later, or never."""

    answers_s = 0.05
    fails = False

    async def perform(self, txn: Txn, *, repeatable: bool = False) -> TxnResult:
        done = await super().perform(txn, repeatable=repeatable)
        await asyncio.sleep(self.answers_s)
        if self.fails:
            raise UnavailableError("it is away")
        return done


async def cancelled_campaign(kv: SlowCoordination, session: Session) -> None:
    campaign = asyncio.create_task(Election(session, b"/e").campaign(b"me"))
    await asyncio.sleep(kv.answers_s / 2)
    assert await first(kv, b"/e") is not None
    campaign.cancel()
    with pytest.raises(asyncio.CancelledError):
        await campaign


def test_who_is_cancelled_while_it_is_asked_does_not_stay_in_line() -> None:
    async def scenario() -> None:
        kv = SlowCoordination()
        async with Session(kv, SystemClock(), ttl_s=60) as session:
            await cancelled_campaign(kv, session)
            assert await first(kv, b"/e") is None
            assert not session.lost.is_set()

    asyncio.run(scenario())


def test_who_cannot_give_a_place_back_ends_with_its_lease() -> None:
    async def scenario() -> None:
        kv = SlowCoordination()
        async with Session(kv, SystemClock(), ttl_s=60) as session:
            kv.fails = True
            await cancelled_campaign(kv, session)
            assert session.lost.is_set()
            kv.fails = False
        assert await first(kv, b"/e") is None

    asyncio.run(scenario())
