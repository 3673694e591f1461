"""When leases die: the part of leases that only a leader has, because only its time counts.

Time comes in as milliseconds of a clock that never goes back. A lease whose time is up is reported at every tick until
it is gone, since the command that revokes it goes through the log and may fail there. Renewing costs nothing but a
dictionary entry; the queue finds out later.
"""

from __future__ import annotations

from collections.abc import Iterable
from heapq import heapify, heappop, heappush

from chainfire.core.keyvalue import LeaseId
from chainfire.core.leases import Lease

MS_PER_S = 1000
EXPIRED_PER_TICK_MAX = 500
"""Revocations proposed per tick: etcd's 1,000 a second at the two ticks a second that it and we make."""
CHECKPOINT_INTERVAL_MS = 300_000
"""etcd's: leases longer than this have what is left of them logged this often."""
CHECKPOINTS_PER_COMMAND_MAX = 1000
"""etcd's: leases of one checkpoint command."""
QUEUE_SLACK = 1024
"""Entries of dead leases that the queue may hold before it is made anew."""


class Expiry:
    """Deadlines of all leases on the leader.

    Attributes:
        checkpoint_interval_ms: How often what long leases have left is logged; those that live longer are long.
    """

    def __init__(self) -> None:
        self.checkpoint_interval_ms = CHECKPOINT_INTERVAL_MS
        self._deadlines: dict[LeaseId, int] = {}
        self._ttls_ms: dict[LeaseId, int] = {}
        # Earliest first; entries may be older than the deadline they stand for, and are then put back.
        self._queue: list[tuple[int, LeaseId]] = []
        self._checkpointed_ms = 0

    def lead(self, leases: Iterable[Lease], now_ms: int) -> None:
        """Begin to lead: every lease gets what its checkpoint left it, or its whole time.

        Whatever passed while nobody led is given back, so that no lease dies early.
        """
        self._ttls_ms = {lease.lease: lease.ttl_s * MS_PER_S for lease in leases}
        self._deadlines = {lease.lease: now_ms + (lease.remaining_s or lease.ttl_s) * MS_PER_S for lease in leases}
        self._queue = [(deadline, lease) for lease, deadline in self._deadlines.items()]
        heapify(self._queue)
        self._checkpointed_ms = now_ms

    def rest(self) -> None:
        """Somebody else leads: forget all deadlines."""
        self.lead((), 0)

    def add(self, lease: LeaseId, ttl_s: int, now_ms: int) -> None:
        """Start the time of a lease that was just granted."""
        self._ttls_ms[lease] = ttl_s * MS_PER_S
        self._deadlines[lease] = now_ms + ttl_s * MS_PER_S
        heappush(self._queue, (self._deadlines[lease], lease))

    def remove(self, lease: LeaseId) -> None:
        """Forget a lease that was revoked."""
        self._ttls_ms.pop(lease, None)
        self._deadlines.pop(lease, None)
        if len(self._queue) > QUEUE_SLACK + 2 * len(self._deadlines):
            # Leases that are revoked long before their time would otherwise fill the queue for that time.
            self._queue = [(deadline, lease) for lease, deadline in self._deadlines.items()]
            heapify(self._queue)

    def renew(self, lease: LeaseId, now_ms: int) -> bool:
        """Give a lease its whole time again; False if it is gone or its time is already up."""
        deadline = self._deadlines.get(lease)
        if deadline is None or deadline <= now_ms:
            return False
        self._deadlines[lease] = now_ms + self._ttls_ms[lease]
        return True

    def remaining_ms(self, lease: LeaseId, now_ms: int) -> int | None:
        """What a lease has left, 0 at least; None if there is no such lease."""
        deadline = self._deadlines.get(lease)
        return None if deadline is None else max(0, deadline - now_ms)

    def by_deadline(self) -> list[LeaseId]:
        """All leases, the one that dies first at the front."""
        return sorted(self._deadlines, key=lambda lease: (self._deadlines[lease], lease))

    def expired(self, now_ms: int) -> list[LeaseId]:
        """Give leases whose time is up, at most EXPIRED_PER_TICK_MAX; the same ones again until they are removed."""
        found: dict[LeaseId, None] = {}
        while self._queue and self._queue[0][0] <= now_ms and len(found) < EXPIRED_PER_TICK_MAX:
            _, lease = heappop(self._queue)
            deadline = self._deadlines.get(lease)
            if deadline is None:
                continue
            if deadline <= now_ms:
                found[lease] = None
            else:
                heappush(self._queue, (deadline, lease))
        for lease in found:
            heappush(self._queue, (self._deadlines[lease], lease))
        return list(found)

    def checkpoints(self, now_ms: int) -> list[tuple[tuple[LeaseId, int], ...]]:
        """Give what long leases have left, once every interval, in batches that fit a command."""
        if now_ms - self._checkpointed_ms < self.checkpoint_interval_ms:
            return []
        self._checkpointed_ms = now_ms
        left = [
            # Rounded up: 0 would mean the whole time, and no lease may die early.
            (lease, -(-(deadline - now_ms) // MS_PER_S))
            for lease, deadline in self._deadlines.items()
            if self._ttls_ms[lease] > self.checkpoint_interval_ms and deadline > now_ms
        ]
        step = CHECKPOINTS_PER_COMMAND_MAX
        return [tuple(left[at : at + step]) for at in range(0, len(left), step)]
