"""Which part of the history a watcher gets next.

A watcher is a range and a position: everything up to the position has been sent. There is no queue per watcher that
could overflow: newest commits stand in one list that all watchers share, older ones are read from the store, and a
watcher that is slower than history is kept is told so.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from flaredb.core.commands import Change, Commit

RECENT_BYTES_MAX = 4 * 1024 * 1024
"""Keys and values of newest commits kept for watchers: seconds of a busy control plane, and small beside RocksDB."""
RECENT_COMMITS_MAX = 1024
"""The same in commits: their Python objects weigh more than small keys and values do."""
FEED_BYTES_MAX = 1024 * 1024
"""Keys and values after which a message of a watch ends. A whole commit more may still come: 3 MiB fit a message."""
FEED_COMMITS_MAX = 1024
"""Commits that one look into the stored history reads before others are served: about 5 ms."""


@dataclass(frozen=True, slots=True)
class Interest:
    """What a watcher watches: keys of [start, end) of a namespace; an empty `end` is the namespace's."""

    namespace: str
    start: bytes
    end: bytes

    def wants(self, key: bytes) -> bool:
        """Whether a key of the namespace is in the range."""
        return self.start <= key and (not self.end or key < self.end)

    def of(self, commit: Commit) -> tuple[Change, ...]:
        """The changes of a commit that are in the range."""
        if commit.namespace != self.namespace:
            return ()
        return tuple(change for change in commit.changes if self.wants(change.key))


@dataclass(frozen=True, slots=True)
class Page:
    """The next message of a watch: changes with their versions, in order, and the position after them."""

    changes: tuple[tuple[int, Change], ...]
    position: int


def page_of(commits: Iterable[Commit], interest: Interest, position: int) -> Page:
    """What of `commits`, by rising version and all after `position`, a watcher gets in one message."""
    changes: list[tuple[int, Change]] = []
    size_bytes = 0
    for commit in commits:
        assert commit.version > position, (commit.version, position)
        wanted = interest.of(commit)
        changes += ((commit.version, change) for change in wanted)
        position = commit.version
        size_bytes += sum(len(c.key) + (len(c.value) if c.value is not None else 0) for c in wanted)
        if size_bytes >= FEED_BYTES_MAX:
            break
    return Page(tuple(changes), position)


@dataclass(slots=True)
class Recent:
    """The newest commits, bounded in bytes and number.

    Attributes:
        start: Every commit after this version is here.
    """

    start: int
    _commits: deque[Commit] = field(default_factory=deque)
    _sizes: deque[int] = field(default_factory=deque)
    _size_bytes: int = 0

    def add(self, commits: Iterable[Commit]) -> None:
        """Take commits of a batch, by rising version, and forget the oldest that no longer fit."""
        for commit in commits:
            assert not self._commits or commit.version > self._commits[-1].version, commit.version
            size_bytes = commit.size_bytes
            self._commits.append(commit)
            self._sizes.append(size_bytes)
            self._size_bytes += size_bytes
        while len(self._commits) > RECENT_COMMITS_MAX or self._size_bytes > RECENT_BYTES_MAX:
            self._size_bytes -= self._sizes.popleft()
            self.start = self._commits.popleft().version

    def after(self, position: int) -> Iterator[Commit]:
        """All commits after `position`, which is not before `start`."""
        assert position >= self.start, (position, self.start)
        newer = []
        for commit in reversed(self._commits):
            if commit.version <= position:
                break
            newer.append(commit)
        return reversed(newer)
