"""`-o jsonpath=...`: the subset of kubectl's templates that people use.

`{.items[*].metadata.name}`, `{.spec["a.b"]}`, `{..address}`, `[0]`, `[-1]`, `[1:3]`, `[0,2]`, `['a','b']`,
`[?(@.status.power=="RUNNING")]`, `{range .items[*]}...{end}`, quoted text with escapes. A
bare `.metadata.name` needs no braces.

Source: the JSONPath page of Kubernetes' reference; RFC 9535 for the words.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass

from ultracloud.cli.core.failures import UsageFailure
from ultracloud.cli.core.trees import Json

TEMPLATE_LENGTH_MAX = 4096
VALUES_MAX = 1_000_000
"""Of one `..`; what is deeper or wider is no answer of ours."""
_NAME = re.compile(r"[A-Za-z_$][\w$-]*")
_COMPARISON = re.compile(r"\s*(.+?)\s*(==|!=|<=|>=|<|>)\s*(.+?)\s*", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Name:
    """`.name` or `['a','b']`; the name `*` is every member."""

    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Below:
    """`..`: what is here, and all that is in it."""


@dataclass(frozen=True, slots=True)
class Slice:
    """`[1:3]`, `[::2]`."""

    start: int | None
    stop: int | None
    step: int | None


@dataclass(frozen=True, slots=True)
class Indices:
    """`[0,2]`, `[-1]`."""

    at: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Filter:
    """`[?(@.a=="b")]`, or `[?(@.a)]`, which asks whether there is one."""

    left: tuple[Step, ...]
    sign: str
    right: Json


Step = Name | Below | Slice | Indices | Filter


@dataclass(frozen=True, slots=True)
class Text:
    """Printed as it is."""

    text: str


@dataclass(frozen=True, slots=True)
class Show:
    """`{.a.b}`: the values, separated by spaces."""

    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class Range:
    """`{range .items[*]}...{end}`."""

    steps: tuple[Step, ...]
    body: tuple[Part, ...]


Part = Text | Show | Range


def parse_template(template: str) -> tuple[Part, ...]:
    """The parts of a template.

    Raises:
        UsageFailure: It is none; the sentence says where.
    """
    if len(template) > TEMPLATE_LENGTH_MAX:
        raise UsageFailure(f"the jsonpath has {len(template)} characters; at most {TEMPLATE_LENGTH_MAX} are accepted")
    if "{" not in template:
        return (Show(parse_path(template)),)
    stack: list[tuple[tuple[Step, ...], list[Part]]] = [((), [])]
    for is_code, text in _pieces(template):
        word = text.strip()
        if not is_code:
            stack[-1][1].append(Text(text))
        elif word == "end":
            if len(stack) == 1:
                raise _wrong("{end} without {range}")
            steps, body = stack.pop()
            stack[-1][1].append(Range(steps, tuple(body)))
        elif word.startswith("range "):
            stack.append((parse_path(word[6:].strip()), []))
        elif word[:1] in ("'", '"'):
            stack[-1][1].append(Text(_unquoted(word)))
        else:
            stack[-1][1].append(Show(parse_path(word)))
    if len(stack) > 1:
        raise _wrong("{range} without {end}")
    return tuple(stack[0][1])


def parse_path(text: str) -> tuple[Step, ...]:
    """The steps of `.a.b[0]`, with or without `$` or `@` before it."""
    rest = text.strip().removeprefix("$").removeprefix("@")
    if rest and rest[0] not in ".[":
        rest = "." + rest
    steps: list[Step] = []
    while rest:
        if rest.startswith(".."):
            steps.append(Below())
            rest = rest[1:] if rest[2:3] not in ("", "[") else rest[2:]
        elif rest.startswith(".*"):
            steps.append(Name(("*",)))
            rest = rest[2:]
        elif rest.startswith("["):
            inside, rest = _bracket(rest)
            steps.append(_subscript(inside))
        elif rest == ".":
            rest = ""
        elif rest[0] == "." and (found := _NAME.match(rest, 1)):
            steps.append(Name((found.group(),)))
            rest = rest[found.end() :]
        else:
            raise _wrong(f"{rest[:40]!r} is no step; accepted: .name, [0], [*], ['a.b'], [?(@.name==\"x\")], ..name")
    return tuple(steps)


def render(parts: tuple[Part, ...], document: Json) -> str:
    """What a template says of a document."""
    return "".join(_render(part, document) for part in parts)


def find(steps: tuple[Step, ...], document: Json) -> list[Json]:
    """All that the steps lead to, in order; what is not there is left out."""
    found = [document]
    for step in steps:
        found = [value for here in found for value in _take(step, here)]
        if len(found) > VALUES_MAX:
            raise UsageFailure(f"the jsonpath leads to more than {VALUES_MAX} values")
    return found


def shown(value: Json) -> str:
    """Strings as they are, everything else as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _render(part: Part, document: Json) -> str:
    match part:
        case Text():
            return part.text
        case Show():
            return " ".join(shown(value) for value in find(part.steps, document))
        case Range():
            return "".join(render(part.body, value) for value in find(part.steps, document))


