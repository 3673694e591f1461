"""A session: a lease that is kept alive while its block runs, and what is known of its loss.

    async with Session(kv, clock) as session:
        await kv.put(b"/who", b"me", session.lease)
        async with session.guard():
            ...        # cancelled, and LeaseLostError raised, as soon as the lease may be gone

A session ends early only by its own clock: a renewal that was answered grants life from the moment it was sent.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Self

from ultracloud.base.faults import Fault
from ultracloud.servicekit.clock import Clock
from ultracloud.servicekit.coordination.errors import LeaseLostError
from ultracloud.servicekit.coordination.interface import Coordinator
from ultracloud.servicekit.coordination.keeping import keep_alive

TTL_S = 10
"""Whoever stops without a word is taken for gone after this; a leader's election fits several times."""
REVOKE_S = 1.0
"""A session that ends gives its lease back, if that is quick."""


class Session:
    """See the module.

    Attributes:
        coordinator: Where the lease is.
        lost: Set once the lease is gone or may be. It is never unset.
    """

    def __init__(self, coordinator: Coordinator, clock: Clock, ttl_s: int = TTL_S) -> None:
        self.coordinator = coordinator
        self.lost = asyncio.Event()
        self._clock = clock
        self._ttl_s = ttl_s
        self._lease = 0
        self._ends_at_ms = 0
        self._keeping: asyncio.Task[None] | None = None

    @property
    def lease(self) -> int:
        """The lease's id."""
        assert self._lease, "the session has not begun"
        return self._lease

    @property
    def left_s(self) -> float:
        """Seconds for which the lease surely lives; 0 once it is lost."""
        return 0.0 if self.lost.is_set() else max(0.0, (self._ends_at_ms - self._clock.monotonic_ms()) / 1000)

    async def __aenter__(self) -> Self:
        granted_at_ms = self._clock.monotonic_ms()
        self._lease = await self.coordinator.grant(self._ttl_s)
        self._ends_at_ms = granted_at_ms + self._ttl_s * 1000
        self._keeping = asyncio.create_task(self._keep(granted_at_ms), name=f"keep lease {self._lease:x}")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._keeping is not None
        self._keeping.cancel()
        # Not awaited: its cancellation and one of ours could not be told apart.
        await asyncio.wait((self._keeping,))
        try:
            async with asyncio.timeout(REVOKE_S):
                await self.coordinator.revoke(self._lease)
        except (Fault, TimeoutError) as fault:
            logging.getLogger(__name__).debug("lease not revoked", exc_info=fault)
        self.lost.set()

    @asynccontextmanager
    async def guard(self) -> AsyncGenerator[None, None]:
        """Run the block only as long as the lease surely lives.

        Raises:
            LeaseLostError: It was lost meanwhile; the block was cancelled.
        """
        task = asyncio.current_task()
        assert task is not None
        cancelled = asyncio.Event()
        # A task group that failed may have left a count behind (Python 3.11).
        before = task.cancelling()

        async def cancel() -> None:
            await self.lost.wait()
            cancelled.set()
            task.cancel()

        self.check()
        waiting = asyncio.create_task(cancel(), name="watch over a lease")
        try:
            yield
        except asyncio.CancelledError as error:
            # Somebody else may have cancelled the task too: then that goes up.
            if cancelled.is_set() and task.uncancel() <= before:
                raise self._lost_error() from error
            raise
        finally:
            waiting.cancel()
        if cancelled.is_set():
            task.uncancel()
            raise self._lost_error()

    def check(self) -> None:
        """Nothing, while the lease surely lives.

        Raises:
            LeaseLostError: It is gone, or may be.
        """
        if self.left_s == 0.0:
            raise self._lost_error()

    def _lost_error(self) -> LeaseLostError:
        return LeaseLostError(f"lease {self._lease:x} is gone, or may be; begin anew", reason="LEASE_LOST")

    async def _keep(self, granted_at_ms: int) -> None:
        """Renew until that fails for good."""
        try:
            await keep_alive(
                self.coordinator,
                self._lease,
                self._ttl_s,
                self._clock,
                granted_at_ms=granted_at_ms,
                renewed=self._renewed,
            )
        except Fault as fault:
            logging.getLogger(__name__).warning("lease %x is lost: %s", self._lease, fault)
        finally:
            self.lost.set()

    def _renewed(self, ends_at_ms: int) -> None:
        self._ends_at_ms = ends_at_ms
