"""Two neighbours become one: the right one stops, and the left one takes over what it holds.

Who asks whom for what, in which order; the leader of the left one drives it, with a `Merger`:

1. `Await` in the left region: no splits and no changes of members from now on, so that the two stay on the same stores.
   Its index is the *token* of this attempt; no later attempt has it.
2. `Seal` in the right one, if it is still as planned and nothing is locked there: it takes nothing any more, neither
   writes nor changes nor reads of what is newest. Reads at what it has closed go on. It is answered when all stores of
   the region have it on their disks.
3. `Absorb` in the left one. A store applies it when its replica of the right one has come to the `Seal`; it needs
   nobody for that, since the entries are on its disk. In one batch the left one has the keys and the history, and the
   right one's replica is gone. Its data stays where it is. The epoch is above both.

If the right one cannot be sealed, the left one goes back: `Release` (it will never absorb by this token), then `Unseal`
in the right one, whose new epoch keeps a `Seal` out that comes late, then `Clear`. Whatever fails half-way stands in
the left one's state, and its leader goes on from there: `Merger.resume`.

Epochs of a key's regions only rise, and a region keeps its first key as long as it lives: splits leave it the left
half, and it takes over what is right of it. So a replica whose first key is another region's by a higher epoch is of
the past, wherever either ends by now, and a store that gets the state of the one drops the other.

Source: "TiKV" (deep dive, "Multi-Raft": region merge) for the two stages; here all replicas must have the seal first.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from flaredb.core.engine import Column, Engine, Row
from flaredb.core.records import change_record, number, parse_change
from flaredb.core.region import Applied, Epoch, Region, RegionId
from flaredb.core.region_entry import NOT_MERGING, Absorb, Await, Clear, MergeStep, Merging, Release, Seal, Unseal
from flaredb.core.region_errors import RegionMovedError
from flaredb.core.region_locks import Locks
from flaredb.core.region_rows import change_key, scan, stored_applied
from flaredb.core.region_work import Answer, Awaits, Done, Sealed
from ultracloud.base.faults import Fault

RETRY_MS = 50
TRIES_MAX = 40
"""Times that another step is tried: some elections. Then it is left to whoever leads the left one."""
SEAL_TRIES_MAX = 5
"""Times that a seal is asked for: while it waits for a store that has gone nobody writes there."""


def awaiting(region: Region, merging: Merging, step: Await, index: int) -> Merging | None:
    """What a region is after an `Await`, None if that cannot be."""
    is_free = not merging.right and not merging.sealed and not region.config.outgoing
    if not is_free or step.epoch != region.epoch or not region.end:
        return None
    return Merging(step.right, step.right_epoch, index)


def sealed(region: Region, merging: Merging, locks: Locks, step: Seal, index: int) -> tuple[Region, Merging] | None:
    """What a region is after a `Seal`, None if that cannot be."""
    is_free = not merging.right and not merging.sealed and not region.config.outgoing
    if not is_free or step.epoch != region.epoch or locks.intents or locks.decisions:
        return None
    return _later(region), Merging(left=step.left, sealed=step.token, sealed_at=index)


def unsealed(region: Region, merging: Merging, step: Unseal) -> tuple[Region, Merging]:
    """What a region is after an `Unseal`."""
    if merging.sealed and (merging.left, merging.sealed) != (step.left, step.token):
        return region, merging
    return _later(region), NOT_MERGING if merging.sealed else merging


def may_absorb(region: Region, merging: Merging, step: Absorb) -> bool:
    """Whether a region is still to take over the right one."""
    right = step.right
    stores, others = ({peer.store for peer in each.peers} for each in (region, right))
    is_awaited = (merging.right, merging.token) == (right.region, step.token) and not merging.is_released
    return is_awaited and region.end == right.start and stores == others and not region.config.outgoing


def absorbed(engine: Engine, region: Region, applied: Applied, step: Absorb) -> tuple[Region, Applied, list[Row]]:
    """The left region once it has the right one, how far its state goes, and rows of the right one's history."""
    right = stored_applied(engine, step.right.region)
    epoch = Epoch(max(region.epoch.version, step.right.epoch.version) + 1, region.epoch.conf_version)
    mark = replace(applied.mark, at_ms=max(applied.mark.at_ms, right.mark.at_ms))
    together = replace(
        applied,
        mark=mark,
        given=max(applied.given, applied.mark.version, right.given, right.mark.version),
        floor=max(applied.floor, right.floor),
        swept=min(applied.swept, right.swept),
    )
    return replace(region, end=step.right.end, epoch=epoch), together, _changes(engine, region, step.right)


