"""What a coordination store promises, whichever it is. Locks, elections and registration stand on this alone."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from typing import Protocol

from ultracloud.servicekit.clock import Clock
from ultracloud.servicekit.coordination.words import (
    Batch,
    Delete,
    Deleted,
    Get,
    Pair,
    Put,
    Range,
    TimeToLive,
    Txn,
    TxnResult,
    Written,
)

PAGE = 1_000
"""Pairs of one page: a few hundred KiB of usual values, far below a message's limit."""


class Coordinator(Protocol):
    """Keys with revisions, transactions, watches, leases. Every method raises a Fault.

    A change whose answer was lost may have happened: it raises Unavailable or DeadlineExceeded and is not repeated.
    """

    async def put(self, key: bytes, value: bytes, lease: int = 0) -> int:
        """Write; gives the revision.

        Raises:
            NotFoundError: There is no such lease (any more).
        """
        ...

    async def write(self, put: Put) -> Written:
        """Write with all that a put can: keep value or lease, give back what was there."""
        ...

    async def get(self, key: bytes) -> Pair | None:
        """The pair, None if there is none."""
        ...

    async def read(self, get: Get) -> Range:
        """Read with all that a get can.

        Raises:
            CompactedError: Its revision is forgotten.
            OutOfRangeError: Its revision is in the future.
        """
        ...

    async def range(self, prefix: bytes, limit: int = 0) -> Range:
        """All pairs (the first `limit`) whose keys begin with `prefix`."""
        ...

    def pages(self, get: Get, page: int = PAGE) -> AsyncIterator[Range]:
        """All pairs of a range in the order of their keys, in pages read at one revision, each with that `revision`."""
        ...

    async def delete(self, key: bytes) -> bool:
        """Remove; tells whether it was there."""
        ...

    async def remove(self, delete: Delete) -> Deleted:
        """Remove with all that a delete can."""
        ...

    async def txn(
        self,
        comparisons: Mapping[bytes, int],
        puts: Mapping[bytes, bytes],
        deletes: Sequence[bytes] = (),
        lease: int = 0,
    ) -> bool:
        """Write if every key of `comparisons` has that mod revision (0: does not exist); tells whether it did."""
        ...

    async def perform(self, txn: Txn, *, repeatable: bool = False) -> TxnResult:
        """Do a transaction.

        Args:
            txn: What to do.
            repeatable: The caller can live with it being done twice, and reads from the second answer what the first
                has done: it is sent again when nobody knows. One that only reads always is.
        """
        ...

    async def compact(self, revision: int, *, physical: bool = False) -> None:
        """Forget what was superseded before `revision`; with `physical` return after the space is free.

        Raises:
            OutOfRangeError: It is compacted already, or in the future.
        """
        ...

    async def grant(self, ttl_s: int, lease: int = 0) -> int:
        """A new lease; gives its id, which is `lease` if that is not 0."""
        ...

    async def revoke(self, lease: int) -> None:
        """End a lease: its keys go.

        Raises:
            NotFoundError: It is gone already.
        """
        ...

    async def renew(self, lease: int) -> int:
        """Begin a lease's life anew; gives its seconds.

        Raises:
            NotFoundError: It is gone.
        """
        ...

    async def keep(self, lease: int, ttl_s: int, clock: Clock) -> None:
        """Keep a lease alive for as long as this runs, through losses of the member that is asked.

        Raises:
            NotFoundError: The lease is gone; its keys with it.
            UnavailableError: No answer within the lease's life.
        """
        ...

    async def time_to_live(self, lease: int, *, keys: bool = False) -> TimeToLive:
        """How long it still lives.

        Raises:
            NotFoundError: It is gone.
        """
        ...

    async def leases(self) -> tuple[int, ...]:
        """Ids of all leases."""
        ...

    def watch(
        self, prefix: bytes, from_revision: int = 0, *, end: bytes | None = None, previous: bool = False
    ) -> AsyncGenerator[Batch, None]:
        """Every change of keys that begin with `prefix`, from `from_revision` on (0: from now), until closed.

        It goes on where it was when the member it asks is lost, without a gap and without telling anything twice, and
        waits as long as there is none. The first batch is empty: it says that the watch has begun. So are those that
        only tell how far it has come.

        Args:
            prefix: Of the keys; with `end`, the first of them.
            from_revision: The first revision wanted.
            end: Watch from `prefix` to before this instead; empty: the key `prefix` alone.
            previous: Tell with each event what was there before.

        Raises:
            CompactedError: The next revision it needs is forgotten: read, then watch from there.
            PermissionDeniedError: The user may not read that.
        """
        ...
