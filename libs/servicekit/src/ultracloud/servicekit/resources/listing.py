"""Pages of a kind's resources, all read at the version of the first.

What is selected by a label or an indexed field is found by the index, which lists in the order of names as the names
themselves do: so a list may use one for this page and another for the next, and its token stays the same.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeAlias

from ultracloud.base.faults import InvalidArgumentError, OutOfRangeError
from ultracloud.servicekit.resources import indexes, layout, pages
from ultracloud.servicekit.resources.engine import Resources
from ultracloud.servicekit.resources.kinds import Kind, MessageT
from ultracloud.servicekit.resources.pages import Cursor
from ultracloud.servicekit.resources.records import Stored
from ultracloud.servicekit.resources.selectors import EVERYTHING, Selection
from ultracloud.servicekit.store import Store, prefix_end

LOOKED_AT_MAX = 10_000
"""Names one page looks at: a selector that matches nothing ends its page here, with a token to go on."""

Visible: TypeAlias = Callable[[Stored[MessageT]], bool]


@dataclass(frozen=True, slots=True)
class Page(Generic[MessageT]):
    """One page; `token` is empty on the last."""

    items: tuple[Stored[MessageT], ...]
    token: str
    version: int


@dataclass(frozen=True, slots=True)
class _Found:
    """Candidates, by name: endings of their keys, and their ids.

    Attributes:
        more: Others follow.
        version: Of the store they were read at.
    """

    endings: tuple[bytes, ...]
    identifiers: tuple[str, ...]
    more: bool
    version: int


async def page(
    resources: Resources,
    kind: Kind[MessageT],
    place: str | None,
    *,
    size: int,
    token: str,
    selection: Selection = EVERYTHING,
    visible: Visible[MessageT] | None = None,
) -> Page[MessageT]:
    """One page of the resources in a place (None: everywhere), by name; then the public ones of other places.

    Raises:
        InvalidArgumentError: `size` or `token` is not acceptable, or the token is too old.
    """
    asked = pages.question(kind.key, place, selection)
    cursor, wanted = pages.parse(token, asked), pages.page_size(size)
    has_public = place is not None and kind.has_public
    whole_from = await resources.index_version(kind) if selection else 0
    items: list[Stored[MessageT]] = []
    looked_at = 0
    while True:
        try:
            # An index that was not whole yet when the list began has holes at that version.
            usable = EVERYTHING if cursor.version and cursor.version < whole_from else selection
            found = await _candidates(resources.store, kind, place, usable, cursor, wanted - len(items))
            read = await resources.read_many(kind, found.identifiers, found.version)
        except OutOfRangeError as error:
            raise InvalidArgumentError(
                "page_token is too old; list again from the first page", reason="PAGE_TOKEN_EXPIRED"
            ) from error
        items.extend(one for one in read if _is_wanted(one, place, cursor, selection, visible))
        looked_at += len(found.endings)
        if found.more:
            cursor = Cursor(found.version, found.endings[-1], cursor.public)
        elif has_public and not cursor.public:
            cursor = Cursor(found.version, b"", public=True)
        else:
            return Page(tuple(items), "", found.version)
        if len(items) >= wanted or looked_at >= LOOKED_AT_MAX:
            return Page(tuple(items), pages.render(cursor, asked), found.version)


async def everything(
    resources: Resources, kind: Kind[MessageT], place: str | None, selection: Selection, at_version: int
) -> tuple[list[Stored[MessageT]], int]:
    """All that is selected in a place and public ones elsewhere, at one version (0: the newest), and which that is.

    Raises:
        OutOfRangeError: `at_version` is no longer kept.
    """
    whole_from = await resources.index_version(kind) if selection else 0
    usable = EVERYTHING if at_version and at_version < whole_from else selection
    items: list[Stored[MessageT]] = []
    cursor = Cursor(at_version)
    while True:
        found = await _candidates(resources.store, kind, place, usable, cursor, pages.PAGE_SIZE_MAX)
        read = await resources.read_many(kind, found.identifiers, found.version)
        items.extend(one for one in read if _is_wanted(one, place, cursor, selection, None))
        if found.more:
            cursor = Cursor(found.version, found.endings[-1], cursor.public)
        elif place is not None and kind.has_public and not cursor.public:
            cursor = Cursor(found.version, b"", public=True)
        else:
            return items, found.version


async def _candidates(
    store: Store, kind: Kind[MessageT], place: str | None, selection: Selection, cursor: Cursor, limit: int
) -> _Found:
    """The next `limit` resources that may be selected."""
    if cursor.public:
        return await _merged(store, [layout.public_prefix(kind.key)], cursor, limit)
    here = b"" if place is None else layout.name_ending(place, "")
    alternatives = [[prefix + here for prefix in prefixes] for prefixes in indexes.ranges(kind, selection)]
    best = await _merged(
        store, alternatives[0] if alternatives else [layout.name_prefix(kind.key, place)], cursor, limit
    )
    for prefixes in alternatives[1:]:
        if not best.more:
            break
        # Whichever ends within a page is the narrowest; where none does, any will do.
        other = await _merged(store, prefixes, Cursor(best.version, cursor.after), limit)
        best = best if other.more else other
    return best


async def _merged(store: Store, prefixes: Sequence[bytes], cursor: Cursor, limit: int) -> _Found:
    """The first `limit` entries of some ranges behind the cursor, in the order of how their keys end."""
    found: dict[bytes, str] = {}
    version, more = cursor.version, False
    for prefix in prefixes:
        # A forged token could point elsewhere; the scan stays inside the range whatever it says.
        start = prefix + cursor.after + b"\x00" if cursor.after else prefix
        reading = await store.scan(start, prefix_end(prefix), limit=limit, at_version=version)
        version, more = reading.read_version, more or reading.more
        found.update((entry.key[len(prefix) :], entry.value.decode()) for entry in reading.entries)
    endings = sorted(found)[:limit]
    more = more or len(found) > limit
    return _Found(tuple(endings), tuple(found[ending] for ending in endings), more, version)


def _is_wanted(
    stored: Stored[MessageT],
    place: str | None,
    cursor: Cursor,
    selection: Selection,
    visible: Visible[MessageT] | None,
) -> bool:
    """Whether a resource belongs on the page."""
    if cursor.public and stored.metadata.project == place:
        return False
    return indexes.is_met(selection, stored.message) and (visible is None or visible(stored))
