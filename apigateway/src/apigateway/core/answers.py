"""A service's answers as JSON, of their bytes: a resource is read far more often than it changes.

The same bytes of the same message are the same JSON, so the text of a resource is kept by its bytes, and a list is put
together of its items' texts. It is kept in two generations: what was not asked for while one filled up is forgotten
with the other, so a walk through everything forgets itself.

Source: protobuf's encoding (tags, lengths) for the cut of a list into items.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from apigateway.core.writing import Writers
from ultracloud.api.rest.descriptors import descriptor_of, fields_by_name, fields_of, inner, is_map

METADATA = "ultracloud.resource.v1.Metadata"
KEPT_BYTES_MAX = 16 * 1024 * 1024
"""Of one generation: twenty thousand resources of the usual 150 bytes with their JSON."""
ITEM_BYTES_MAX = 16 * 1024 - 1
"""Larger ones are not kept, and a list that has one is written as a whole: two octets tell the length of all others."""
OVERHEAD_BYTES = 250
"""What a kept text takes besides bytes and characters: three objects, and a place in a table."""
_GOES_ON = 0x80
"""An octet of a length that is not its last one."""
_LENGTH_DELIMITED = 2


class Written(NamedTuple):
    """An answer.

    Attributes:
        text: JSON.
        etag: Of a resource; empty for anything else.
        id: The same.
    """

    text: str
    etag: str = ""
    id: str = ""


Read = Callable[[bytes], Written]
"""Writes the bytes of a message; raises protobuf's DecodeError where they are none of it."""


class Answers:
    """The functions that write answers, and what they keep.

    Args:
        writers: Write messages.
        kept_bytes_max: Of one generation.
    """

    def __init__(self, writers: Writers, kept_bytes_max: int = KEPT_BYTES_MAX) -> None:
        self._writers = writers
        self._tables: dict[str, _Table] = {}
        self._kept_bytes_max = self._left_bytes = kept_bytes_max

    def of(self, message: type[Message]) -> Read:
        """The function that writes the bytes of a message."""
        descriptor = descriptor_of(message)
        if _is_resource(descriptor):
            return self._table(message).read
        items = _items_of(descriptor)
        if items is not None:
            return self._list(message, items)
        write = self._writers.of(message)
        return lambda octets: Written(write(message.FromString(octets)))

    def spend(self, size: int) -> None:
        """Count what is kept; a generation that is full makes room."""
        self._left_bytes -= size
        if self._left_bytes < 0:
            self._left_bytes = self._kept_bytes_max
            for table in self._tables.values():
                table.young, table.old = {}, table.young

    def _table(self, message: type[Message]) -> _Table:
        """What is kept of a kind of resource."""
        name = descriptor_of(message).full_name
        table = self._tables.get(name)
        if table is None:
            table = self._tables[name] = _Table(self, message, self._writers.of(message))
        return table

    def _list(self, message: type[Message], items: FieldDescriptor) -> Read:
        """A list of resources: the text around the items is written, theirs are known."""
        table = self._table(GetMessageClass(inner(items)))
        whole, around = self._writers.of(message), self._writers.around(message, items)
        tag = items.number << 3 | _LENGTH_DELIMITED

        def read(octets: bytes) -> Written:
            cut = split(octets, tag)
            if cut is not None:
                found: Any = message.FromString(cut.rest)
                if not getattr(found, items.name):
                    known = table.young.get
                    texts = [(known(item) or table.read(item)).text for item in cut.items]
                    return Written(around(found, ",".join(texts)))
            return Written(whole(message.FromString(octets)))

        return read


class _Table:
    """Texts of one kind of resource, by its bytes.

    Attributes:
        young: Those that were asked for since the last generation was full.
        old: Those of the one before.
    """

    __slots__ = ("_home", "_make", "_write", "old", "young")

    def __init__(self, home: Answers, message: type[Message], write: Callable[[Any], str]) -> None:
        self._home = home
        self._make = message.FromString
        self._write = write
        self.young: dict[bytes, Written] = {}
        self.old: dict[bytes, Written] = {}

    def read(self, octets: bytes) -> Written:
        """The text of a resource."""
        known = self.young.get(octets)
        if known is not None:
            return known
        known = self.old.get(octets)
        if known is None:
            resource: Any = self._make(octets)
            known = Written(self._write(resource), resource.metadata.etag, resource.metadata.id)
        if len(octets) <= ITEM_BYTES_MAX:
            self._home.spend(len(octets) + len(known.text) + OVERHEAD_BYTES)
            self.young[octets] = known
        return known


class Cut(NamedTuple):
    """A message whose first field is a list: the bytes of each item, and those of the other fields."""

    items: list[bytes]
    rest: bytes


def split(octets: bytes, tag: int) -> Cut | None:
    """Cut a message into the items of its first field and the rest; None if an item is large or the bytes end early."""
    items: list[bytes] = []
    at, size = 0, len(octets)
    while at < size and octets[at] == tag:
        if at + 2 >= size:
            # An empty item at the end has no octet behind its length.
            return None
        length, start = octets[at + 1], at + 2
        if length & _GOES_ON:
            high, start = octets[start], start + 1
            if high & _GOES_ON:
                return None
            length += (high - 1) << 7
        at = start + length
        items.append(octets[start:at])
    return Cut(items, octets[at:]) if at <= size else None


def _is_resource(message: Descriptor) -> bool:
    """Whether a message is a resource: it has metadata."""
    field = fields_by_name(message).get("metadata")
    return field is not None and field.message_type is not None and field.message_type.full_name == METADATA


def _items_of(message: Descriptor) -> FieldDescriptor | None:
    """The field of a message that is a list of resources; None if there is none, or it is not the first."""
    field = next((one for one in fields_of(message) if one.number == 1), None)
    if field is None or not field.is_repeated or field.message_type is None or is_map(field):
        return None
    return field if _is_resource(inner(field)) else None
