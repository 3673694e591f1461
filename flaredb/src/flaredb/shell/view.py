"""What transactions see of the engine: everything written to it, synced or not, since batches are synced in order."""

from __future__ import annotations

from collections.abc import Iterator

from flaredb.core import visibility
from flaredb.core.commands import EncodedKey
from flaredb.core.engine import Column, Engine
from flaredb.core.visibility import Standing


class EngineView:
    """See `flaredb.core.evaluate.View`; both raise DataLossError where stored bytes are damaged."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def standing(self, encoded: EncodedKey, /) -> Standing | None:
        """What a key holds, None where it does not exist."""
        cursor = self._engine.cursor(Column.DATA)
        found = visibility.standing(cursor, encoded)
        if found is None and not cursor.valid():
            self._engine.check(cursor)
        return found

    def standings(self, lower: bytes, upper: bytes, /) -> Iterator[Standing]:
        """What the keys of a range on disk hold, in order."""
        cursor = self._engine.cursor(Column.DATA)
        yield from visibility.standings(cursor, lower, upper)
        if not cursor.valid():
            self._engine.check(cursor)
