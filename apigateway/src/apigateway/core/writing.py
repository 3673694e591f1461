"""Messages as JSON: for each message type a function is made once that writes it, and called ever after.

The function is Python text, compiled: one expression with every field's name and punctuation already in place. That is
ten times as fast as walking descriptors for each message (`bench/gateway.py`), and a get is mostly this.

What the JSON looks like is docs/adr/0020: names of the proto, 64-bit numbers as numbers unless the field says
otherwise, fields without presence always there, messages and optional fields only where they are set.

Source: RFC 8259; RFC 3339; the JSON mapping of protobuf, where ours does not differ.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from datetime import UTC, datetime
from functools import lru_cache
from json.encoder import encode_basestring
from typing import Any

from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor
from google.protobuf.message import Message

from ultracloud.api.rest.descriptors import descriptor_of, fields_of, inner, is_map, is_text, map_parts

Write = Callable[[Any], str]
TIMESTAMP = "google.protobuf.Timestamp"
_F = FieldDescriptor
_SCALARS = {
    _F.TYPE_STRING: "s({})",
    _F.TYPE_BYTES: "b({})",
    _F.TYPE_BOOL: "('true' if {} else 'false')",
    _F.TYPE_DOUBLE: "n({})",
    _F.TYPE_FLOAT: "n({})",
}
"""How a scalar is written; the others are whole numbers."""


class Writers:
    """The functions that were made so far."""

    def __init__(self) -> None:
        self._words: dict[str, Any] = {"s": encode_basestring, "b": _bytes, "t": _stamp, "n": _number}
        """What the texts of the functions name, and the functions themselves."""
        self._names: dict[str, str] = {}

    def of(self, message: type[Message]) -> Write:
        """The function that writes a message.

        Raises:
            AssertionError: It has a field of a type that JSON is not written for.
        """
        write: Write = self._words[self._name(descriptor_of(message))]
        return write

    def around(self, message: type[Message], items: FieldDescriptor) -> Callable[[Any, str], str]:
        """The function that writes a message whose list `items` has been written, without its brackets."""
        text = "".join(
            f',"{items.name}":[{{x}}]' if field.number == items.number else self._member(field)
            for field in fields_of(descriptor_of(message))
        )
        exec(f"def around(m, x): return '{{'+f'''{text}'''[1:]+'}}'", self._words)  # noqa: S102 - as `_name`
        made: Callable[[Any, str], str] = self._words.pop("around")
        return made

    def _name(self, message: Descriptor) -> str:
        """The name of a message's function, made if need be."""
        known = self._names.get(message.full_name)
        if known is not None:
            return known
        assert not message.full_name.startswith("google."), f"no JSON is written for {message.full_name}"
        name = self._names[message.full_name] = f"w{len(self._names)}"
        text = "".join(self._member(field) for field in fields_of(message))
        # Names come from our own protos, and values are arguments: nothing of a request is in this text.
        exec(f"def {name}(m): return '{{'+f'''{text}'''[1:]+'}}'", self._words)  # noqa: S102 - see above
        return name

    def _member(self, field: FieldDescriptor) -> str:
        """The part of an f-string for one field, with the comma before it."""
        key, value = f',"{field.name}":', f"m.{field.name}"
        if is_map(field):
            named, kept = map_parts(field)
            # Items of a map are slow to come by in protobuf; its keys, and their values one by one, are not.
            pairs = f"[{self._key(named)}+':'+{self._value(kept, 'x[k]')} for k in sorted(x)]"
            return f"{key}{{('{{'+','.join({pairs})+'}}') if (x:={value}) else '{{}}'}}"
        if field.is_repeated:
            each = f"[{self._value(field, 'v')} for v in x]"
            return f"{key}{{('['+','.join({each})+']') if (x:={value}) else '[]'}}"
        if field.has_presence:
            return f"{{('{key}'+{self._value(field, value)}) if m.HasField('{field.name}') else ''}}"
        return f"{key}{{{self._value(field, value)}}}"

    def _value(self, field: FieldDescriptor, value: str) -> str:
        """The expression of one value."""
        if field.message_type is not None and field.message_type.full_name == TIMESTAMP:
            return f"t((y:={value}).seconds,y.nanos)"
        if field.message_type is not None:
            return f"{self._name(inner(field))}({value})"
        if field.enum_type is not None:
            return f"{self._enum(field.enum_type)}[{value}]"
        if is_text(field):
            return f"""'"'+str({value})+'"'"""
        return _SCALARS.get(field.type, "str({})").format(value)

    def _key(self, field: FieldDescriptor) -> str:
        return "s(k)" if field.type == _F.TYPE_STRING else """'"'+str(k).lower()+'"'"""

    def _enum(self, enum: EnumDescriptor) -> str:
        name = f"e{enum.full_name.replace('.', '_')}"
        self._words.setdefault(name, _Names({value.number: f'"{value.name}"' for value in enum.values}))
        return name


class _Names(dict[int, str]):
    """Names of an enum's values, quoted; a number that a newer service sends is written as it is."""

    def __missing__(self, number: int) -> str:
        return str(number)


def _bytes(value: bytes) -> str:
    return f'"{base64.b64encode(value).decode()}"'


def _number(value: float) -> str:
    """A float; what JSON has no number for is text, as protobuf has it."""
    if value != value:  # noqa: PLR0124 - not a number is what is not itself
        return '"NaN"'
    if value in (float("inf"), float("-inf")):
        return '"Infinity"' if value > 0 else '"-Infinity"'
    return repr(value)


@lru_cache(maxsize=4096)
def _stamp(seconds: int, nanos: int) -> str:
    """A time; fractions in three, six or nine digits."""
    try:
        text = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    except (ValueError, OverflowError, OSError):
        return '""'
    digits = f".{nanos:09d}"
    for _ in range(3):
        digits = digits.removesuffix("000")
    return f'"{text.rjust(19, "0")}{digits.rstrip(".")}Z"'
