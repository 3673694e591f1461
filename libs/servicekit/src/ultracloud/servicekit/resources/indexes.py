"""The index of a kind: which records have a label, or a value in a declared field. Pure.

Each record has an entry for each of its terms, written in the transaction that writes the record. An entry's key ends
like that of the record's name, so every term lists its records in the order of names, and a page by a term reads no
others. What an index gives is compared with the selection again: an entry too many costs a read, never a wrong answer.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import quote

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from ultracloud.servicekit.resources import layout
from ultracloud.servicekit.resources.kinds import Kind, MessageT
from ultracloud.servicekit.resources.records import metadata_of
from ultracloud.servicekit.resources.selectors import Operator, Requirement, Selection

WORD_LENGTH_MAX = 128
"""Characters of a value in a key; a longer one is there as its digest, because a key has at most 4 KiB."""


def field_values(message: Message, path: str) -> frozenset[str]:
    """The values a field of a resource has, as a filter writes them; the empty one, where there is none.

    A path through repeated messages has the values of all of them.
    """
    return frozenset(_values(message, path.split("."))) or frozenset({""})


def text_of(field: FieldDescriptor, value: object) -> str:
    """A value as a filter writes it."""
    if field.enum_type is not None:
        names = field.enum_type.values_by_number
        return str(names[value].name if value in names else value)  # type: ignore[index]
    return str(value).lower() if isinstance(value, bool) else str(value)


def is_met(selection: Selection, message: Message) -> bool:
    """Whether a resource is selected."""
    return selection.is_met(metadata_of(message).labels, lambda path: field_values(message, path))


def entries(kind: Kind[MessageT], message: MessageT) -> frozenset[bytes]:
    """The keys a record has in the index."""
    metadata = metadata_of(message)
    ending = layout.name_ending(metadata.project, metadata.name)
    return frozenset(term + ending for term in _terms(kind, message))


def changes(kind: Kind[MessageT], old: MessageT | None, new: MessageT | None) -> dict[bytes, bytes | None]:
    """What is written to the index when `old` (None: nothing) becomes `new` (None: is gone)."""
    before = entries(kind, old) if old is not None else frozenset[bytes]()
    after = entries(kind, new) if new is not None else frozenset[bytes]()
    identifier = metadata_of(new).id.encode() if new is not None else b""
    return {**dict.fromkeys(before - after), **dict.fromkeys(after - before, identifier)}


def ranges(kind: Kind[MessageT], selection: Selection) -> list[list[bytes]]:
    """Prefixes that together have all that is selected: one list for each requirement an index can answer.

    Fields come first: a host or a VPC has fewer resources than an environment.
    """
    found = [*_prefixes(kind, "f", selection.fields), *_prefixes(kind, "l", selection.labels)]
    return sorted(found, key=len)


def mark(kind: Kind[MessageT]) -> bytes:
    """What the store says of a kind whose index is whole."""
    return "\n".join(("1", *sorted(kind.indexed))).encode()


def _prefixes(kind: Kind[MessageT], space: str, wanted: Sequence[Requirement]) -> Iterator[list[bytes]]:
    """Those of the requirements over labels (``l``) or fields (``f``)."""
    for one in wanted:
        if one.operator is Operator.IN:
            yield [layout.index_prefix(kind.key, space, _quoted(one.key), _word(value)) for value in one.values]
        elif one.operator is Operator.EXISTS and space == "l":
            yield [layout.index_prefix(kind.key, space, _quoted(one.key), "*")]


def _terms(kind: Kind[MessageT], message: MessageT) -> Iterator[bytes]:
    """The prefixes a record belongs to."""
    for key, value in metadata_of(message).labels.items():
        yield layout.index_prefix(kind.key, "l", _quoted(key), _word(value))
        yield layout.index_prefix(kind.key, "l", _quoted(key), "*")
    for path in kind.indexed:
        for value in field_values(message, path):
            yield layout.index_prefix(kind.key, "f", path, _word(value))


@functools.lru_cache(maxsize=4096)  # labels and enumerations repeat; what does not costs what it did
def _quoted(text: str) -> str:
    """A text without what has a meaning in keys."""
    return quote(text, "")


def _word(value: str) -> str:
    """A value as a part of a key; ``*`` and ``#`` begin none."""
    word = _quoted(value)
    return f"={word}" if len(word) <= WORD_LENGTH_MAX else f"#{hashlib.sha256(value.encode()).hexdigest()}"


def _values(message: Any, path: Sequence[str]) -> Iterator[str]:
    """The values at the end of a path."""
    field = message.DESCRIPTOR.fields_by_name[path[0]]
    value = getattr(message, path[0])
    for one in value if field.is_repeated else (value,):
        if field.message_type is not None:
            yield from _values(one, path[1:])
        else:
            yield text_of(field, one)
