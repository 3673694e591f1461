"""JSON as messages: strict, since a field that is silently dropped is a wish that is silently not met.

Refused are unknown fields (with the nearest known name), fields that stand twice, values of another type, numbers that
do not fit, and `null`, except in a merge patch, where it clears. Each sentence says where: ``spec.nics[0].subnet``.

Source: RFC 8259; RFC 7396 (merge patch); docs/adr/0020.
"""

from __future__ import annotations

import base64
import binascii
import difflib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from apigateway.core.writing import TIMESTAMP
from ultracloud.api.rest.descriptors import descriptor_of, fields_by_name, is_map, map_parts
from ultracloud.base.faults import InvalidArgumentError

DEPTH_MAX = 50
"""Levels of a body; our deepest message has six."""
SHOWN_MAX = 60
"""Characters of an offending value that a sentence repeats."""
LABELS = "labels"
"""The one map that a merge patch goes into; other maps and lists are replaced whole, as masks have it."""
_F = FieldDescriptor
_RANGES: Mapping[int, tuple[int, int]] = {
    _F.TYPE_INT32: (-(2**31), 2**31 - 1),
    _F.TYPE_INT64: (-(2**63), 2**63 - 1),
    _F.TYPE_UINT32: (0, 2**32 - 1),
    _F.TYPE_UINT64: (0, 2**64 - 1),
}
_DIGITS = re.compile(r"-?[0-9]{1,20}")
_TIME = re.compile(r"(\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d)(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)")


@dataclass(slots=True)
class Reading:
    """What a body said.

    Attributes:
        message: What was made of it.
        patches: Whether `null` clears.
        named: Paths of what it names, for a mask: ``spec.source.image``, ``labels.tier``.
    """

    message: Message
    patches: bool = False
    named: list[str] = field(default_factory=list)


def parse(body: bytes) -> dict[str, Any]:
    """The object that a body is; an empty body is an empty object.

    Raises:
        InvalidArgumentError: It is no JSON object.
    """
    if not body.strip():
        return {}
    try:
        value = json.loads(body.decode(), object_pairs_hook=_once, parse_constant=_no_constant)
    except UnicodeDecodeError as error:
        raise _wrong("the body is no UTF-8", "BODY_INVALID") from error
    except (ValueError, RecursionError) as error:
        text = f"{error.msg} at line {error.lineno}, column {error.colno}" if isinstance(error, _Error) else "no JSON"
        raise _wrong(f"the body is not valid JSON: {text}", "BODY_INVALID") from error
    if not isinstance(value, dict):
        raise _wrong(f"the body is {_kind(value)}; accepted: an object", "BODY_INVALID")
    return value


_Error = json.JSONDecodeError


def read(value: Mapping[str, Any], into: Message, *, hidden: Sequence[str] = (), patches: bool = False) -> Reading:
    """Put an object's members into a message.

    Args:
        value: What `parse` gave.
        into: Is changed.
        hidden: Fields that cannot be given here.
        patches: Whether this is a merge patch.

    Raises:
        InvalidArgumentError: A member is no field, or no value for it.
    """
    reading = Reading(into, patches)
    _object(reading, into, value, "", hidden, 0)
    return reading


def _object(reading: Reading, into: Message, value: Any, path: str, hidden: Sequence[str] = (), depth: int = 0) -> None:
    if not isinstance(value, dict):
        raise _type(path, value, "an object")
    if depth > DEPTH_MAX:
        raise _wrong(f"{path[:SHOWN_MAX]} is more than {DEPTH_MAX} levels deep", "BODY_INVALID")
    known = fields_by_name(descriptor_of(type(into)))
    for name, member in value.items():
        found = known.get(name)
        if found is None or name in hidden:
            raise unknown(f"{path}{name}", name, [each for each in known if each not in hidden], path or "the body")
        _member(reading, into, found, member, f"{path}{name}", depth)


def _member(reading: Reading, into: Message, field_: FieldDescriptor, value: Any, path: str, depth: int) -> None:
    if value is None:
        if not reading.patches:
            raise _type(path, value, "leave it out to not set it")
        reading.named.append(path)
        return
    if is_map(field_):
        _map(reading, getattr(into, field_.name), field_, value, path, depth)
    elif field_.is_repeated:
        _list(getattr(into, field_.name), field_, value, path, depth)
        reading.named.append(path)
    elif field_.message_type is not None and field_.message_type.full_name != TIMESTAMP:
        inside = getattr(into, field_.name)
        inside.SetInParent()
        if not value:
            _object(Reading(inside), inside, value, f"{path}.", (), depth + 1)
            reading.named.append(path)
        else:
            _object(reading, inside, value, f"{path}.", (), depth + 1)
    else:
        _set(into, field_, value, path)
        reading.named.append(path)


def _map(reading: Reading, into: Any, field_: FieldDescriptor, value: Any, path: str, depth: int) -> None:
    if not isinstance(value, dict):
        raise _type(path, value, "an object")
    key, kept = map_parts(field_)
    is_merged = reading.patches and path == LABELS
    if not is_merged or not value:
        reading.named.append(path)
    for name, member in value.items():
        where = f"{path}.{name[:SHOWN_MAX]}"
        if is_merged:
            reading.named.append(f"{path}.{name}")
            if member is None:
                continue
        taken = single(key, name, path)
        if kept.message_type is not None:
            _object(Reading(into[taken]), into[taken], member, f"{where}.", (), depth + 1)
        else:
            into[taken] = single(kept, member, where)


