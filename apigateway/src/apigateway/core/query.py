"""Queries and path segments: percent-decoded, strictly, and put into the fields of a request.

Source: RFC 3986 section 2.1; the URL standard's application/x-www-form-urlencoded; OpenAPI's `deepObject` for maps.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import unquote_to_bytes

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from apigateway.core.reading import single, unknown
from ultracloud.api.rest.descriptors import is_map, map_parts
from ultracloud.base.faults import InvalidArgumentError

PARAMETERS_MAX = 100
"""Parameters of one query; a head has 16 KiB, and a thousand empty ones would cost more than a large body."""
_ESCAPES = re.compile(r"(?:[^%]|%[0-9A-Fa-f]{2})*")
_FORBIDDEN = re.compile(r"[\x00-\x1f\x7f/\\]")
_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*")
"""What nearly every name and id is: nothing to decode, and nothing to refuse."""
_BOOLS = {"true": True, "false": False}
_F = FieldDescriptor


def decode_segment(segment: str) -> str:
    """The value of one path segment: a name, an id, a word.

    Raises:
        InvalidArgumentError: It has what no name has, above all a separator: nobody behind us shall read it as a path.
    """
    if _NAME.fullmatch(segment):
        return segment
    text = _decoded(segment, "the path")
    if _FORBIDDEN.search(text) or text in (".", ".."):
        raise InvalidArgumentError(
            f"{text[:60]!a} is no part of a path; accepted: names and ids, without slashes and control characters",
            reason="PATH_INVALID",
        )
    return text


def pairs_of(query: str) -> list[tuple[str, str]]:
    """Names and values of a query, decoded.

    Raises:
        InvalidArgumentError: It cannot be decoded, or has too many.
    """
    parts = [part for part in query.split("&") if part] if query else []
    if len(parts) > PARAMETERS_MAX:
        raise _wrong(f"the query has {len(parts)} parameters; at most {PARAMETERS_MAX} are accepted")
    found = []
    for part in parts:
        name, _, value = part.replace("+", " ").partition("=")
        found.append((_decoded(name, "the query"), _decoded(value, "the query")))
    return found


def read_query(query: str, fields: Mapping[str, FieldDescriptor], into: Message) -> None:
    """Put a query's parameters into a request.

    Raises:
        InvalidArgumentError: One is unknown, given twice, or no value for its field.
    """
    seen: set[str] = set()
    for name, text in pairs_of(query):
        base, bracket, key = name.partition("[")
        field = fields.get(base)
        if field is None or (bracket and not (is_map(field) and key.endswith("]"))) or (is_map(field) and not bracket):
            shown = [f"{each}[...]" if is_map(one) else each for each, one in fields.items()]
            raise unknown(name, base, shown, "the query")
        if name in seen and not field.is_repeated:
            raise _wrong(f"{name[:60]!a} is given twice in the query; give it once")
        seen.add(name)
        if is_map(field):
            getattr(into, base)[key[:-1]] = _value(map_parts(field)[1], text, name)
        elif field.is_repeated:
            getattr(into, base).extend(_value(field, each, name) for each in text.split(","))
        else:
            setattr(into, base, _value(field, text, name))


def _value(field: FieldDescriptor, text: str, name: str) -> object:
    """What a text means for a field."""
    if field.type == _F.TYPE_BOOL:
        if text not in _BOOLS:
            raise _wrong(f"{name} is {text[:60]!a}; accepted: true or false")
        return _BOOLS[text]
    if field.type in (_F.TYPE_DOUBLE, _F.TYPE_FLOAT):
        try:
            return float(text)
        except ValueError as error:
            raise _wrong(f"{name} is {text[:60]!a}; accepted: a number") from error
    assert field.message_type is None, f"{name}: messages have no place in a query"
    return single(field, text, name)


def _decoded(text: str, where: str) -> str:
    if text.isascii() and "%" not in text:
        return text
    if not _ESCAPES.fullmatch(text):
        raise _wrong(f"{where} has a percent sign without two hexadecimal digits behind it")
    try:
        # What a server reads of a socket is Latin-1 text: the bytes as they came.
        return unquote_to_bytes(text.encode("latin-1")).decode()
    except UnicodeError as error:
        raise _wrong(f"{where} is no UTF-8") from error


def _wrong(sentence: str) -> InvalidArgumentError:
    return InvalidArgumentError(sentence, reason="QUERY_INVALID")
