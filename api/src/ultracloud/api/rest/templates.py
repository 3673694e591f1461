"""Path templates, and the tree that finds the one a path belongs to.

Of google.api.http's templates this is the part we use: literals, ``{variable}`` for one whole segment, and a verb
behind a colon at the end. A path is looked up as it came: a percent sign in a literal or a verb matches nothing, so
there is one way to write each path, and what is decoded later can never move it to another route.

Source: google/api/http.proto, "Path template syntax"; RFC 3986 section 3.3.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

T = TypeVar("T")

_LITERAL = re.compile(r"[a-z0-9_.-]+")
_VARIABLE = re.compile(r"\{([a-z][a-z0-9_]*)\}")


@dataclass(frozen=True, slots=True)
class Template:
    """A path template.

    Attributes:
        text: As it is written.
        segments: Literals, and None for each variable.
        variables: Names of the variables, in order.
        verb: What stands behind the colon; empty for nothing.
    """

    text: str
    segments: tuple[str | None, ...]
    variables: tuple[str, ...]
    verb: str


def parse_template(text: str) -> Template:
    """Take a template apart.

    Raises:
        ValueError: It is not of the syntax we use.
    """
    path, colon, verb = text.partition(":")
    if not path.startswith("/") or (colon and not _LITERAL.fullmatch(verb)):
        raise ValueError(f"{text} is no path template: it begins with a slash, and ends with a verb at most")
    segments: list[str | None] = []
    variables: list[str] = []
    for segment in path[1:].split("/"):
        variable = _VARIABLE.fullmatch(segment)
        if variable is None and not _LITERAL.fullmatch(segment):
            raise ValueError(f"{text}: {segment!r} is neither a literal nor one variable")
        segments.append(None if variable else segment)
        variables += [variable[1]] if variable else []
    return Template(text, tuple(segments), tuple(variables), verb)


@dataclass(slots=True)
class _Node(Generic[T]):
    literals: dict[str, _Node[T]] = field(default_factory=dict)
    variable: _Node[T] | None = None
    ends: dict[str, dict[str, T]] = field(default_factory=dict)
    """By verb, then by HTTP method."""


class Tree(Generic[T]):
    """Finds what stands under a method and a path. A literal goes before a variable, and there is no way back."""

    def __init__(self) -> None:
        self._root: _Node[T] = _Node()

    def add(self, method: str, template: Template, what: T) -> None:
        """Put something under a template.

        Raises:
            ValueError: Something stands there already.
        """
        node = self._root
        for segment in template.segments:
            if segment is not None:
                node = node.literals.setdefault(segment, _Node())
                continue
            if node.variable is None:
                node.variable = _Node()
            node = node.variable
        if node.ends.setdefault(template.verb, {}).setdefault(method, what) is not what:
            raise ValueError(f"{method} {template.text} is there twice")

    def find(self, path: str) -> tuple[Mapping[str, T], list[str]] | None:
        """What stands under a path, by HTTP method, and the values of its variables, undecoded; None for nothing."""
        if path[:1] != "/":
            return None
        segments = path[1:].split("/")
        last, _, verb = segments[-1].partition(":")
        segments[-1] = last
        node: _Node[T] = self._root
        values: list[str] = []
        for segment in segments:
            below = node.literals.get(segment)
            if below is None:
                if node.variable is None or not segment:
                    return None
                below = node.variable
                values.append(segment)
            node = below
        ends = node.ends.get(verb)
        return None if ends is None else (ends, values)
