"""Messages that no client would send: any field with any value, most of all those at the edges."""

from __future__ import annotations

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from hypothesis import strategies as st

DEPTH_MAX = 3
LARGEST = 2**63 - 1
NUMBERS = st.sampled_from([0, 1, 2, 7, -1, -2, 100, 2**31, LARGEST, LARGEST - 1, -LARGEST - 1])
OCTETS = st.sampled_from([b"", b"\0", b"k", b"k/1", b"l", b"\xff", b"\xff\xff\xfe", b"\xc3(", b"x" * 300]) | st.binary(
    max_size=8
)
TEXTS = st.sampled_from(["", "root", "\0", "a", "é\U0001f980", "x" * 300, "http://", "3.5.0", "-"]) | st.text(
    max_size=5
)
Kind = FieldDescriptor
BY_KIND: dict[int, st.SearchStrategy[object]] = {
    Kind.TYPE_BOOL: st.booleans(),
    Kind.TYPE_BYTES: OCTETS,
    Kind.TYPE_STRING: TEXTS,
    Kind.TYPE_INT64: NUMBERS,
    Kind.TYPE_INT32: NUMBERS.map(lambda number: max(-(2**31), min(number, 2**31 - 1))),
    Kind.TYPE_UINT64: NUMBERS.map(lambda number: number % 2**64),
    Kind.TYPE_UINT32: NUMBERS.map(lambda number: number % 2**32),
    Kind.TYPE_ENUM: st.integers(-1, 9),
}


def messages(kind: type[Message], *, known: bool = False) -> st.SearchStrategy[Message]:
    """Any message of a kind; `known` keeps to the numbers that enumerations have."""
    return st.composite(lambda draw: _drawn(draw, kind.DESCRIPTOR, 0, known=known))()


def _drawn(draw: st.DrawFn, descriptor: Descriptor, depth: int, *, known: bool) -> Message:
    made = GetMessageClass(descriptor)()
    for field in descriptor.fields:
        if field.type == Kind.TYPE_MESSAGE and depth >= DEPTH_MAX:
            continue
        # Two of three fields are set: refusals at the door should not hide what lies behind it.
        if draw(st.integers(0, 2)):
            _set(draw, made, field, depth, known=known)
    return made


def _set(draw: st.DrawFn, made: Message, field: FieldDescriptor, depth: int, *, known: bool) -> None:
    is_many = field.is_repeated
    for _ in range(draw(st.integers(0, 3)) if is_many else 1):
        if field.type == Kind.TYPE_MESSAGE:
            inner = _drawn(draw, field.message_type, depth + 1, known=known)
            target = getattr(made, field.name)
            (target.add() if is_many else target).CopyFrom(inner)
        elif is_many:
            getattr(made, field.name).append(draw(_values(field, known=known)))
        else:
            setattr(made, field.name, draw(_values(field, known=known)))


def _values(field: FieldDescriptor, *, known: bool) -> st.SearchStrategy[object]:
    if known and field.type == Kind.TYPE_ENUM:
        return st.sampled_from([each.number for each in field.enum_type.values])
    return BY_KIND[field.type]
