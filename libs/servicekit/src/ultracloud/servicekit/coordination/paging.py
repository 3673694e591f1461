"""A long range in pages, all read at the revision of the first."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import replace

from ultracloud.servicekit.coordination.interface import Coordinator
from ultracloud.servicekit.coordination.words import Get, Range, SortBy


async def pages_of(coordinator: Coordinator, get: Get, page: int) -> AsyncGenerator[Range, None]:
    """See `Coordinator.pages`.

    Raises:
        CompactedError: The revision was forgotten between two pages: begin anew.
    """
    assert get.sort_by is SortBy.KEY, "pages go on after the last key"
    assert not get.descending, "pages go on after the last key"
    left, revision, key = get.limit, get.revision, get.key
    while True:
        wanted = min(page, left) if left else page
        found = await coordinator.read(replace(get, key=key, limit=wanted, revision=revision))
        # The later pages' answers tell the store's revision of their own time; the reading is of the first's.
        revision = revision or found.revision
        left -= min(left, len(found.pairs))
        is_last = not found.more or (get.limit > 0 and left == 0)
        yield replace(found, revision=revision, more=not is_last)
        if is_last:
            return
        key = found.pairs[-1].key + b"\x00"
