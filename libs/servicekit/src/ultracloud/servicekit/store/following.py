"""Keep up with a range: read it once, then take every change; through restarts, lost connections and compaction."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator
from dataclasses import dataclass

from ultracloud.base.faults import CancelledError, DeadlineExceededError, OutOfRangeError, UnavailableError
from ultracloud.servicekit.clock import Clock
from ultracloud.servicekit.store.interface import Change, Entry, Store

PAUSE_FIRST_S, PAUSE_MAX_S = 0.05, 1.0
"""Between attempts while the server is away."""
PAGE = 1000


@dataclass(frozen=True, slots=True)
class Loaded:
    """All entries of the range at `version`. Comes first, and again when changes were missed: forget what was known."""

    entries: tuple[Entry, ...]
    version: int


@dataclass(frozen=True, slots=True)
class Changed:
    """What changed after the version before; everything up to `version` has been seen."""

    changes: tuple[Change, ...]
    version: int


async def read_all(store: Store, start: bytes, end: bytes, at_version: int = 0) -> Loaded:
    """All entries of a range at one version, page by page."""
    entries: list[Entry] = []
    while True:
        page = await store.scan(start, end, limit=PAGE, at_version=at_version)
        entries.extend(page.entries)
        if not page.more:
            return Loaded(tuple(entries), page.read_version)
        start, at_version = page.entries[-1].key + b"\x00", page.read_version


async def follow(store: Store, start: bytes, end: bytes, clock: Clock) -> AsyncGenerator[Loaded | Changed, None]:
    """Yield `Loaded`, then `Changed` for ever; only closing it ends it.

    Faults other than Unavailable, DeadlineExceeded and OutOfRange go up: they do not heal by trying again.
    """
    seen, pause_s = 0, PAUSE_FIRST_S
    while True:
        try:
            if not seen:
                loaded = await read_all(store, start, end)
                seen, pause_s = loaded.version, PAUSE_FIRST_S
                yield loaded
            async with contextlib.aclosing(store.watch(start, end, seen)) as watched:
                async for changes in watched:
                    seen, pause_s = changes.version, PAUSE_FIRST_S
                    yield Changed(changes.changes, changes.version)
        except OutOfRangeError:
            seen = 0
        except (UnavailableError, DeadlineExceededError, CancelledError):
            pass  # the server went away; the loop below waits and asks again from `seen`
        await clock.sleep(pause_s)
        pause_s = min(pause_s * 2, PAUSE_MAX_S)
