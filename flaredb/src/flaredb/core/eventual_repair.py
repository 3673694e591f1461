"""Finding where two stores differ, and making it go: the one that asks, and the one that answers.

A repair walks the hash tree from the root (`eventual_tree`), goes down where hashes differ, lists what is in the leaves
that do, and exchanges what is missing on either side. One question is under way at a time; only the asking side has a
state, so whatever is lost ends the repair by its deadline, and the next one finds equal what this one has mended: it
goes on where this one stopped. Answers are bounded in bytes and in keys looked at, and so is what a repair does in a
second. An empty store is a store where everything differs: it gets its copy the same way.

**Deleted for good.** What is left of a deleted key goes after a time. A store that was away for longer still has the
key and would bring it back. So each store remembers how much another is known to have (`Shared`), from the last repair
that came to its end, whoever began it, and when that was. Where that is longer ago than deletions are kept, a key that
the other *had* and now knows nothing of was deleted there: it is dropped here. And a store that has been apart for so
long from most of those that it knows is compared with no other: those could not tell it what is deleted.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol, assert_never

from flaredb.core.eventual_clock import Stamp
from flaredb.core.eventual_contents import Contents, Item
from flaredb.core.eventual_messages import (
    Ask,
    Compare,
    Declined,
    Differ,
    Found,
    Give,
    Listing,
    Lists,
    Message,
    Taken,
)
from flaredb.core.eventual_others import Others
from flaredb.core.eventual_records import Digest, Record, Shared, Told
from flaredb.core.eventual_tree import PAST, ROOT, Node, Span
from flaredb.core.region import StoreId

NODES_MAX = 64
"""Nodes of one question; the answer has 16 hashes for each: 23 KiB."""
SPANS_MAX = 256
"""Leaves listed in one question: an empty store gets a sixteenth of everything with each, unless bytes end it first."""
ENTRIES_MAX = 10_000
"""Keys listed in one question, 320 KiB, and keys looked at for the answer: 30 ms during which nobody is served."""
TOLD_BYTES_MAX = 1024 * 1024
"""Keys and values after which an answer ends. One value more may still come: a message of 4 MiB holds it."""
SECOND_BYTES_MAX = 8 * 1024 * 1024
"""What a repair exchanges in a second: a tenth of a slow network, and no more than the disk takes beside callers."""
ANSWER_MS_MAX = 5_000
"""How long an answer is waited for: a sync of a busy disk, and a message of some MiB over a slow link."""


class Holder(Protocol):
    """Whose contents are repaired."""

    contents: Contents
    others: Others
    now_ms: int

    def take(self, sender: StoreId, told: Iterable[Told]) -> bool:
        """Stage what is later than what is here; False if something was refused."""
        ...

    def drop(self, record: Record) -> None:
        """Have a key as deleted that was deleted elsewhere, nobody knows when."""
        ...

    def send(self, to: StoreId, message: Message) -> None:
        """Tell another store."""
        ...


@dataclass(slots=True)
class Repair:
    """One repair, at the side that asks.

    Attributes:
        began: What is known of the other store once it is done.
        theirs: What the other store may know then of this one; None if something of it was refused here.
        is_done: Whether all was compared.
        exchanged_bytes: Keys and values that went either way.
    """

    holder: Holder
    peer: StoreId
    number: int
    began: Shared
    theirs: Shared | None = None
    is_done: bool = False
    exchanged_bytes: int = 0
    _step: int = 0
    _deadline_ms: int = 0
    _nodes: list[Node] = field(default_factory=lambda: [ROOT])
    _spans: list[Span] = field(default_factory=list)
    _listed: tuple[Span, ...] = ()
    _waits_for: int = 0
    _is_asking: bool = False
    _second_ms: int = 0
    _second_bytes: int = 0

    def is_overdue(self, now_ms: int) -> bool:
        """Whether an answer is not expected any more."""
        return self._is_asking and now_ms >= self._deadline_ms

    def go_on(self, now_ms: int) -> None:
        """Ask the next question, if none is under way, all that was taken is on the disk, and there is room."""
        if self._is_asking or self.is_done or self._waits_for > self.holder.contents.published_number:
            return
        if now_ms >= self._second_ms + 1000:
            self._second_ms, self._second_bytes = now_ms, 0
        if self._second_bytes >= SECOND_BYTES_MAX:
            return
        if self._nodes:
            asked, self._nodes = self._nodes[-NODES_MAX:], self._nodes[:-NODES_MAX]
            tree = self.holder.contents.tree
            self._ask(Compare(self._next(), tuple((node, tree.hash(node)) for node in asked)), now_ms)
        elif self._spans:
            self._ask(self._list(), now_ms)
        else:
            self.is_done = True

    def answered(self, message: Differ | Found | Taken, now_ms: int) -> None:
        """Take an answer, unless it is of another question."""
        if not self._is_asking or message.ask != Ask(self.number, self._step):
            return
        self._is_asking = False
        match message:
            case Differ():
                self._descend(message)
            case Found():
                self._exchange(message, now_ms)
            case Taken():
                pass
            case _:
                assert_never(message)
        self.go_on(now_ms)

    def _descend(self, message: Differ) -> None:
        if self._step == 1:
            self.theirs = Shared(message.version, message.at_ms)
        tree = self.holder.contents.tree
        for node, said in message.hashes:
            if tree.hash(node) != said:
                if node.is_leaf:
                    self._spans.append(node.span())
                else:
                    self._nodes.append(node)

    def _list(self) -> Lists:
        """What is here in the next spans, in order."""
        self._spans.sort(key=lambda span: span.start)
        taken, self._spans = self._spans[:SPANS_MAX], self._spans[SPANS_MAX:]
        listings: list[Listing] = []
        room = ENTRIES_MAX
        while taken and room:
            span = taken.pop(0)
            listing, rest = _listing(self.holder.contents.items(span), span, room)
            listings.append(listing)
            room -= len(listing.entries)
            if rest is not None:
                taken.insert(0, rest)
        self._spans = taken + self._spans
        self._listed = tuple(each.span for each in listings)
        return Lists(self._next(), tuple(listings))

    def _exchange(self, found: Found, now_ms: int) -> None:
        """Take what the other has, and give what it lacks."""
        told, stopped = self._to_give(found)
        self._spans = [*_from(self._listed, stopped), *self._spans]
        if not self.holder.take(self.peer, found.told):
            self.theirs = None
        self._count(found.told)
        self._waits_for = self.holder.contents.goal
        if told:
            self._count(told)
            self._ask(Give(self._next(), tuple(told)), now_ms)

    def _to_give(self, found: Found) -> tuple[list[Told], Digest]:
        """What the other is to get now, and from where on more is to be looked at another time."""
        told: list[Told] = []
        size_bytes = 0
        unknown = frozenset(found.unknown)
        for place in sorted((*found.wanted, *found.unknown)):
            if size_bytes >= TOLD_BYTES_MAX:
                return told, min(place, found.stopped)
            record = self._record(place)
            if record is None:
                continue
            if place in unknown and was_deleted(self.holder, self.peer, record):
                self.holder.drop(record)
                continue
            told.append(record.told)
            size_bytes += record.told.size_bytes
        return told, found.stopped

    def _record(self, place: Digest) -> Record | None:
        contents = self.holder.contents
        item = next(contents.items(Span(place, Digest(place + b"\x00"))), None)
        return None if item is None else contents.get(item.encoded)

    def _next(self) -> Ask:
        self._step += 1
        return Ask(self.number, self._step)

    def _ask(self, message: Message, now_ms: int) -> None:
        self._is_asking, self._deadline_ms = True, now_ms + ANSWER_MS_MAX
        self.holder.send(self.peer, message)

    def _count(self, told: Sequence[Told]) -> None:
        size_bytes = sum(each.size_bytes for each in told)
        self.exchanged_bytes += size_bytes
        self._second_bytes += size_bytes


class Answering:
    """The side that answers: it remembers only whom it owes word that something is on the disk."""

    def __init__(self, holder: Holder) -> None:
        self._holder = holder
        self._owed: list[tuple[int, StoreId, Ask]] = []

    def answer(self, sender: StoreId, message: Compare | Lists | Give) -> None:
        """Answer a question of another store's repair."""
        if not self._holder.others.may_meet(sender, self._holder.now_ms):
            self._holder.send(sender, Declined(message.ask))
            return
        match message:
            case Compare():
                version, at_ms = self._holder.contents.published.version, self._holder.now_ms
                self._holder.send(sender, Differ(message.ask, tuple(self._differing(message)), version, at_ms))
            case Lists():
                self._holder.send(sender, self._found(sender, message))
            case Give():
                # What was refused is not on the disk, and never will be said to be.
                if self._holder.take(sender, message.told):
                    self._owed.append((self._holder.contents.goal, sender, message.ask))
                    self.settle()
            case _:
                assert_never(message)

    def settle(self) -> None:
        """Tell those whose records are on the disk by now."""
        published = self._holder.contents.published_number
        for number, to, ask in self._owed:
            if number <= published:
                self._holder.send(to, Taken(ask))
        self._owed = [each for each in self._owed if each[0] > published]

    def _differing(self, message: Compare) -> Iterator[tuple[Node, bytes]]:
        tree = self._holder.contents.tree
        for node, said in message.hashes[:NODES_MAX]:
            if tree.hash(node) != said and not node.is_leaf:
                yield from ((child, tree.hash(child)) for child in node.children())

    def _found(self, sender: StoreId, message: Lists) -> Found:
        found = _Finding()
        for listing in message.listings:
            self._look(sender, listing, found)
            if found.stopped != PAST:
                break
        return Found(message.ask, tuple(found.told), tuple(found.wanted), tuple(found.unknown), found.stopped)

    def _look(self, sender: StoreId, listing: Listing, found: _Finding) -> None:
        """Hold what another store has in a span against what is here."""
        theirs = dict(listing.entries)
        for item in self._holder.contents.items(listing.span):
            if found.is_full:
                found.stopped = item.digest
                break
            found.looked += 1
            stamp = theirs.pop(item.digest, None)
            if stamp is None:
                self._tell_missing(sender, item, found)
            elif stamp < item.stamp:
                found.tell(self._holder.contents.get(item.encoded))
            elif stamp > item.stamp:
                found.wanted.append(item.digest)
        found.unknown += (place for place in theirs if place < found.stopped)

    def _tell_missing(self, sender: StoreId, item: Item, found: _Finding) -> None:
        record = self._holder.contents.get(item.encoded)
        if record is not None and was_deleted(self._holder, sender, record):
            self._holder.drop(record)
        else:
            found.tell(record)


