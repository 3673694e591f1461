"""Selectors: which resources a list or a watch is about, by labels and by fields. Pure.

One syntax for both: ``key``, ``!key``, ``key=value``, ``key!=value``, ``key in (a,b)``, ``key notin (a,b)``, joined by
commas that mean "and". As in Kubernetes, ``!=`` and ``notin`` also match what does not have the key at all.

Source: Kubernetes, "Labels and Selectors".
"""

from __future__ import annotations

import enum
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass

from ultracloud.base.faults import InvalidArgumentError

SELECTOR_LENGTH_MAX = 4096
"""Characters: a page of values fits, a body does not."""
REQUIREMENTS_MAX = 32
"""Parts of one selector; each is looked at for every candidate."""
VALUES_MAX = 100
"""Values of one ``in``: each is a range of the index that is read."""

_TOKEN = re.compile(r"\s*(?:(?P<sign>==|!=|[=!,()])|(?P<word>[^\s,()=!]+))")
_ACCEPTED = "accepted: key, !key, key=value, key!=value, key in (a,b), key notin (a,b), joined by commas"


class Operator(enum.StrEnum):
    """What a requirement asks of a key."""

    IN = "in"
    NOT_IN = "notin"
    EXISTS = "exists"
    ABSENT = "absent"


@dataclass(frozen=True, slots=True, order=True)
class Requirement:
    """One part of a selector. ``key=value`` is IN with one value; EXISTS and ABSENT have none."""

    key: str
    operator: Operator
    values: tuple[str, ...] = ()

    def is_met(self, values: Collection[str]) -> bool:
        """Whether a resource whose key has `values` (none: it has not the key) is meant."""
        match self.operator:
            case Operator.IN:
                return any(value in self.values for value in values)
            case Operator.NOT_IN:
                return not any(value in self.values for value in values)
            case Operator.EXISTS:
                return bool(values)
            case Operator.ABSENT:
                return not values


@dataclass(frozen=True, slots=True)
class Selection:
    """What a caller asked for: all of these hold. Equal questions are equal, however they were written."""

    labels: tuple[Requirement, ...] = ()
    fields: tuple[Requirement, ...] = ()

    def __bool__(self) -> bool:
        """Whether anything is asked at all."""
        return bool(self.labels or self.fields)

    def is_met(self, labels: Mapping[str, str], values_of: Callable[[str], Collection[str]]) -> bool:
        """Whether a resource with these labels, and these values of each field, is meant."""
        for wanted in self.labels:
            if not wanted.is_met((labels[wanted.key],) if wanted.key in labels else ()):
                return False
        return all(wanted.is_met(values_of(wanted.key)) for wanted in self.fields)


EVERYTHING = Selection()


def select(selector: str, filters: str, labels: Mapping[str, str], known: Collection[str]) -> Selection:
    """The selection of a request.

    Args:
        selector: Over labels.
        filters: Over fields, the same syntax.
        labels: Labels that must be equal, besides.
        known: Fields the kind has in its index.

    Raises:
        InvalidArgumentError: A malformed selector, too long a one, or a field that is not known: the sentence names
            those that are.
    """
    asked = {*parse(selector, "selector"), *(Requirement(key, Operator.IN, (value,)) for key, value in labels.items())}
    fields = set(map(_of_field, parse(filters, "filter")))
    for one in sorted(fields):
        if one.key not in known:
            these = ", ".join(sorted(known)) or "none; use labels and selector"
            raise InvalidArgumentError(
                f"filter has {one.key[:80]!a}, which is no field to filter by; accepted: {these}",
                hint="write field=value, field!=value, field in (a,b), field or !field, with commas between",
                reason="FILTER_FIELD_UNKNOWN",
            )
    return Selection(tuple(sorted(asked)), tuple(sorted(fields)))


