"""What a place uses of what it may, in parts, so that many changes count at once and never too far. Pure.

One number for each project would be written by every create, so that each waited for the one before. So there are
PARTS, each with how much is used and how far that may rise without a look at the others: its share. A change counts in
any part that has room, and touches that alone. Where it has none it takes room from others; where nobody knows the
shares (a new limit, or none any more), all are made anew. The sum of the larger of `used` and `share` over all parts is
never above the limit, so no order of changes gets over it; what an operator lowers below what is used stays, and may
only fall.

Source: O'Neil, "The Escrow Transactional Method" (1986).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from ultracloud.base.faults import ResourceExhaustedError

PARTS = 32
"""Enough that four processes have as many to themselves as each uses at once."""


@dataclass(frozen=True, slots=True)
class Amount:
    """One thing in one part.

    Attributes:
        used: May be below 0: what was counted in one part may be given back in another.
        share: How far `used` may rise here.
        limit: What the shares of all parts were made from; None where there is none, or nobody has said.
    """

    used: int = 0
    share: int = 0
    limit: int | None = None

    @property
    def room(self) -> int:
        """What may be added here, and what others may take."""
        return max(0, self.share - self.used)


NOTHING = Amount()


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a place's use."""

    amounts: Mapping[str, Amount] = field(default_factory=dict)

    def of(self, what: str) -> Amount:
        """The amount of one thing."""
        return self.amounts.get(what, NOTHING)

    def having(self, what: str, amount: Amount) -> Part:
        """The same with another amount of one thing."""
        return Part({**self.amounts, what: amount})


@dataclass(frozen=True, slots=True)
class Plan:
    """Parts as they shall become.

    Attributes:
        needs_all: Whether it is only right while no part at all has changed.
    """

    parts: Mapping[int, Part]
    needs_all: bool


def difference(old: Mapping[str, int], new: Mapping[str, int]) -> dict[str, int]:
    """What a change adds and takes; nothing of what stays."""
    added = {what: new.get(what, 0) - old.get(what, 0) for what in sorted({*old, *new})}
    return {what: amount for what, amount in added.items() if amount}


def total(parts: Iterable[Part]) -> dict[str, int]:
    """What is used over all parts."""
    known = list(parts)
    return {
        what: sum(part.of(what).used for part in known) for what in sorted({w for part in known for w in part.amounts})
    }


def counted(part: Part, added: Mapping[str, int], limits: Mapping[str, int | None]) -> Part | None:
    """A part after a change, if it has room for it without a look at the others.

    Args:
        part: As it is.
        added: What the change adds; what it takes away is negative, and is always let.
        limits: Of what is added; None for no limit.
    """
    amounts = dict(part.amounts)
    for what, amount in added.items():
        before, limit = part.of(what), limits.get(what)
        used = before.used + amount
        # Without a limit there are no shares; but those of one that is gone count until all parts have forgotten it.
        if amount > 0 and (before.limit != limit or (limit is not None and used > before.share)):
            return None
        amounts[what] = Amount(used, before.share, before.limit)
    return Part(amounts)


def planned(parts: Mapping[int, Part], own: int, added: Mapping[str, int], limits: Mapping[str, int | None]) -> Plan:
    """All parts that change when `added` is counted in part `own`.

    Args:
        parts: All PARTS of them, read at one version.
        own: Which counts.
        added: As in `counted`.
        limits: As in `counted`.

    Raises:
        ResourceExhaustedError: It would be more than a limit.
    """
    refuse_excess(total(parts.values()), added, limits)
    changed: dict[int, Part] = dict(parts)
    needs_all = False
    for what, amount in added.items():
        limit = limits.get(what)
        if amount > 0 and limit is None and any(part.of(what).limit is not None for part in parts.values()):
            _unshare(changed, what)
            needs_all = True
        if amount <= 0 or limit is None:
            part = counted(changed[own], {what: amount}, limits)
            assert part is not None, "giving back, and what has no limit, has room everywhere"
            changed[own] = part
        elif all(part.of(what).limit == limit for part in parts.values()) and _can_take(changed, own, what, amount):
            _take(changed, own, what, amount)
        else:
            _share_out(changed, own, what, amount, limit)
            needs_all = True
    return Plan({number: part for number, part in changed.items() if part != parts[number]}, needs_all)


def refuse_excess(used: Mapping[str, int], added: Mapping[str, int], limits: Mapping[str, int | None]) -> None:
    """Return if all that is added fits.

    Raises:
        ResourceExhaustedError: It does not.
    """
    for what, amount in added.items():
        limit = limits.get(what)
        if amount > 0 and limit is not None and used.get(what, 0) + amount > limit:
            raise ResourceExhaustedError(
                f"quota of {what}: the limit is {limit}, {used.get(what, 0)} are used, and this asks for {amount} more",
                hint="delete what is not needed, or ask for a larger quota: an admin of the organisation, if that has "
                "one to divide, or an operator of the cloud",
                reason="QUOTA_EXCEEDED",
                metadata={
                    "what": what,
                    "limit": str(limit),
                    "used": str(used.get(what, 0)),
                    "asked": str(amount),
                },
            )


def _can_take(parts: Mapping[int, Part], own: int, what: str, amount: int) -> bool:
    """Whether the others have as much room as `own` lacks."""
    mine = parts[own].of(what)
    others = sum(part.of(what).room for number, part in parts.items() if number != own)
    return mine.used + amount - mine.share <= others


def _take(parts: dict[int, Part], own: int, what: str, amount: int) -> None:
    """Count in part `own`, with all the room of those that have most: most likely nobody counts there now."""
    mine = parts[own].of(what)
    lacks = max(0, mine.used + amount - mine.share)
    others = sorted((number for number in parts if number != own), key=lambda number: -parts[number].of(what).room)
    got = 0
    for number in others:
        if got >= lacks:
            break
        theirs = parts[number].of(what)
        got += theirs.room
        parts[number] = parts[number].having(what, replace(theirs, share=theirs.share - theirs.room))
    parts[own] = parts[own].having(what, replace(mine, used=mine.used + amount, share=mine.share + got))


def _unshare(parts: dict[int, Part], what: str) -> None:
    """Forget shares of a limit that is gone: what is counted without one is in none of them."""
    for number, part in parts.items():
        parts[number] = part.having(what, Amount(part.of(what).used))


def _share_out(parts: dict[int, Part], own: int, what: str, amount: int, limit: int) -> None:
    """Make all shares anew from the limit: what is free to all alike, and what is left over to part `own`."""
    free = limit - sum(part.of(what).used for part in parts.values()) - amount
    each = free // len(parts)
    for number, part in parts.items():
        used = part.of(what).used + (amount if number == own else 0)
        extra = free - each * (len(parts) - 1) if number == own else each
        parts[number] = part.having(what, Amount(used, used + extra, limit))