@dataclass(slots=True)
class _Finding:
    """An answer in the making."""

    told: list[Told] = field(default_factory=list)
    wanted: list[Digest] = field(default_factory=list)
    unknown: list[Digest] = field(default_factory=list)
    stopped: Digest = PAST
    looked: int = 0
    size_bytes: int = 0

    @property
    def is_full(self) -> bool:
        return self.looked >= ENTRIES_MAX or self.size_bytes >= TOLD_BYTES_MAX

    def tell(self, record: Record | None) -> None:
        if record is not None:
            self.told.append(record.told)
            self.size_bytes += record.told.size_bytes


def was_deleted(holder: Holder, peer: StoreId, record: Record) -> bool:
    """Whether a store that knows nothing of a key has deleted it, longer ago than that is kept."""
    is_known = record.version <= holder.others.shared(peer).version
    return is_known and holder.others.is_apart(peer, holder.now_ms)


def _listing(items: Iterator[Item], span: Span, room: int) -> tuple[Listing, Span | None]:
    """Up to `room` items, and the span of the rest."""
    listed: list[tuple[Digest, Stamp]] = []
    for item in items:
        if len(listed) == room:
            return Listing(Span(span.start, item.digest), tuple(listed)), Span(item.digest, span.end)
        listed.append((item.digest, item.stamp))
    return Listing(span, tuple(listed)), None


def _from(spans: Sequence[Span], stopped: Digest) -> Iterator[Span]:
    """What of some spans is not before a digest."""
    for span in spans:
        if span.end > stopped:
            yield Span(max(span.start, stopped), span.end)
