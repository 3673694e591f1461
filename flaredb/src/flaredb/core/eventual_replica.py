"""One store's part in eventual namespaces: any store takes a write, tells the others, and the later stamp wins.

Every store of the cluster holds all of it, so each reads and writes while it can reach nobody: for small metadata that
must stay writable everywhere. A write goes at once to all stores that were heard of lately; whoever missed it gets it
by a repair with somebody (`eventual_repair`), which each store begins every second.

Whoever drives this tells it what happened, then calls `begin` and writes the rows in one batch; syncs where `to_sync`
says so and then calls `synced`; calls `finish` for what is answered, and sends what `take_outgoing` gives. Versions
are the store's own (`VERSION_BITS`): a change has the next one, whoever wrote it, and a watch follows them.

Source: Terry et al., "Managing Update Conflicts in Bayou", 1995, for anti-entropy and last writer wins.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Generic, assert_never

from flaredb.core.commands import Commit, EncodedKey, Write
from flaredb.core.engine import Engine, Row
from flaredb.core.eventual_clock import SKEW_MS_MAX, HybridClock, check_ahead
from flaredb.core.eventual_contents import VERSION_BITS, Batch, Contents
from flaredb.core.eventual_copying import Restored, check_stamps, settle
from flaredb.core.eventual_errors import ClockSkewError, self_ahead, too_many_writes
from flaredb.core.eventual_messages import (
    Compare,
    Declined,
    Differ,
    Found,
    Give,
    Hello,
    Lists,
    Message,
    Sent,
    Skewed,
    Spread,
    Taken,
    parse_message,
    render_message,
)
from flaredb.core.eventual_others import NOTHING_KNOWN, Others
from flaredb.core.eventual_reads import commit_of
from flaredb.core.eventual_records import Record, Shared, Told
from flaredb.core.eventual_repair import TOLD_BYTES_MAX, Answering, Repair
from flaredb.core.keys import encode
from flaredb.core.region import StoreId
from flaredb.core.region_work import TokenT
from ultracloud.raft.state import Draw

STORE_MASK = (1 << 20) - 1
"""What of a store's id stands in its versions: ids that are counted are told apart up to a million."""
TOMBSTONE_MS = 24 * 3600 * 1000
"""How long it is kept that a key was deleted: who fixes a broken machine the next day has lost nothing."""
HELLO_MS = 1_000
REPAIR_EVERY_MS = 1_000
OUTGOING_BYTES_MAX = 4 * 1024 * 1024
"""What is kept for one store until it is taken: more is left to repairs."""
WAITING_MAX = 50_000
"""Writes that wait for the disk; see `Committer`."""
STAGED_MAX = 20_000
"""Keys that wait for the disk before what others tell is left to repairs: it stands still, and is not only slow."""
DUE_MAX = 500
"""Keys that end or go in one tick: a few milliseconds."""


@dataclass(slots=True)
class Result(Generic[TokenT]):
    """Who is answered, with the version of the change, and what changed for watchers."""

    answers: list[tuple[TokenT, int]] = field(default_factory=list)
    commits: list[Commit] = field(default_factory=list)


@dataclass(slots=True)
class Figures:
    """What happened since the start.

    Attributes:
        spread, received: Records told to others, and by others.
        skipped: Records that some store will have to get by a repair.
        repairs: Those that came to their end; `failed_repairs` did not.
        repaired: Records that came or went by repairs.
        skewed: Messages of clocks that are too far ahead.
    """

    spread: int = 0
    received: int = 0
    skipped: int = 0
    repairs: int = 0
    failed_repairs: int = 0
    repaired_bytes: int = 0
    skewed: int = 0


