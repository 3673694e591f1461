"""Any message, for Hypothesis, made by its descriptor."""

from __future__ import annotations

from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from hypothesis import strategies as st

from ultracloud.api.rest.descriptors import descriptor_of, fields_of, inner, is_map, map_parts
from ultracloud.api.rest.routes import all_routes

ROUTES = all_routes()
ANSWERS = sorted({route.rpc.response_type for route in ROUTES}, key=lambda each: descriptor_of(each).full_name)
REQUESTS = sorted({route.rpc.request_type for route in ROUTES}, key=lambda each: descriptor_of(each).full_name)
_F = FieldDescriptor
SCALARS: dict[int, st.SearchStrategy[Any]] = {
    _F.TYPE_STRING: st.text(st.characters(codec="utf-8"), max_size=8),
    _F.TYPE_BYTES: st.binary(max_size=8),
    _F.TYPE_BOOL: st.booleans(),
    _F.TYPE_INT32: st.integers(-(2**31), 2**31 - 1),
    _F.TYPE_INT64: st.integers(-(2**63), 2**63 - 1),
    _F.TYPE_UINT32: st.integers(0, 2**32 - 1),
    _F.TYPE_UINT64: st.integers(0, 2**64 - 1),
    _F.TYPE_DOUBLE: st.floats(allow_nan=False, allow_infinity=False),
}


@st.composite
def any_message(draw: st.DrawFn, make: type[Message], depth: int = 4) -> Message:
    message = make()
    for field in fields_of(descriptor_of(make)):
        if draw(st.booleans()):
            fill(draw, message, field, depth)
    return message


def fill(draw: st.DrawFn, message: Any, field: FieldDescriptor, depth: int) -> None:
    if is_map(field):
        key, value = map_parts(field)
        for name in draw(st.lists(SCALARS[key.type], max_size=2, unique=True)):
            getattr(message, field.name)[name] = draw(SCALARS[value.type])
    elif field.message_type is not None:
        nested = [getattr(message, field.name)]
        if field.is_repeated:
            nested = [nested[0].add() for _ in range(draw(st.integers(0, 2)))] if depth else []
        for each in nested:
            nest(draw, each, inner(field), depth)
    elif field.is_repeated:
        getattr(message, field.name).extend(draw(st.lists(scalar(field), max_size=2)))
    else:
        setattr(message, field.name, draw(scalar(field)))


def nest(draw: st.DrawFn, message: Any, described: Descriptor, depth: int) -> None:
    message.SetInParent()
    if described.full_name == "google.protobuf.Timestamp":
        message.seconds, message.nanos = draw(st.integers(0, 4_000_000_000)), draw(st.integers(0, 999_999_999))
    elif depth:
        for field in fields_of(described):
            if draw(st.booleans()):
                fill(draw, message, field, depth - 1)


def scalar(field: FieldDescriptor) -> st.SearchStrategy[Any]:
    if field.enum_type is not None:
        return st.sampled_from([value.number for value in field.enum_type.values])
    return SCALARS[field.type]
