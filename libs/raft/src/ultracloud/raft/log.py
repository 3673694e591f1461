"""The log in memory, and how far it is stored, committed and handed out.

Indexes, each at most the one before it unless said otherwise:

    last_index   the end
    durable      stored on this node's disk
    commit       stored by a quorum; may run ahead of `durable` on a follower
    emitted      given out to be applied; never ahead of `durable` nor `commit`
    base_index   the entry before the first one that is kept; its term is known

Source: the Raft paper, figure 2 and section 5.3.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Sequence

from ultracloud.raft.words import Entry, EntryKind


class Log:
    """Entries one after another, from `base_index + 1` to `last_index`."""

    def __init__(self, base_index: int, base_term: int, entries: Sequence[Entry], commit: int, emitted: int) -> None:
        self.base_index = base_index
        self.base_term = base_term
        self._entries = list(entries)
        assert all(entry.index == base_index + 1 + place for place, entry in enumerate(entries)), "a gap in the log"
        self.commit = commit
        self.emitted = emitted
        self.durable = self.last_index
        self._told = self.last_index
        """Up to here entries were given out to be stored."""
        self._writes: deque[tuple[int, int]] = deque()
        """Number of a Ready, and the index that its being durable vouches for."""
        self.config_indexes = [entry.index for entry in entries if entry.kind is EntryKind.CONFIG]
        """Changes of configuration that are not yet emitted."""
        self._forget_configs()

    @property
    def last_index(self) -> int:
        """Index of the last entry."""
        return self.base_index + len(self._entries)

    @property
    def last_term(self) -> int:
        """Term of the last entry."""
        return self._entries[-1].term if self._entries else self.base_term

    def term(self, index: int) -> int | None:
        """Term of the entry at `index`; None if it is not kept."""
        place = index - self.base_index
        if 0 < place <= len(self._entries):
            return self._entries[place - 1].term
        return self.base_term if place == 0 else None

    def slice(self, after: int, last: int) -> tuple[Entry, ...]:
        """The entries after `after` up to and with `last`."""
        return tuple(self._entries[after - self.base_index : last - self.base_index])

    def batch(self, after: int, bytes_max: int) -> tuple[tuple[Entry, ...], int]:
        """Entries after `after` with bodies of at most `bytes_max` bytes, but at least one; and the bytes they have."""
        start = end = after - self.base_index
        size = 0
        for entry in self._entries[start:]:
            if size + len(entry.body) > bytes_max and end > start:
                break
            size += len(entry.body)
            end += 1
            if size >= bytes_max:
                break
        return tuple(self._entries[start:end]), size

    def is_up_to_date(self, last_index: int, last_term: int) -> bool:
        """Whether a log that ends so has all that this one has committed (5.4.1)."""
        return (last_term, last_index) >= (self.last_term, self.last_index)

    def meeting_point(self, index: int, term: int) -> int:
        """The last index, at most `index`, whose term is at most `term`: the logs cannot be alike after it."""
        index = min(index, self.last_index)
        place = max(index - self.base_index, 0)
        found = bisect_right(self._entries, term, 0, place, key=_term)
        return self.base_index + found if found or self.base_term <= term else max(self.base_index - 1, 0)

    def append(self, entries: Sequence[Entry]) -> None:
        """Add what a leader proposes."""
        self._entries += entries

    def accept(self, prev_index: int, entries: Sequence[Entry]) -> int:
        """Make the log after `prev_index`, which is alike, say what a leader's log says.

        Entries behind them stay when there is no conflict: an overtaken message must not cut what a later one brought.

        Returns the last index that is now alike.
        """
        last = prev_index + len(entries)
        known = min(last, self.last_index) - prev_index
        place = prev_index - self.base_index
        fresh = next((at for at in range(known) if self._entries[place + at].term != entries[at].term), known)
        if fresh < len(entries):
            self._cut(prev_index + fresh)
            tail = entries[fresh:]
            self._entries += tail
            self.config_indexes += [entry.index for entry in tail if entry.kind is EntryKind.CONFIG]
        return last

    def _cut(self, last: int) -> None:
        """Forget what is after `last`."""
        if last == self.last_index:
            return
        assert last >= self.commit, f"a leader contradicts committed entry {last + 1}"
        del self._entries[last - self.base_index :]
        del self.config_indexes[bisect_right(self.config_indexes, last) :]
        self._vouch_at_most(last)

    def _vouch_at_most(self, last: int) -> None:
        """What is on disk after `last` is not what the log says any more."""
        self.durable = min(self.durable, last)
        self._told = min(self._told, last)
        self._writes = deque((number, min(index, last)) for number, index in self._writes)

    def commit_to(self, index: int) -> None:
        """Entries up to `index` are committed."""
        if index > self.commit:
            assert index <= self.last_index, f"entry {index} is committed but the log ends at {self.last_index}: lost?"
            self.commit = index

    def learn_commit(self, index: int, term: int) -> None:
        """Some node knows that the entry of `term` at `index` is committed: then it is here too, if it is here."""
        if self.term(index) == term:
            self.commit_to(index)

    @property
    def commit_term(self) -> int:
        """Term of the last committed entry."""
        term = self.term(self.commit)
        assert term is not None, "what is committed is never cut, and compacted only behind its last entry"
        return term

    def restore(self, index: int, term: int, number: int) -> None:
        """Replace everything by a snapshot, which `Ready` number `number` stores."""
        self._entries.clear()
        self.config_indexes.clear()
        self.base_index, self.base_term = index, term
        self.commit = self.emitted = self._told = index
        self.durable = 0
        self._writes = deque([(number, index)])

    def compact(self, index: int) -> None:
        """Forget entries up to `index`, which are emitted."""
        assert index <= self.emitted, "what is not applied must be kept"
        if index <= self.base_index:
            return
        term = self.term(index)
        assert term is not None
        del self._entries[: index - self.base_index]
        self.base_index, self.base_term = index, term

    def take_unstored(self, number: int) -> tuple[Entry, ...]:
        """The entries that `Ready` number `number` is to store."""
        last = self.last_index
        if self._told == last:
            return ()
        entries = self.slice(self._told, last)
        self._told = last
        self._writes.append((number, last))
        return entries

    def persisted(self, number: int) -> None:
        """What was given out up to `Ready` number `number` is durable."""
        while self._writes and self._writes[0][0] <= number:
            self.durable = max(self.durable, self._writes.popleft()[1])

    def emit(self) -> tuple[Entry, ...]:
        """The entries that may be applied now."""
        last = min(self.commit, self.durable)
        if last <= self.emitted:
            return ()
        entries = self.slice(self.emitted, last)
        self.emitted = last
        return entries

    def emitted_configs(self) -> list[Entry]:
        """The changes of configuration among what was emitted; each is given once."""
        indexes = self.config_indexes
        if not indexes or indexes[0] > self.emitted:
            return []
        entries = [self._entries[index - self.base_index - 1] for index in indexes if index <= self.emitted]
        self._forget_configs()
        return entries

    def _forget_configs(self) -> None:
        """Changes that are emitted wait no more."""
        del self.config_indexes[: bisect_right(self.config_indexes, self.emitted)]

    def has_unapplied_config(self) -> bool:
        """Whether a committed change of configuration does not hold yet."""
        return bisect_left(self.config_indexes, self.commit + 1) > 0


def _term(entry: Entry) -> int:
    return entry.term
