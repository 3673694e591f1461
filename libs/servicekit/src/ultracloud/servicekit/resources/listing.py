"""Pages of a kind's resources, all read at the version of the first."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeAlias

from ultracloud.base.faults import InvalidArgumentError, OutOfRangeError
from ultracloud.servicekit.resources import layout, pages, records
from ultracloud.servicekit.resources.engine import Resources
from ultracloud.servicekit.resources.kinds import Kind, MessageT
from ultracloud.servicekit.resources.pages import Cursor
from ultracloud.servicekit.resources.records import Stored
from ultracloud.servicekit.store import Reading, prefix_end

LOOKED_AT_MAX = 10_000
"""Names one page looks at: a selector that matches nothing ends its page here, with a token to go on."""

Visible: TypeAlias = Callable[[Stored[MessageT]], bool]


@dataclass(frozen=True, slots=True)
class Page(Generic[MessageT]):
    """One page; `token` is empty on the last."""

    items: tuple[Stored[MessageT], ...]
    token: str
    version: int


async def page(
    resources: Resources,
    kind: Kind[MessageT],
    place: str | None,
    *,
    size: int,
    token: str,
    labels: Mapping[str, str],
    visible: Visible[MessageT] | None = None,
) -> Page[MessageT]:
    """One page of the resources in a place (None: everywhere), by name; then the public ones of other places.

    Raises:
        InvalidArgumentError: `size` or `token` is not acceptable, or the token is too old.
    """
    asked = pages.question(kind.key, place, labels)
    cursor, wanted = pages.parse(token, asked), pages.page_size(size)
    has_public = place is not None and kind.has_public
    items: list[Stored[MessageT]] = []
    looked_at = 0
    while True:
        try:
            names = await _names(resources, kind, place, cursor, wanted - len(items))
            found = await resources.read_many(
                kind, [entry.value.decode() for entry in names.entries], names.read_version
            )
        except OutOfRangeError as error:
            raise InvalidArgumentError(
                "page_token is too old; list again from the first page", reason="PAGE_TOKEN_EXPIRED"
            ) from error
        items.extend(one for one in found if _is_wanted(one, place, cursor, labels, visible))
        looked_at += len(names.entries)
        after = names.entries[-1].key if names.entries else cursor.after
        if names.more:
            cursor = Cursor(names.read_version, after, cursor.public)
        elif has_public and not cursor.public:
            cursor = Cursor(names.read_version, b"", public=True)
        else:
            return Page(tuple(items), "", names.read_version)
        if len(items) >= wanted or looked_at >= LOOKED_AT_MAX:
            return Page(tuple(items), pages.render(cursor, asked), names.read_version)


async def _names(resources: Resources, kind: Kind[MessageT], place: str | None, cursor: Cursor, limit: int) -> Reading:
    """The next names after the cursor."""
    prefix = layout.public_prefix(kind.key) if cursor.public else layout.name_prefix(kind.key, place)
    # A forged token could point elsewhere; the scan stays inside the place whatever it says.
    start = max(prefix, cursor.after + b"\x00") if cursor.after else prefix
    return await resources.store.scan(start, prefix_end(prefix), limit=limit, at_version=cursor.version)


def _is_wanted(
    stored: Stored[MessageT],
    place: str | None,
    cursor: Cursor,
    labels: Mapping[str, str],
    visible: Visible[MessageT] | None,
) -> bool:
    """Whether a resource belongs on the page."""
    if cursor.public and stored.metadata.project == place:
        return False
    return records.is_selected(stored.metadata, labels) and (visible is None or visible(stored))
