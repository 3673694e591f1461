from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flaredb.core import feed
from flaredb.core.commands import Change, Commit
from flaredb.core.feed import Interest, Recent, page_of
from flaredb.core.keys import encode


def commit(version: int, *keys: bytes, namespace: str = "iam", size: int = 1) -> Commit:
    changes = (Change(encode(namespace, key), key, b"v" * size) for key in keys)
    return Commit(version, namespace, tuple(changes))


def keys_of(page: feed.Page) -> list[tuple[int, bytes]]:
    return [(version, change.key) for version, change in page.changes]


def test_a_watcher_gets_its_range_only():
    commits = [commit(2, b"a", b"b", b"c"), commit(3, b"b", namespace="dns"), commit(4, b"b")]
    page = page_of(commits, Interest("iam", b"b", b"c"), 1)
    assert keys_of(page) == [(2, b"b"), (4, b"b")]


def test_the_position_passes_what_was_not_wanted():
    page = page_of([commit(2, b"x"), commit(3, b"x")], Interest("iam", b"a", b"b"), 1)
    assert page == feed.Page((), 3)


def test_nothing_new_leaves_the_position():
    assert page_of([], Interest("iam", b"", b""), 9) == feed.Page((), 9)


def test_a_message_ends_between_commits_and_soon_after_its_limit():
    large = feed.FEED_BYTES_MAX // 2
    page = page_of([commit(n, b"a", b"b", size=large) for n in (2, 3, 4)], Interest("iam", b"", b""), 1)
    assert keys_of(page) == [(2, b"a"), (2, b"b")]
    assert page.position == 2


@pytest.mark.parametrize(("start", "end", "wanted"), [(b"", b"", True), (b"k", b"", True), (b"", b"k", False)])
def test_a_range_has_its_start_and_not_its_end(start: bytes, end: bytes, wanted: bool):  # noqa: FBT001
    assert Interest("iam", start, end).wants(b"k") is wanted


@given(st.lists(st.integers(1, 900_000), max_size=30), st.data())
def test_recent_keeps_the_newest_that_fit_and_says_where_it_starts(sizes: list[int], data: st.DataObject):
    recent = Recent(1)
    commits = [commit(version, b"k", size=size) for version, size in enumerate(sizes, start=2)]
    for one in commits:
        recent.add([one])
    kept = list(recent.after(recent.start))
    assert kept == [one for one in commits if one.version > recent.start]
    assert sum(one.size_bytes for one in kept) <= feed.RECENT_BYTES_MAX
    position = data.draw(st.integers(recent.start, len(sizes) + 1))
    assert list(recent.after(position)) == [one for one in commits if one.version > position]


def test_recent_is_bounded_in_commits():
    recent = Recent(1)
    recent.add(commit(version, b"k") for version in range(2, feed.RECENT_COMMITS_MAX + 12))
    assert recent.start == 11
    assert len(list(recent.after(11))) == feed.RECENT_COMMITS_MAX
