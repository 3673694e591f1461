"""Descriptors, as the types of protobuf's stubs would have them: both of its implementations are one here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.descriptor_pb2 import FieldOptions
from google.protobuf.message import Message


def descriptor_of(message: type[Message]) -> Descriptor:
    """What protobuf knows of a message."""
    return cast("Descriptor", message.DESCRIPTOR)


def fields_of(message: Descriptor) -> Sequence[FieldDescriptor]:
    """The fields of a message, in the order of the proto."""
    return message.fields


def fields_by_name(message: Descriptor) -> Mapping[str, FieldDescriptor]:
    """The fields of a message."""
    return message.fields_by_name


def inner(field: FieldDescriptor) -> Descriptor:
    """The message that a field holds."""
    assert field.message_type is not None, field.full_name
    return field.message_type


def is_map(field: FieldDescriptor) -> bool:
    """Whether a field is a map."""
    return field.message_type is not None and bool(field.message_type.GetOptions().map_entry)


def map_parts(field: FieldDescriptor) -> tuple[FieldDescriptor, FieldDescriptor]:
    """The key and the value of a map."""
    parts = fields_by_name(inner(field))
    return parts["key"], parts["value"]


def is_text(field: FieldDescriptor) -> bool:
    """Whether a number is written as text: it is a token, or too large for a double."""
    return field.GetOptions().jstype == FieldOptions.JS_STRING