def is_past(other: Region, region: Region) -> bool:
    """Whether a region as it is here ended before `region` as it is there: that has its first key by a later epoch.

    That may have been cut again meanwhile: what follows is then neither the one's nor, here, anybody's.
    """
    has_start = other.region != region.region and region.covers(other.start)
    return has_start and other.epoch.version < region.epoch.version


def _changes(engine: Engine, region: Region, right: Region) -> list[Row]:
    """The right one's changes under the left one's id, with what that has at the same versions."""
    rows: list[Row] = []
    for key, record in scan(engine, Column.CHANGES, number(right.region), number(right.region + 1)):
        own = change_key(region.region, int.from_bytes(key[8:], "big"))
        # Of before they were cut apart, the left one may have some of the same.
        both = dict.fromkeys((*parse_change(engine.get(Column.CHANGES, own) or b""), *parse_change(record)))
        rows.append((Column.CHANGES, own, change_record(both)))
    return rows


def _later(region: Region) -> Region:
    return replace(region, epoch=Epoch(region.epoch.version + 1, region.epoch.conf_version))


@dataclass(frozen=True, slots=True)
class MergeSend:
    """A step for the leader of a region: `RegionNode.merge(region, step, token)` there, after `delay_ms`."""

    region: RegionId
    step: MergeStep
    delay_ms: int = 0
    tries: int = 0


class Merger:
    """Drives one merge, from its beginning or from where another one left it.

    One `MergeSend` at a time is under way. Whoever drives it finds the leader; what nobody answers is an
    OutcomeUnknownError.

    Attributes:
        outcome: The region that both became, or why they did not; None until that is known, and for one that was
            resumed and undone.
        is_done: Nothing is left to be sent.
    """

    def __init__(self, left: RegionId, right: RegionId, right_epoch: Epoch, token: int = 0) -> None:
        self.outcome: Region | Fault | None = None
        self.is_done = False
        self._left, self._right, self._right_epoch, self._token = left, right, right_epoch, token
        # Of one that another one has begun, or that nobody answered, a seal may still be on its way.
        self._is_in_doubt = bool(token)

    @classmethod
    def resume(cls, left: RegionId, merging: Merging) -> Merger:
        """Go on with what a region awaits; then `begin` is told `merging`."""
        return cls(left, merging.right, merging.right_epoch, merging.token)

    def begin(self, left: Region, merging: Merging | None = None) -> MergeSend:
        """What to send first: as planned for `left`, or to go on."""
        if merging is None:
            return MergeSend(self._left, Await(left.epoch, self._right, self._right_epoch))
        return self._unseal() if merging.is_released else self._seal()

    def answered(self, send: MergeSend, answer: Answer) -> MergeSend | None:
        """What to send now that `send` is answered, None if nothing."""
        following = self._next(send, answer)
        self.is_done = following is None
        return following

    def _next(self, send: MergeSend, answer: Answer) -> MergeSend | None:  # noqa: C901, PLR0911, PLR0912 - a return a case
        is_refusal = isinstance(answer, RegionMovedError)
        self._is_in_doubt |= isinstance(send.step, Seal) and isinstance(answer, Fault) and not is_refusal
        match send.step, answer:
            case Await(), Awaits():
                self._token = answer.token
                return self._seal()
            case Await(), Fault():
                self.outcome = answer
                return None
            case Seal(), Sealed():
                return MergeSend(self._left, Absorb(self._token, answer.region, answer.index))
            case Seal(), Fault() if is_refusal or send.tries >= SEAL_TRIES_MAX:
                self.outcome = answer
                return MergeSend(self._left, Release(self._token))
            case Absorb(), Region():
                self.outcome = answer
                return None
            case Absorb(), RegionMovedError():
                # It is not to be, or it is already: the left one knows.
                self.outcome, self._is_in_doubt = answer, True
                return MergeSend(self._left, Release(self._token))
            case Release(), Done():
                return self._unseal() if self._is_in_doubt else MergeSend(self._left, Clear(self._token))
            case Release(), RegionMovedError():
                return None
            case Unseal(), Done():
                return MergeSend(self._left, Clear(self._token))
            case Unseal(), RegionMovedError() if not answer.regions and send.tries >= TRIES_MAX:
                # Nobody has it: it was taken over by another one.
                return MergeSend(self._left, Clear(self._token))
            case Clear(), Done():
                return None
            case _, Fault() if send.tries < TRIES_MAX:
                return MergeSend(send.region, send.step, RETRY_MS, send.tries + 1)
            case _:
                self.outcome = self.outcome or (answer if isinstance(answer, Fault) else None)
                return None

    def _seal(self) -> MergeSend:
        return MergeSend(self._right, Seal(self._right_epoch, self._left, self._token))

    def _unseal(self) -> MergeSend:
        return MergeSend(self._right, Unseal(self._left, self._token))
