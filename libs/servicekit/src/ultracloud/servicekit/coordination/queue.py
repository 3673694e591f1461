"""The line that locks and elections stand in: one key a session below a name; the one made first is first.

The keys are those of etcd's own concurrency package and lock service, so that `etcdctl lock` stands in the same line.

Source: etcd 3.5, client/v3/concurrency (the key's form, ``<name>/<lease in hex>``).
"""

from __future__ import annotations

import asyncio

from ultracloud.base.faults import Fault, NotFoundError
from ultracloud.servicekit.coordination.errors import CompactedError, LeaseLostError
from ultracloud.servicekit.coordination.interface import Coordinator
from ultracloud.servicekit.coordination.sessions import Session
from ultracloud.servicekit.coordination.words import (
    Delete,
    Get,
    Pair,
    Put,
    Range,
    SortBy,
    Txn,
    create_revision,
    span,
)
from ultracloud.servicekit.streams import closing

LEAVE_S = 2.0
"""To give a place in line back that one did not want any more: an election of the store's is over by then."""


async def take_place(session: Session, name: bytes, content: bytes) -> Pair:
    """Stand in line, or find the place that we have; gives our key. Whoever is cancelled stands there no more.

    Raises:
        LeaseLostError: The session's lease is gone.
    """
    asking = asyncio.ensure_future(_ask_place(session, place_of(session, name), content))
    try:
        return await asyncio.shield(asking)
    except asyncio.CancelledError:
        # It is asked already. One who stands in line and does not know it keeps all behind waiting for ever.
        if not await _has_left(session, asking):
            session.lost.set()
        raise


async def _ask_place(session: Session, key: bytes, content: bytes) -> Pair:
    """See `take_place`."""
    txn = (
        Txn()
        .when(create_revision(key).equal(0))
        .then(Put(key=key, value=content, lease=session.lease))
        .otherwise(Get(key=key))
    )
    try:
        # Done twice it finds the key that it made: nobody else makes a key with our lease in its name.
        result = await session.coordinator.perform(txn, repeatable=True)
    except NotFoundError as error:
        raise LeaseLostError(f"lease {session.lease:x} is gone; begin anew", reason="LEASE_LOST") from error
    if result.succeeded:
        return Pair(key, content, result.revision, result.revision, session.lease)
    (found,) = result.results
    assert isinstance(found, Range), "the other way reads the key"
    return found.pairs[0]


async def _has_left(session: Session, asking: asyncio.Future[Pair]) -> bool:
    """Give a place back once it is known; whether that was possible."""
    try:
        async with asyncio.timeout(LEAVE_S):
            mine = await asking
            gone = Txn().when(create_revision(mine.key).equal(mine.create_revision)).then(Delete(key=mine.key))
            await session.coordinator.perform(gone, repeatable=True)
    except LeaseLostError:
        return True
    except (Fault, TimeoutError):
        return False
    return True


def place_of(session: Session, name: bytes) -> bytes:
    """The key of a session in the line of `name`."""
    return b"%s/%x" % (name, session.lease)


async def first(coordinator: Coordinator, name: bytes) -> Pair | None:
    """Who is first in line now; None if nobody stands there."""
    return await _next_to(coordinator, name)


async def wait_first(session: Session, name: bytes, mine: Pair) -> None:
    """Wait until nobody stands before us.

    Raises:
        LeaseLostError: Our own key went meanwhile, with the lease or by somebody's hand.
    """
    while True:
        before = await _next_to(session.coordinator, name, before=mine.create_revision, last=True)
        if before is None:
            break
        await wait_gone(session.coordinator, before)
    # Nobody before us is only worth something if we are still there ourselves.
    ours = await session.coordinator.get(mine.key)
    if ours is None or ours.create_revision != mine.create_revision:
        raise LeaseLostError("our place in line is gone; begin anew", reason="LEASE_LOST")


async def wait_gone(coordinator: Coordinator, pair: Pair) -> None:
    """Wait until a key that was read is deleted."""
    revision = pair.mod_revision + 1
    while True:
        try:
            async with closing(coordinator.watch(pair.key, revision, end=b"")) as batches:
                async for batch in batches:
                    if any(event.pair is None for event in batch):
                        return
        except CompactedError:
            found = await coordinator.read(Get(key=pair.key))
            if not found.pairs or found.pairs[0].create_revision != pair.create_revision:
                return
            revision = found.revision + 1


async def _next_to(coordinator: Coordinator, name: bytes, before: int = 0, *, last: bool = False) -> Pair | None:
    """The first in line, or the last of those before a revision."""
    start, end = span(name + b"/")
    get = Get(
        key=start,
        end=end,
        limit=1,
        sort_by=SortBy.CREATE_REVISION,
        descending=last,
        max_create_revision=before - 1 if before else 0,
    )
    found = await coordinator.read(get)
    return found.pairs[0] if found.pairs else None