def _take(step: Step, here: Json) -> Iterator[Json]:
    match step:
        case Name(names):
            yield from _members(names, here)
        case Below():
            yield from _all_below(here)
        case Slice(start, stop, pace):
            if isinstance(here, list):
                yield from here[slice(start, stop, pace)]
        case Indices(places):
            if isinstance(here, list):
                yield from (here[at] for at in places if -len(here) <= at < len(here))
        case Filter():
            yield from (value for value in _members(("*",), here) if _passes(step, value))


def _members(names: tuple[str, ...], here: Json) -> Iterator[Json]:
    if names == ("*",):
        yield from here.values() if isinstance(here, dict) else here if isinstance(here, list) else ()
    elif isinstance(here, dict):
        yield from (here[name] for name in names if name in here)


def _all_below(here: Json) -> Iterator[Json]:
    waiting = [here]
    while waiting:
        value = waiting.pop()
        yield value
        waiting.extend(reversed(list(_members(("*",), value))))


def _passes(step: Filter, value: Json) -> bool:
    found = find(step.left, value)
    if not step.sign:
        return bool(found)
    return any(_compare(left, step.sign, step.right) for left in found)


def _compare(left: Json, sign: str, right: Json) -> bool:
    if sign == "==":
        return left == right
    if sign == "!=":
        return left != right
    if isinstance(left, str) and isinstance(right, int | float) and re.fullmatch(r"-?\d+", left):
        left = int(left)
    if isinstance(left, str) and isinstance(right, str):
        return _ordered((left > right) - (left < right), sign)
    if isinstance(left, int | float) and isinstance(right, int | float):
        return _ordered((left > right) - (left < right), sign)
    return False


def _ordered(order: int, sign: str) -> bool:
    """Whether a sign holds of two values: `order` is below 0 if the left one is less, above if it is greater."""
    match sign:
        case "<":
            return order < 0
        case "<=":
            return order <= 0
        case ">":
            return order > 0
        case _:
            return order >= 0


def _subscript(inside: str) -> Step:
    text = inside.strip()
    if text == "*":
        return Name(("*",))
    if text.startswith("?(") and text.endswith(")"):
        return _filter(text[2:-1])
    if text[:1] in ("'", '"'):
        quoted = re.findall(r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"", text)
        return Name(tuple(_unquoted(word) for word in quoted))
    if re.fullmatch(r"-?\d{0,9}(:-?\d{0,9}){1,2}", text):
        start, stop, pace = ([int(part) if part else None for part in text.split(":")] + [None])[:3]
        if pace == 0:
            raise _wrong("a slice steps by 0")
        return Slice(start, stop, pace)
    if re.fullmatch(r"-?\d{1,9}(\s*,\s*-?\d{1,9})*", text):
        return Indices(tuple(int(part) for part in text.split(",")))
    raise _wrong(f"[{text[:40]}] is not understood; accepted: [0], [1:3], [*], ['name'], [?(@.name==\"x\")]")


def _filter(text: str) -> Filter:
    compared = _COMPARISON.fullmatch(text)
    if compared is None:
        return Filter(parse_path(text), "", None)
    left, sign, right = compared.groups()
    if right[:1] in ("'", '"'):
        return Filter(parse_path(left), sign, _unquoted(right))
    try:
        value: Json = json.loads(right)
    except ValueError:
        raise _wrong(f'{right[:40]!r} is no value to compare with; accepted: "text", a number, true, false') from None
    return Filter(parse_path(left), sign, value)


def _pieces(template: str) -> Iterator[tuple[bool, str]]:
    """(whether it stood in braces, text); braces within quotes do not count."""
    rest = template
    while rest:
        before, brace, rest = rest.partition("{")
        if before:
            yield False, before
        if brace:
            end = _closing(rest, "}")
            yield True, rest[:end]
            rest = rest[end + 1 :]


def _bracket(text: str) -> tuple[str, str]:
    end = _closing(text[1:], "]")
    return text[1 : 1 + end], text[2 + end :]


def _closing(text: str, wanted: str) -> int:
    """Where the bracket that is open before `text` closes."""
    depth, quote, escaped = 0, "", False
    for at, letter in enumerate(text):
        if escaped:
            escaped = False
        elif letter == "\\" and quote:
            escaped = True
        elif quote:
            quote = "" if letter == quote else quote
        elif letter in "'\"":
            quote = letter
        elif letter == wanted and depth == 0:
            return at
        elif letter in "[{(":
            depth += 1
        elif letter in "]})":
            depth -= 1
    raise _wrong(f"a {wanted} is missing behind {text[:40]!r}")


def _unquoted(word: str) -> str:
    if len(word) == 1 or word[-1] != word[0]:
        raise _wrong(f"{word[:40]!r} has one quote")
    escapes = {"n": "\n", "t": "\t", "r": "\r"}
    return re.sub(r"\\(.)", lambda found: escapes.get(found.group(1), found.group(1)), word[1:-1])


def _wrong(says: str) -> UsageFailure:
    return UsageFailure(f"the jsonpath is wrong: {says}")