def parse(text: str, what: str) -> tuple[Requirement, ...]:
    """The requirements of a selector; none of the empty one.

    Raises:
        InvalidArgumentError: It is malformed; the sentence says where.
    """
    if len(text) > SELECTOR_LENGTH_MAX:
        raise InvalidArgumentError(
            f"{what} has {len(text)} characters; at most {SELECTOR_LENGTH_MAX} are accepted", reason="SELECTOR_INVALID"
        )
    reader = _Reader(text, what)
    found: list[Requirement] = []
    while reader.is_more():
        if found:
            reader.take(",")
        found.append(_requirement(reader))
    if len(found) > REQUIREMENTS_MAX:
        raise InvalidArgumentError(
            f"{what} has {len(found)} parts; at most {REQUIREMENTS_MAX} are accepted", reason="SELECTOR_INVALID"
        )
    return tuple(found)


def _of_field(wanted: Requirement) -> Requirement:
    """A requirement over a field, which is always there: to exist means not to be empty."""
    match wanted.operator:
        case Operator.EXISTS:
            return Requirement(wanted.key, Operator.NOT_IN, ("",))
        case Operator.ABSENT:
            return Requirement(wanted.key, Operator.IN, ("",))
        case Operator.IN | Operator.NOT_IN:
            return wanted


class _Reader:
    """The tokens of one selector, from left to right."""

    def __init__(self, text: str, what: str) -> None:
        self._text, self._what, self._at = text, what, 0
        self._tokens = [(match[0].strip(), match.start(match.lastgroup or 0)) for match in _TOKEN.finditer(text)]

    def is_more(self) -> bool:
        """Whether a token follows."""
        return self._at < len(self._tokens)

    def peek(self) -> str:
        """The next token; empty at the end."""
        return self._tokens[self._at][0] if self.is_more() else ""

    def take(self, *expected: str) -> str:
        """The next token, which must be one of `expected`."""
        token = self.peek()
        if token not in expected:
            raise self.refused(" or ".join(expected))
        self._at += 1
        return token

    def word(self, wanted: str) -> str:
        """The next token, which must be no sign."""
        token = self.peek()
        if not token or token in {"=", "==", "!=", "!", ",", "(", ")"}:
            raise self.refused(wanted)
        self._at += 1
        return token

    def refused(self, wanted: str) -> InvalidArgumentError:
        """What says where it ends to be a selector."""
        at = self._tokens[self._at][1] if self.is_more() else len(self._text)
        return InvalidArgumentError(
            f"{self._what} {self._text[:80]!a} is malformed at character {at + 1}, where {wanted} should be; "
            f"{_ACCEPTED}",
            reason="SELECTOR_INVALID",
        )


def _requirement(reader: _Reader) -> Requirement:
    """One part."""
    if reader.peek() == "!":
        reader.take("!")
        return Requirement(reader.word("a key"), Operator.ABSENT)
    key = reader.word("a key")
    match reader.peek():
        case "=" | "==":
            reader.take("=", "==")
            return Requirement(key, Operator.IN, (_value(reader),))
        case "!=":
            reader.take("!=")
            return Requirement(key, Operator.NOT_IN, (_value(reader),))
        case "in" | "notin" as operator:
            reader.take("in", "notin")
            return Requirement(key, Operator(operator), tuple(sorted(set(_values(reader)))))
        case "," | "":
            return Requirement(key, Operator.EXISTS)
        case _:
            raise reader.refused("=, !=, in, notin or a comma")


def _value(reader: _Reader) -> str:
    """A value, which may be empty."""
    return "" if reader.peek() in {"", ",", ")"} else reader.word("a value")


def _values(reader: _Reader) -> Iterable[str]:
    """Values in parentheses."""
    reader.take("(")
    values = [_value(reader)]
    while reader.take(",", ")") == ",":
        values.append(_value(reader))
    if len(values) > VALUES_MAX:
        raise InvalidArgumentError(
            f"a selector has {len(values)} values of one key; at most {VALUES_MAX} are accepted",
            reason="SELECTOR_INVALID",
        )
    return values