def _list(into: Any, field_: FieldDescriptor, value: Any, path: str, depth: int) -> None:
    if not isinstance(value, list):
        raise _type(path, value, "an array")
    for index, member in enumerate(value):
        where = f"{path}[{index}]"
        if field_.message_type is not None and field_.message_type.full_name != TIMESTAMP:
            added = into.add()
            _object(Reading(added), added, member, f"{where}.", (), depth + 1)
        else:
            into.append(single(field_, member, where))


def _set(into: Message, field_: FieldDescriptor, value: Any, path: str) -> None:
    if field_.message_type is None:
        setattr(into, field_.name, single(field_, value, path))
        return
    target = getattr(into, field_.name)
    target.seconds, target.nanos = time_of(value, path)
    target.SetInParent()


def single(field_: FieldDescriptor, value: Any, path: str) -> Any:
    """One value of a field that is no message.

    Raises:
        InvalidArgumentError: It is of another type, or does not fit.
    """
    if field_.enum_type is not None:
        return _enum(field_, value, path)
    return _SINGLES[field_.type](field_, value, path)


def _text(_field: FieldDescriptor, value: Any, path: str) -> str:
    if not isinstance(value, str):
        raise _type(path, value, "text")
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError as error:
            raise _wrong(f"{path} has half of a surrogate pair; accepted: Unicode text", "FIELD_INVALID") from error
    return value


def _bool(_field: FieldDescriptor, value: Any, path: str) -> bool:
    if not isinstance(value, bool):
        raise _type(path, value, "true or false")
    return value


def _integer(field_: FieldDescriptor, value: Any, path: str) -> int:
    """A number, or text of digits: what we write as text is taken back as such."""
    lowest, highest = _RANGES[field_.type]
    accepted = f"a whole number from {lowest} to {highest}"
    if isinstance(value, str) and _DIGITS.fullmatch(value):
        value = int(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not lowest <= value <= highest:
        raise _type(path, value, accepted)
    return value


def _float(_field: FieldDescriptor, value: Any, path: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _type(path, value, "a number")
    try:
        return float(value)
    except OverflowError as error:
        raise _type(path, value, "a number that a double holds") from error


def _bytes(_field: FieldDescriptor, value: Any, path: str) -> bytes:
    if not isinstance(value, str):
        raise _type(path, value, "bytes as base64 text")
    try:
        return base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError) as error:
        raise _type(path, value, "bytes as base64 text") from error


def _enum(field_: FieldDescriptor, value: Any, path: str) -> int:
    assert field_.enum_type is not None, path
    names = field_.enum_type.values_by_name
    if not isinstance(value, str) or value not in names:
        raise _type(path, value, f"one of {', '.join(names)}")
    return int(names[value].number)


def time_of(value: Any, path: str) -> tuple[int, int]:
    """Seconds and nanoseconds of a time.

    Raises:
        InvalidArgumentError: It is no time of RFC 3339.
    """
    found = _TIME.fullmatch(value) if isinstance(value, str) else None
    try:
        if found is None:
            raise ValueError(path)  # noqa: TRY301 - one sentence for both ways to be wrong
        zone = found[3].upper().replace("Z", "+00:00")
        seconds = datetime.fromisoformat(f"{found[1].upper()}{zone}").timestamp()
    except (ValueError, OverflowError) as error:
        raise _type(path, value, "a time such as 2026-01-02T03:04:05Z") from error
    return int(seconds), int(float(found[2] or 0) * 1_000_000_000)


def unknown(shown: str, name: str, known: Sequence[str], where: str) -> InvalidArgumentError:
    """The refusal of a name that is none."""
    near = difflib.get_close_matches(name[:SHOWN_MAX], known, 1)
    hint = f"did you mean {near[0]}?" if near else f"accepted: {', '.join(known) or 'nothing'}"
    return InvalidArgumentError(
        f"{shown[:SHOWN_MAX]!a} is no field of {where.rstrip('.')}",
        hint=hint,
        reason="FIELD_UNKNOWN",
        metadata={"field": shown[:SHOWN_MAX]},
    )


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise _wrong(f"{twice[:SHOWN_MAX]!a} stands twice in one object", "BODY_INVALID")
    return made


def _no_constant(name: str) -> Any:
    raise _wrong(f"the body is not valid JSON: {name} is no number of it", "BODY_INVALID")


def _kind(value: Any) -> str:
    """A value's type, as JSON has it."""
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case int() | float():
            return "a number"
        case str():
            return "text"
        case list():
            return "an array"
        case _:
            return "an object"


def _type(path: str, value: Any, accepted: str) -> InvalidArgumentError:
    shown = f"{value[:SHOWN_MAX]!a}" if isinstance(value, str) else _kind(value)
    if isinstance(value, int | float) and not isinstance(value, bool):
        shown = repr(value)[:SHOWN_MAX] if isinstance(value, float) or abs(value) < 10**SHOWN_MAX else "a large number"
    return _wrong(f"{path[:200]} is {shown}; accepted: {accepted}", "FIELD_INVALID", path)


def _wrong(sentence: str, reason: str, path: str = "") -> InvalidArgumentError:
    return InvalidArgumentError(sentence, reason=reason, metadata={"field": path[:200]} if path else None)


_SINGLES: Mapping[int, Callable[[FieldDescriptor, Any, str], Any]] = {
    _F.TYPE_STRING: _text,
    _F.TYPE_BOOL: _bool,
    _F.TYPE_BYTES: _bytes,
    _F.TYPE_DOUBLE: _float,
    _F.TYPE_FLOAT: _float,
    **dict.fromkeys(_RANGES, _integer),
}
