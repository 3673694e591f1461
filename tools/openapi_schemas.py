"""JSON schemas of messages, as the gateway writes and reads them (docs/adr/0020).

A message that a request can hold takes no fields it does not know; one that is only answered may get more in time.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor

from tools.openapi_comments import Comments
from tools.openapi_words import SAMPLES, STAMP
from ultracloud.api.rest.descriptors import descriptor_of, fields_by_name, fields_of, is_map, is_text, map_parts
from ultracloud.api.rest.routes import Route

Node = dict[str, Any]
TIMESTAMP = "google.protobuf.Timestamp"
READ_ONLY = frozenset({"metadata", "status"})
EXAMPLE_DEPTH_MAX = 6
_F = FieldDescriptor
SCALARS: Mapping[int, Node] = {
    _F.TYPE_STRING: {"type": "string"},
    _F.TYPE_BYTES: {"type": "string", "contentEncoding": "base64"},
    _F.TYPE_BOOL: {"type": "boolean"},
    _F.TYPE_DOUBLE: {"type": "number", "format": "double"},
    _F.TYPE_FLOAT: {"type": "number", "format": "float"},
    _F.TYPE_INT32: {"type": "integer", "format": "int32", "minimum": -(2**31), "maximum": 2**31 - 1},
    _F.TYPE_UINT32: {"type": "integer", "minimum": 0, "maximum": 2**32 - 1},
    _F.TYPE_INT64: {"type": "integer", "format": "int64", "minimum": -(2**63), "maximum": 2**63 - 1},
    _F.TYPE_UINT64: {"type": "integer", "minimum": 0, "maximum": 2**64 - 1},
}


class Schemas:
    """The schemas of all messages that were asked for.

    Args:
        comments: Of the protos.
        words: What a field is where its proto does not say, by name.
    """

    def __init__(self, comments: Comments, words: Mapping[str, str]) -> None:
        self._comments = comments
        self._words = words
        self._inputs: set[str] = set()
        self._names: dict[str, str] = {}
        self._made: dict[str, Node] = {}
        self._examples: dict[str, Node] = {}

    def take_input(self, message: Descriptor) -> None:
        """Note that a message, and what is in it, can be sent."""
        if message.full_name in self._inputs:
            return
        self._inputs.add(message.full_name)
        for field in fields_of(message):
            if field.message_type is not None:
                self.take_input(field.message_type)

    def made(self) -> dict[str, Node]:
        """All schemas, by name."""
        return dict(sorted(self._made.items()))

    def reference(self, message: Descriptor) -> Node:
        """A reference to a message's schema."""
        return {"$ref": f"#/components/schemas/{self._name(message)}"}

    def body(self, route: Route) -> Node:
        """The schema of a request body."""
        request = descriptor_of(route.rpc.request_type)
        if route.body != "*":
            return self.field(fields_by_name(request)[route.body])
        properties = {each.name: self.field(each) for each in route.body_fields()}
        required = [name for name in ("name",) if name in properties and route.rpc.name == "Create"]
        made: Node = {"type": "object", "properties": properties, "additionalProperties": False}
        return {**made, "required": required} if required else made

    def query(self, field: FieldDescriptor) -> Node:
        """The schema of a field that stands in a path or a query."""
        return self._value(field)

    def field(self, field: FieldDescriptor) -> Node:
        """The schema of a field, described."""
        text = self._comments.of(field.full_name) or self._words.get(field.name, "")
        made = self._value(field)
        if text:
            made = {**made, "description": text}
        return {**made, "readOnly": True} if field.name in READ_ONLY and "spec" in _beside(field) else made

    def example_of(self, message: Descriptor) -> Node:
        """A reference to an example of a message."""
        name = self._name(message)
        self._examples.setdefault(name, {"value": self.example(message)})
        return {"$ref": f"#/components/examples/{name}"}

    def examples(self) -> dict[str, Node]:
        """All examples, by name."""
        return dict(sorted(self._examples.items()))

    def example(self, message: Descriptor, depth: int = 0) -> Any:
        """A message as it could look."""
        if message.full_name == TIMESTAMP:
            return STAMP
        found = {}
        for field in fields_of(message):
            if depth < EXAMPLE_DEPTH_MAX:
                found[field.name] = self._sample(field, depth)
        return found

    def _sample(self, field: FieldDescriptor, depth: int) -> Any:
        if is_map(field):
            return SAMPLES["map"] if map_parts(field)[1].type == _F.TYPE_STRING else {"vms": 10}
        value: Any
        if field.message_type is not None:
            value = self.example(field.message_type, depth + 1)
        elif field.enum_type is not None:
            value = field.enum_type.values[1].name
        else:
            value = SAMPLES.get(field.name, _plain(field))
        return [value] if field.is_repeated and not isinstance(value, list) else value

    def _value(self, field: FieldDescriptor) -> Node:
        if is_map(field):
            return {"type": "object", "additionalProperties": self._single(map_parts(field)[1])}
        single = self._single(field)
        return {"type": "array", "items": single} if field.is_repeated else single

    def _single(self, field: FieldDescriptor) -> Node:
        if field.message_type is not None:
            if field.message_type.full_name == TIMESTAMP:
                return {"type": "string", "format": "date-time"}
            return self.reference(field.message_type)
        if field.enum_type is not None:
            return self._enum(field.enum_type)
        if is_text(field):
            return {"type": "string", "pattern": "^-?[0-9]{1,19}$"}
        return dict(SCALARS[field.type])

    def _enum(self, enum: EnumDescriptor) -> Node:
        told = [(value.name, self._comments.of(f"{enum.full_name}.{value.name}")) for value in enum.values]
        lines = [f"- `{name}`: {text}" for name, text in told if text]
        made: Node = {"type": "string", "enum": [value.name for value in enum.values]}
        return {**made, "description": "\n".join(lines)} if lines else made

    def _name(self, message: Descriptor) -> str:
        known = self._names.get(message.full_name)
        if known is not None:
            return known
        scope = message.full_name.removeprefix(f"{message.file.package}.").replace(".", "")
        name = scope if scope not in self._made else f"{message.file.package.split('.')[1].capitalize()}{scope}"
        self._names[message.full_name] = name
        self._made[name] = {}
        made: Node = {"type": "object"}
        text = self._comments.of(message.full_name)
        if text:
            made["description"] = text
        made["properties"] = {each.name: self.field(each) for each in fields_of(message)}
        if message.full_name in self._inputs:
            made["additionalProperties"] = False
        self._made[name] = made
        return name


def _beside(field: FieldDescriptor) -> Mapping[str, FieldDescriptor]:
    """The fields of the message that a field is in."""
    assert field.containing_type is not None, field.full_name
    return fields_by_name(field.containing_type)


def _plain(field: FieldDescriptor) -> Any:
    """A value of a field of which only the type is known."""
    if is_text(field):
        return "4711"
    schema = SCALARS[field.type]
    return {"string": "", "boolean": False, "number": 0.5, "integer": 1}[schema["type"]]
