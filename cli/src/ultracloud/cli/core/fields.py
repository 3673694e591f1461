"""Text to a value of a field, and whether a value that came from a file fits its field.

Every refusal names the flag or the place, what was given, and what is accepted, before anything is sent.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
import re

from ultracloud.cli.core.ages import parse_moment
from ultracloud.cli.core.api import Field, Noun
from ultracloud.cli.core.failures import UsageFailure
from ultracloud.cli.core.suggest import did_you_mean
from ultracloud.cli.core.trees import Json

DEPTH_MAX = 24
"""Deeper than any message of ours; bounds the walk over a file."""
SHOWN_LENGTH_MAX = 60
_WHOLE = re.compile(r"[+-]?\d{1,20}")
_TRUE, _FALSE = frozenset({"true", "yes", "on", "1"}), frozenset({"false", "no", "off", "0"})


def parse_text(field: Field, text: str, where: str, noun: Noun) -> Json:  # noqa: PLR0911 - a line a kind
    """One value of `field` from text; of a list or map, one element.

    Raises:
        UsageFailure: It is no such value.
    """
    match field.kind:
        case "integer":
            return _whole(field, text, where)
        case "number":
            return _decimal(field, text, where)
        case "boolean":
            return _boolean(text, where)
        case "enum":
            return _word(field, text, where)
        case "bytes":
            return base64.b64encode(text.encode(errors="surrogateescape")).decode()
        case "time":
            return _moment(text, where)
        case "message" | "any":
            return parse_message(field, text, where, noun)
        case _:
            return text


def parse_message(field: Field, text: str, where: str, noun: Noun) -> Json:
    """A message as JSON, or as `key=value,key.within=value`; a key given twice adds to a list."""
    if text[:1] in ("{", "[") or field.kind == "any":
        return check(field, _json(text, where), where, noun, one=True)
    made: dict[str, Json] = {}
    known = {member.name: member for member in noun.fields(field.message)}
    for part in _split(text):
        key, equals, value = part.partition("=")
        outer, _, within = key.strip().replace("-", "_").partition(".")
        member = known.get(outer)
        if not equals or member is None or (within and (member.kind, member.shape) != ("message", "one")):
            raise UsageFailure(
                f"{where}: {_shown(part)} is not understood; accepted: {', '.join(f'{name}=...' for name in known)}",
                hint=did_you_mean(key.strip(), known),
            )
        if within:
            escaped = value.replace(",", "\\,")
            _put_within(made, member, f"{within}={escaped}", f"{where} {outer}", noun)
            continue
        parsed = parse_text(member, value, f"{where} {member.name}", noun)
        if member.shape == "many":
            before = made.setdefault(member.name, [])
            assert isinstance(before, list)
            before.append(parsed)
        elif member.name in made:
            raise UsageFailure(f"{where}: {member.name} is given twice and takes one value")
        else:
            made[member.name] = parsed
    return made


def _put_within(made: dict[str, Json], member: Field, text: str, where: str, noun: Noun) -> None:
    """Add to a message within a message what was given of it by a dotted key."""
    inner, parsed = made.setdefault(member.name, {}), parse_message(member, text, where, noun)
    if not isinstance(inner, dict) or not isinstance(parsed, dict) or inner.keys() & parsed.keys():
        raise UsageFailure(f"{where}: {_shown(text)} is given twice, or beside the whole")
    inner.update(parsed)


def parse_pair(field: Field, text: str, where: str, noun: Noun) -> tuple[str, Json]:
    """An element of a map: `key=value`."""
    key, equals, value = text.partition("=")
    if not equals or not key:
        raise UsageFailure(f"{where}: {_shown(text)} is no pair; accepted: key=value")
    return key, parse_text(field, value, f"{where} {key}", noun)


def check(field: Field, value: Json, where: str, noun: Noun, *, one: bool = False, depth: int = 0) -> Json:
    """Give `value` back if it fits `field`; texts that mean a number, a word or a truth are taken as such.

    Args:
        field: What is expected.
        value: From a file or JSON.
        where: For the refusal: `spec.nics[0].subnet`.
        noun: Has the schemas.
        one: Whether `value` is one element of a list or map.
        depth: Of the walk.
    """
    if depth > DEPTH_MAX:
        raise UsageFailure(f"{where}: nested deeper than {DEPTH_MAX} levels")
    if value is None:
        return None
    if field.shape == "many" and not (one and not isinstance(value, list)):
        if not isinstance(value, list):
            raise UsageFailure(f"{where}: {_shown(value)} is no list")
        return [check(field, v, f"{where}[{i}]", noun, one=True, depth=depth + 1) for i, v in enumerate(value)]
    if field.shape == "map" and not one:
        if not isinstance(value, dict):
            raise UsageFailure(f"{where}: {_shown(value)} is no object of key and value")
        return {k: check(field, v, f"{where}.{k}", noun, one=True, depth=depth + 1) for k, v in value.items()}
    return _check_one(field, value, where, noun, depth)


def check_fields(fields: tuple[Field, ...], value: Json, where: str, noun: Noun, depth: int = 0) -> Json:
    """An object whose members must be among `fields`."""
    if not isinstance(value, dict):
        raise UsageFailure(
            f"{where or 'the file'}: {_shown(value)} is no object with {', '.join(f.name for f in fields)}"
        )
    known = {field.name: field for field in fields}
    made: dict[str, Json] = {}
    for name, member in value.items():
        field = known.get(name)
        if field is None:
            place = f"{where}.{name}" if where else name
            raise UsageFailure(
                f"{place}: there is no such field; accepted: {', '.join(known) or 'none'}",
                hint=did_you_mean(name, known),
            )
        made[name] = check(field, member, f"{where}.{name}" if where else name, noun, depth=depth + 1)
    return made


def _check_one(field: Field, value: Json, where: str, noun: Noun, depth: int) -> Json:
    match field.kind:
        case "any":
            return value
        case "message":
            known = noun.fields(field.message)
            return check_fields(known, value, where, noun, depth) if known else value
        case "boolean" if isinstance(value, bool):
            return value
        case "bytes" if isinstance(value, str):
            return _base64(value, where)
        case "number" if isinstance(value, int | float) and not isinstance(value, bool):
            return value
        case _ if isinstance(value, bool | dict | list):
            raise UsageFailure(f"{where}: {_shown(value)} is no {field.kind}")
        case _:
            return parse_text(field, value if isinstance(value, str) else json.dumps(value), where, noun)


def _whole(field: Field, text: str, where: str) -> int:
    number = int(text) if _WHOLE.fullmatch(text.strip()) else None
    if number is None or not _within(field, number):
        raise UsageFailure(f"{where}: {_shown(text)} is no whole number{_bounds(field)}")
    return number


def _decimal(field: Field, text: str, where: str) -> float:
    try:
        number = float(text)
    except ValueError:
        raise UsageFailure(f"{where}: {_shown(text)} is no number{_bounds(field)}") from None
    if math.isnan(number) or not _within(field, number):
        raise UsageFailure(f"{where}: {_shown(text)} is no number{_bounds(field)}")
    return number


def _within(field: Field, number: float) -> bool:
    return (field.low is None or number >= field.low) and (field.high is None or number <= field.high)


def _bounds(field: Field) -> str:
    if field.low is None and field.high is None:
        return ""
    low = "" if field.low is None else f"{field.low:g}"
    high = "" if field.high is None else f"{field.high:.0f}"
    return (
        f"; accepted: {low} to {high}" if low and high else f"; accepted: {low} or more" if low else f"; at most {high}"
    )


def _boolean(text: str, where: str) -> bool:
    word = text.strip().lower()
    if word not in _TRUE | _FALSE:
        raise UsageFailure(f"{where}: {_shown(text)} is neither true nor false")
    return word in _TRUE


def _word(field: Field, text: str, where: str) -> str:
    wanted = text.strip().upper().replace("-", "_")
    if wanted in field.accepted:
        return wanted
    accepted = [word for word in field.accepted if not word.endswith("UNSPECIFIED")]
    raise UsageFailure(
        f"{where}: {_shown(text)} is not known; accepted: {', '.join(accepted)}", hint=did_you_mean(wanted, accepted)
    )


def _moment(text: str, where: str) -> str:
    if parse_moment(text) is None:
        raise UsageFailure(f"{where}: {_shown(text)} is no time; accepted: 2026-01-31T12:00:00Z")
    return text


def _base64(text: str, where: str) -> str:
    try:
        base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise UsageFailure(f"{where}: {_shown(text)} is no base64") from None
    return text


def _json(text: str, where: str) -> Json:
    try:
        made: Json = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UsageFailure(f"{where}: {_shown(text)} is no JSON ({error})") from None
    return made


def _split(text: str) -> list[str]:
    """Parts between commas; a comma behind a backslash is of a value."""
    return [part.replace("\\,", ",") for part in re.split(r"(?<!\\),", text)]


def _shown(value: Json) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return repr(text if len(text) <= SHOWN_LENGTH_MAX else text[:SHOWN_LENGTH_MAX] + "...")
