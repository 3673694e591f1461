"""Leases as every member has them: which there are, how long they live, which keys die with them.

When one expires is not decided here but by whoever leads (`expiry`), and arrives as a command in the log.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from chainfire.core.keyvalue import NO_LEASE, LeaseId
from chainfire.errors import LeaseExistsError, LeaseNotFoundError, LeaseTtlTooLargeError

LEASE_TTL_S_MIN = 2
"""etcd's: one and a half election timeouts, rounded up, so that a lease outlives a change of leader."""
LEASE_TTL_S_MAX = 9_000_000_000
"""etcd's."""


@dataclass(slots=True)
class Lease:
    """One lease.

    Attributes:
        remaining_s: What was left at the last checkpoint; 0 is the whole time.
    """

    lease: LeaseId
    ttl_s: int
    remaining_s: int = 0
    keys: set[bytes] = field(default_factory=set)


class LeaseTable:
    """All leases, and the lease of each key."""

    def __init__(self) -> None:
        self._leases: dict[LeaseId, Lease] = {}

    def __len__(self) -> int:
        return len(self._leases)

    def all(self) -> list[Lease]:
        """Every lease, in the order they were granted."""
        return list(self._leases.values())

    def find(self, lease: LeaseId) -> Lease | None:
        """The lease, if there is one."""
        return self._leases.get(lease)

    def require(self, lease: LeaseId) -> Lease:
        """The lease.

        Raises:
            LeaseNotFoundError: There is none.
        """
        found = self._leases.get(lease)
        if found is None:
            raise LeaseNotFoundError
        return found

    def grant(self, lease: LeaseId, ttl_s: int) -> Lease:
        """Make a lease that lives `ttl_s` seconds, or LEASE_TTL_S_MIN if that is more.

        Raises:
            LeaseTtlTooLargeError: `ttl_s` is over LEASE_TTL_S_MAX.
            LeaseExistsError: The id is taken.
        """
        if ttl_s > LEASE_TTL_S_MAX:
            raise LeaseTtlTooLargeError
        if lease in self._leases:
            raise LeaseExistsError
        granted = Lease(lease, max(ttl_s, LEASE_TTL_S_MIN))
        self._leases[lease] = granted
        return granted

    def remove(self, lease: LeaseId) -> list[bytes]:
        """End a lease and give its keys, sorted, so that every member deletes them in the same order.

        Raises:
            LeaseNotFoundError: There is none.
        """
        keys = sorted(self.require(lease).keys)
        del self._leases[lease]
        return keys

    def checkpoint(self, remaining: Iterable[tuple[LeaseId, int]]) -> None:
        """Note what leases have left; those that are gone meanwhile are passed over."""
        for lease, seconds in remaining:
            found = self._leases.get(lease)
            if found is not None:
                found.remaining_s = seconds

    def move(self, key: bytes, old: LeaseId, new: LeaseId) -> None:
        """Note that a key now dies with `new` and no longer with `old`; either may be NO_LEASE."""
        if old == new:
            return
        if old != NO_LEASE and old in self._leases:
            self._leases[old].keys.discard(key)
        if new != NO_LEASE:
            self._leases[new].keys.add(key)

    def take_over(self, other: LeaseTable) -> None:
        """Become another table."""
        self._leases = other._leases

    def restore(self, lease: LeaseId, ttl_s: int, remaining_s: int) -> None:
        """Take over a lease of a snapshot; its keys are attached by `move`."""
        self._leases[lease] = Lease(lease, ttl_s, remaining_s)
