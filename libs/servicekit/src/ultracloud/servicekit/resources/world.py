"""What a reconciler knows: all resources of some kinds, in memory, at one version of the store."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple, cast

from ultracloud.api.resource.v1 import resource_pb2 as pb
from ultracloud.servicekit.resources import layout, records
from ultracloud.servicekit.resources.indexes import field_values
from ultracloud.servicekit.resources.kinds import Kind, MessageT
from ultracloud.servicekit.resources.records import Stored
from ultracloud.servicekit.store import Change

_RECORDS = layout.RECORDS


class Key(NamedTuple):
    """What may need work: a resource (`kind` is `Kind.key`), or anything else a planner knows, e.g. a host."""

    kind: str
    id: str


class _Index:
    """Resources of a kind by the values of one field; `moves` counts for all indexes of a world."""

    def __init__(self, path: str, moves: Iterator[int]) -> None:
        self.moved: dict[str, int] = {}
        self._path = path
        self._moves = moves
        self._found: dict[str, dict[str, Stored[Any]]] = {}

    def having(self, value: str) -> Iterable[Stored[Any]]:
        """Those with a value."""
        return self._found.get(value, {}).values()

    def add(self, identifier: str, stored: Stored[Any]) -> None:
        """Put a resource where its values are."""
        for value in field_values(stored.message, self._path):
            self._found.setdefault(value, {})[identifier] = stored
            self.moved[value] = next(self._moves)

    def remove(self, identifier: str, stored: Stored[Any]) -> None:
        """Take it away from there; nothing is left of a value that nobody has."""
        for value in field_values(stored.message, self._path):
            self._found[value].pop(identifier)
            self.moved[value] = next(self._moves)
            if not self._found[value]:
                del self._found[value], self.moved[value]


class World:
    """All resources of some kinds at one version of the store. Only the reconciler changes it, between plans."""

    def __init__(self, kinds: Iterable[Kind[Any]]) -> None:
        self.version = 0
        self._moves = itertools.count(1)
        self._kinds = {kind.key: kind for kind in kinds}
        self._known: dict[str, dict[str, Stored[Any]]] = {key: {} for key in self._kinds}
        self._indexes: dict[tuple[str, str], _Index] = {}

    def get(self, kind: Kind[MessageT], identifier: str) -> MessageT | None:
        """One resource; None if there is none. Not to be changed."""
        stored = self._known[kind.key].get(identifier)
        return cast("MessageT", stored.message) if stored else None

    def metadata(self, key: Key) -> pb.Metadata | None:
        """The metadata of a resource, whatever its kind; None if there is none. Not to be changed."""
        stored = self._known.get(key.kind, {}).get(key.id)
        return stored.metadata if stored else None

    def all(self, kind: Kind[MessageT]) -> Sequence[MessageT]:
        """All resources of a kind. Not to be changed."""
        return [cast("MessageT", stored.message) for stored in self._known[kind.key].values()]

    def having(self, kind: Kind[MessageT], path: str, value: str) -> Sequence[MessageT]:
        """All resources of a kind with a value in one of the fields that it calls `indexed`. Not to be changed.

        The first question about a field makes an index of it, so that a planner need not look at all for each.
        """
        assert path in kind.indexed, f"{path} is not in the indexed fields of {kind.name}"
        return [cast("MessageT", stored.message) for stored in self._index(kind, path).having(value)]

    def moved(self, kind: Kind[Any], path: str, value: str) -> int:
        """A number that is another one after each change of what `having` gives: for who computes something from it."""
        return self._index(kind, path).moved.get(value, 0)

    def _index(self, kind: Kind[Any], path: str) -> _Index:
        """The index of a field."""
        index = self._indexes.get((kind.key, path))
        if index is None:
            index = self._indexes[kind.key, path] = _Index(path, self._moves)
            for identifier, stored in self._known[kind.key].items():
                index.add(identifier, stored)
        return index

    def every_key(self) -> list[Key]:
        """A key for every resource."""
        return [Key(kind, identifier) for kind, known in self._known.items() for identifier in known]

    def key_of(self, storage_key: bytes) -> Key | None:
        """The key of a stored record; None for kinds this world does not hold, and for what is no record."""
        if not storage_key.startswith(_RECORDS):
            return None
        kind, _, identifier = storage_key[len(_RECORDS) :].decode().partition("/")
        return Key(kind, identifier) if kind in self._kinds else None

    def forget(self) -> None:
        """Know nothing."""
        for known in self._known.values():
            known.clear()
        self._indexes.clear()

    def apply(self, change: Change) -> None:
        """Take in one change of a record this world holds."""
        kind, identifier = change.key[len(_RECORDS) :].decode().split("/")
        before = self._known[kind].pop(identifier, None)
        after = records.parse(self._kinds[kind], change.value, change.version) if change.value is not None else None
        if after is not None:
            self._known[kind][identifier] = after
        for (indexed, _), index in self._indexes.items():
            if indexed == kind and before is not None:
                index.remove(identifier, before)
            if indexed == kind and after is not None:
                index.add(identifier, after)


class LastWrite:
    """Whether a world has the last of some writes: for a moment it is older, and tells nothing of what was written.

    Who writes only what says something new asks this before it goes by what the world knows.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self._version = 0

    @property
    def is_known(self) -> bool:
        """Whether what the world knows is of the last write, or later."""
        return self._world.version >= self._version

    def note(self, written: Stored[MessageT] | None) -> None:
        """Take in a write; None was none."""
        if written is not None:
            self._version = max(self._version, written.version)
