"""JSON values, and reading in them without knowing whether what is looked for is there.

Answers come from servers newer or older than this program, so nothing that is read from them may be assumed.
"""

from __future__ import annotations

from typing import TypeAlias

Json: TypeAlias = "dict[str, Json] | list[Json] | str | int | float | bool | None"


def at(tree: Json, *path: str) -> Json:
    """What stands at `path`; None if there is nothing."""
    for name in path:
        if not isinstance(tree, dict):
            return None
        tree = tree.get(name)
    return tree


def text_at(tree: Json, *path: str) -> str:
    """The string at `path`; a number as text; empty if there is neither."""
    found = at(tree, *path)
    if isinstance(found, str):
        return found
    if isinstance(found, bool) or not isinstance(found, int | float):
        return ""
    return str(found)


def number_at(tree: Json, *path: str) -> int:
    """The whole number at `path`, also where it is written as text, as protobuf's JSON does with 64 bits; else 0."""
    found = at(tree, *path)
    if isinstance(found, str) and found.lstrip("-").isdigit():
        return int(found)
    return found if isinstance(found, int) and not isinstance(found, bool) else 0


def items_at(tree: Json, *path: str) -> list[Json]:
    """The list at `path`; empty if there is none."""
    found = at(tree, *path)
    return found if isinstance(found, list) else []


def table_at(tree: Json, *path: str) -> dict[str, Json]:
    """The object at `path`; empty if there is none."""
    found = at(tree, *path)
    return found if isinstance(found, dict) else {}


def put(tree: dict[str, Json], path: tuple[str, ...], value: Json) -> None:
    """Set what stands at `path`, making the objects on the way."""
    for name in path[:-1]:
        below = tree.get(name)
        if not isinstance(below, dict):
            below = {}
            tree[name] = below
        tree = below
    tree[path[-1]] = value