class EventualReplica(Generic[TokenT]):
    """One store's eventual namespaces.

    Args:
        store: Which store this is.
        engine: Where the rows are; it only reads.
        draw: draw(n) gives a random number from 0 to n - 1.
        now_ms: Wall time.
        tombstone_ms: How long deletions are kept, the same on all stores.

    Attributes:
        contents: What it has.
        others: What it knows of other stores.
        figures: What happened.
        now_ms: What the wall clock said last.
    """

    def __init__(
        self, store: StoreId, engine: Engine, draw: Draw, now_ms: int, tombstone_ms: int = TOMBSTONE_MS
    ) -> None:
        self.store = store
        self.tombstone_ms = tombstone_ms
        start = ((store & STORE_MASK) << VERSION_BITS) + now_ms
        self.contents = Contents(engine, tombstone_ms, start)
        self.others = Others(store, self.contents, tombstone_ms)
        self.clock = HybridClock(store, self.contents.counters.time)
        self.figures = Figures()
        self._draw = draw
        self.now_ms = now_ms
        self._answering = Answering(self)
        self._repair: Repair | None = None
        self._hello_ms = self._repair_ms = 0
        self._waiting: deque[tuple[int, TokenT, int]] = deque()
        self._own: dict[EncodedKey, int] = {}
        self._outgoing: list[tuple[StoreId, bytes]] = []
        self._outgoing_bytes: Counter[StoreId] = Counter()
        self._result: Result[TokenT] = Result()

    @property
    def is_whole(self) -> bool:
        """Whether it has had all that some other store had; one that joined has nothing to show before that."""
        return self.others.is_whole

    @property
    def ahead(self) -> dict[StoreId, int]:
        """Stores whose clocks are too far ahead, and by how many milliseconds."""
        return self.others.ahead(self.now_ms)

    @property
    def self_ahead_ms(self) -> int:
        """How far this store's own clock is ahead, if most others say that it is too far; then it refuses writes."""
        return self.others.self_ahead_ms(self.now_ms)

    def set_members(self, stores: Iterable[StoreId]) -> None:
        """Say which stores there are; see `Others.set_members`."""
        self.others.set_members(stores)

    def put(self, namespace: str, write: Write, token: TokenT, now_ms: int) -> None:
        """Set or delete a key; the answer comes once it is on the disk.

        Raises:
            ClockSkewError: Most other stores say that this one's clock is ahead. Nothing was done.
            UnavailableError: Too much waits already. Nothing was done.
        """
        self._check_may_write(now_ms)
        encoded = encode(namespace, write.key)
        stamp = self.clock.stamp(now_ms)
        end_ms = stamp.ms + write.ttl_ms if write.ttl_ms else write.expires_at_ms
        version = self.contents.stage(encoded, Told(encoded, stamp, write.value, end_ms))
        self._own[encoded] = version
        self._waiting.append((self.contents.goal, token, version))

    def restore(self, told: Sequence[Told], token: TokenT, now_ms: int) -> Restored:
        """Take what a backup has, where it is later than what is here; the answer comes once all is on the disk.

        Raises:
            ClockSkewError, UnavailableError: As `put`, or a stamp is too far ahead. Nothing was done.
        """
        self._check_may_write(now_ms)
        if self.contents.staged_count >= STAGED_MAX:
            raise too_many_writes(self.contents.staged_count, self.store)
        check_stamps(told, now_ms)
        done = Restored()
        for each in told:
            self.clock.follow(each.stamp, now_ms)
            taken = settle(each, self.contents.latest(each.encoded), self.clock.read_ms(now_ms), done)
            if taken is not None:
                self._own[each.encoded] = self.contents.stage(each.encoded, taken)
        version = self.contents.counters.version
        if self.contents.goal > self.contents.published_number:
            self._waiting.append((self.contents.goal, token, version))
        else:
            self._result.answers.append((token, version))
        return done

    def receive(self, sender: StoreId, content: bytes, now_ms: int) -> None:
        """Take what another store sent.

        Raises:
            MalformedError: It is no message. Nothing was done.
        """
        sent = parse_message(content)
        if not self.others.is_member(sender):
            return
        self.now_ms = now_ms
        if isinstance(sent.message, Skewed):
            self.others.says_ahead(sender, sent.message.ahead_ms, now_ms)
            return
        try:
            check_ahead(sent.at_ms, now_ms)
        except ClockSkewError as skew:
            self._skewed(sender, skew)
            return
        self.others.heard(sender, now_ms)
        self._take(sender, sent.message)

    def tick(self, now_ms: int) -> None:
        """Let time pass: what is due changes, others are told who is here, and repairs go on."""
        self.now_ms = now_ms
        self._end(self.clock.read_ms(now_ms))
        if now_ms >= self._hello_ms + HELLO_MS or now_ms < self._hello_ms:
            self._hello_ms = now_ms
            for peer in self.others.stores:
                shared = self.others.shared(peer)
                self.send(peer, Hello(shared.their_version, shared.their_at_ms))
        self._go_on_repairing()

    def begin(self, now_ms: int) -> list[Row]:
        """The rows of the next batch; nothing if nothing changed. Write them, or try again; then call `finish`."""
        self.now_ms = now_ms
        return self.contents.begin(self.clock.time)

    def to_sync(self) -> int:
        """Number of the batch that a sync that begins now makes durable; 0 if none is needed."""
        return self.contents.to_sync()

    def synced(self, number: int) -> None:
        """A sync is done that began when `to_sync` said `number`."""
        for batch in self.contents.publish(number):
            self._spread(batch)
            self._result.commits += _commits(batch)
        while self._waiting and self._waiting[0][0] <= number:
            _, token, version = self._waiting.popleft()
            self._result.answers.append((token, version))
        self._answering.settle()
        if self._repair is not None:
            self._repair.go_on(self.now_ms)

    def finish(self) -> Result[TokenT]:
        """Who is answered by now."""
        result, self._result = self._result, Result()
        return result

    @property
    def has_more(self) -> bool:
        """Whether `begin` would give rows."""
        return self.contents.is_dirty

    def take_outgoing(self) -> list[tuple[StoreId, bytes]]:
        """What is to be sent: each a whole message, in any order, once; whatever is lost is repaired."""
        outgoing, self._outgoing = self._outgoing, []
        self._outgoing_bytes.clear()
        return outgoing

    def take(self, sender: StoreId, told: Iterable[Told]) -> bool:
        """Stage what is later than what is here; False if something is refused: stamped too far ahead, or too much."""
        if self.contents.staged_count >= STAGED_MAX:
            return False
        is_all_taken = True
        for each in told:
            try:
                self.clock.follow(each.stamp, self.now_ms)
            except ClockSkewError as skew:
                # Who only passes it on has a right clock, perhaps; there it was within the bound.
                if each.stamp.store == sender:
                    self._skewed(sender, skew)
                is_all_taken = False
                continue
            self.figures.received += 1
            self._merge(each)
        return is_all_taken

    def drop(self, record: Record) -> None:
        """Have a key as deleted that was deleted elsewhere so long ago that nothing is left of it there."""
        told = record.told
        # What is on its way to the disk is a later write than the one that was deleted.
        if told.value is not None and self.contents.latest(told.encoded) == record:
            ended_ms = self.clock.read_ms(self.now_ms) - self.tombstone_ms
            self.contents.stage(told.encoded, replace(told, value=None, expires_at_ms=max(1, ended_ms)))

    def send(self, to: StoreId, message: Message) -> None:
        """Tell another store, unless more waits for it than may."""
        content = render_message(Sent(self.now_ms, message))
        if self._outgoing_bytes[to] + len(content) > OUTGOING_BYTES_MAX:
            self.figures.skipped += len(message.told) if isinstance(message, Spread) else 0
            return
        self._outgoing_bytes[to] += len(content)
        self._outgoing.append((to, content))

    def _take(self, sender: StoreId, message: Message) -> None:
        match message:
            case Spread():
                self.take(sender, message.told)
            case Compare() | Lists() | Give():
                self._answering.answer(sender, message)
            case Differ() | Found() | Taken():
                if self._repair is not None and self._repair.peer == sender:
                    self._repair.answered(message, self.now_ms)
                    self._conclude()
            case Declined():
                if self._repair is not None and self._repair.peer == sender:
                    self._give_up()
            case Hello():
                if self.contents.start < message.version <= self.contents.published.version:
                    self.others.remember(sender, message.version, message.at_ms)
            case Skewed():
                pass
            case _:
                assert_never(message)

    def _merge(self, told: Told) -> None:
        """Have what was told, if it is later than what is here."""
        known = self.contents.latest(told.encoded)
        if known is None:
            gone_ms = told.gone_ms(self.tombstone_ms)
            # Forgotten here, and a little later where it comes from.
            if gone_ms and gone_ms <= self.clock.read_ms(self.now_ms):
                return
        elif told.rank <= known.told.rank:
            return
        self._own.pop(told.encoded, None)
        self.contents.stage(told.encoded, told)

    def _end(self, now_ms: int) -> None:
        """End values whose time has come, and forget what was deleted long ago."""
        found = list(islice(self.contents.due(now_ms), DUE_MAX))
        if len(found) < DUE_MAX:
            self.contents.all_done(now_ms)
        for record in found:
            told = record.told
            self._own.pop(told.encoded, None)
            self.contents.stage(told.encoded, None if told.value is None else replace(told, value=None))

    def _spread(self, batch: Batch) -> None:
        """Tell the others what was written here and is on the disk now."""
        own = [
            record.told
            for encoded, record in batch.after.items()
            if record is not None and self._own.get(encoded) == record.version
        ]
        for told in own:
            del self._own[told.encoded]
        for peer in self.others.stores if own else ():
            if self.others.is_away(peer, self.now_ms):
                self.figures.skipped += len(own)
                continue
            for part in _parts(own):
                self.figures.spread += len(part)
                self.send(peer, Spread(part))

    def _go_on_repairing(self) -> None:
        repair, now_ms = self._repair, self.now_ms
        if repair is not None:
            if repair.is_overdue(now_ms):
                self._give_up()
            else:
                repair.go_on(now_ms)
                self._conclude()
            return
        near = [peer for peer in self.others.stores if self._may_repair(peer)]
        if near and abs(now_ms - self._repair_ms) >= REPAIR_EVERY_MS:
            self._repair_ms = now_ms
            peer = near[self._draw(len(near))]
            began = Shared(self.contents.published.version, now_ms)
            self._repair = Repair(self, peer, self._draw(1 << 62), began)
            self._repair.go_on(now_ms)

    def _may_repair(self, peer: StoreId) -> bool:
        return not self.others.is_away(peer, self.now_ms) and self.others.may_meet(peer, self.now_ms)

    def _conclude(self) -> None:
        """Remember what came of a repair that is done."""
        repair = self._repair
        if repair is not None and repair.is_done:
            self._repair = None
            self.figures.repairs += 1
            self.figures.repaired_bytes += repair.exchanged_bytes
            began, theirs = repair.began, repair.theirs or NOTHING_KNOWN
            self.others.remember(repair.peer, began.version, began.at_ms, theirs.version, theirs.at_ms)

    def _give_up(self) -> None:
        self._repair = None
        self.figures.failed_repairs += 1

    def _skewed(self, sender: StoreId, skew: ClockSkewError) -> None:
        """Note that a clock is ahead, and tell whose."""
        self.others.is_ahead(sender, skew.ahead_ms, self.now_ms)
        self.figures.skewed += 1
        self.send(sender, Skewed(skew.ahead_ms))

    def _check_may_write(self, now_ms: int) -> None:
        if len(self._waiting) >= WAITING_MAX:
            raise too_many_writes(len(self._waiting), self.store)
        self.now_ms = now_ms
        if ahead_ms := self.self_ahead_ms:
            raise self_ahead(ahead_ms, SKEW_MS_MAX)


def _commits(batch: Batch) -> list[Commit]:
    """What watchers are told of a batch, by rising version."""
    changed = sorted(
        (record for record in batch.after.values() if record is not None), key=lambda record: record.version
    )
    return [commit_of(record) for record in changed]


def _parts(told: list[Told]) -> list[tuple[Told, ...]]:
    """Records in messages of a bounded size."""
    parts: list[tuple[Told, ...]] = []
    part: list[Told] = []
    size_bytes = 0
    for each in told:
        part.append(each)
        size_bytes += each.size_bytes
        if size_bytes >= TOLD_BYTES_MAX:
            parts.append(tuple(part))
            part, size_bytes = [], 0
    return [*parts, tuple(part)] if part else parts
