from __future__ import annotations

import asyncio
import time

from ultracloud.wire.shell.busy_poll import BusyPoll

PATIENCE_S = 5.0


async def test_a_loop_stays_awake_for_a_moment_and_sleeps_again() -> None:
    poll = BusyPoll(0.002)
    began_s, turns = time.monotonic(), 0
    poll.kick()
    while poll.is_awake:
        assert time.monotonic() - began_s < PATIENCE_S
        turns += 1
        await asyncio.sleep(0)
    assert time.monotonic() - began_s >= 0.002
    assert turns > 1


async def test_who_asks_again_keeps_it_awake() -> None:
    poll = BusyPoll(0.05)
    poll.kick()
    began_s = time.monotonic()
    while time.monotonic() - began_s < 0.1:
        assert poll.is_awake
        poll.kick()
        await asyncio.sleep(0)
