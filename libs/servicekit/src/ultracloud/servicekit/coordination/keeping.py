"""Keeping a lease alive through losses of the member that is asked.

The lease is counted from the moment a renewal was sent, not from its answer: what the store grants begins no earlier.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from ultracloud.base.faults import DeadlineExceededError, UnavailableError
from ultracloud.servicekit.clock import Clock
from ultracloud.servicekit.coordination.interface import Coordinator

RENEWALS = 3
"""A lease is renewed so many times in its life: two may be lost."""
PAUSE_S = 0.1
"""Between attempts that fail at once: a new leader is there within a second or so."""


async def keep_alive(
    coordinator: Coordinator,
    lease: int,
    ttl_s: int,
    clock: Clock,
    *,
    granted_at_ms: int | None = None,
    renewed: Callable[[int], None] = lambda _ends_at_ms: None,
) -> None:
    """See `Coordinator.keep`.

    Args:
        coordinator: Where the lease is.
        lease: It.
        ttl_s: How long it was granted for.
        clock: Where time comes from.
        granted_at_ms: When it was asked for, in the clock's monotonic time; if not given it is renewed at once.
        renewed: Told after each renewal until when (monotonic) the lease surely lives.
    """
    ends_at_ms = clock.monotonic_ms() + ttl_s * 1000 if granted_at_ms is None else granted_at_ms + ttl_s * 1000
    if granted_at_ms is not None:
        await _rest(clock, granted_at_ms, ttl_s)
    while True:
        sent_at_ms = clock.monotonic_ms()
        try:
            async with asyncio.timeout(max(0.0, (ends_at_ms - sent_at_ms) / 1000)):
                ttl_s = await coordinator.renew(lease)
        except (UnavailableError, DeadlineExceededError, TimeoutError) as error:
            logging.getLogger(__name__).debug("lease not renewed", exc_info=error)
            if clock.monotonic_ms() + PAUSE_S * 1000 >= ends_at_ms:
                raise UnavailableError("the lease cannot be renewed", reason="LEASE_UNCERTAIN") from error
            await clock.sleep(PAUSE_S)
        else:
            ends_at_ms = sent_at_ms + ttl_s * 1000
            renewed(ends_at_ms)
            await _rest(clock, sent_at_ms, ttl_s)


async def _rest(clock: Clock, since_ms: int, ttl_s: int) -> None:
    """Wait until the next renewal is due."""
    passed_s = (clock.monotonic_ms() - since_ms) / 1000
    await clock.sleep(max(0.0, ttl_s / RENEWALS - passed_s))
