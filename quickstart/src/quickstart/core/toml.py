"""A writer of TOML, which Python only reads. Every configuration the quickstart generates comes from here.

Source: TOML 1.0.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from pathlib import PurePath
from typing import TypeAlias

Value: TypeAlias = "str | int | float | bool | PurePath | Sequence[Value] | Mapping[str, Value]"
Table: TypeAlias = Mapping[str, Value]

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\t": "\\t", "\r": "\\r"}


def render(table: Table) -> str:
    """Write `table` as a TOML document: values first, then tables, then arrays of tables, as TOML needs it."""
    return "\n".join(_lines(table, ())).strip() + "\n"


def table_of(record: object) -> Table:
    """The fields of a dataclass as a table, nested ones too; what is None is left out, as TOML has no null."""
    assert is_dataclass(record), record
    named = ((field.name, getattr(record, field.name)) for field in fields(record))
    return {name: _plain(value) for name, value in named if value is not None}


def _plain(value: object) -> Value:
    """Dataclasses at any depth as tables."""
    match value:
        case str() | int() | float() | PurePath():
            return value
        case tuple() | list():
            return [_plain(item) for item in value]
        case Mapping():
            return {str(key): _plain(item) for key, item in value.items()}
        case _:
            return table_of(value)


def _lines(table: Table, path: tuple[str, ...]) -> list[str]:
    """The lines of one table whose header is already written."""
    lines = [f"{_key(key)} = {_inline(value)}" for key, value in table.items() if not _has_header(value)]
    for key, value in table.items():
        here = (*path, key)
        header = ".".join(map(_key, here))
        if isinstance(value, Mapping):
            lines += ["", f"[{header}]", *_lines(value, here)]
        else:
            for item in _tables(value):
                lines += ["", f"[[{header}]]", *_lines(item, here)]
    return lines


def _has_header(value: Value) -> bool:
    """Whether a value is written below a header of its own."""
    return isinstance(value, Mapping) or any(True for _ in _tables(value))


def _tables(value: Value) -> Iterator[Table]:
    """The tables of an array of tables; none of anything else."""
    if isinstance(value, list | tuple) and all(isinstance(item, Mapping) for item in value):
        yield from value


def _key(key: str) -> str:
    return key if _BARE_KEY.fullmatch(key) else _string(key)


def _inline(value: Value) -> str:
    """One value on one line."""
    match value:
        case bool():
            return "true" if value else "false"
        case int() | float():
            return repr(value)
        case str() | PurePath():
            return _string(str(value))
        case Mapping():
            return "{" + ", ".join(f"{_key(key)} = {_inline(item)}" for key, item in value.items()) + "}"
        case _:
            return "[" + ", ".join(_inline(item) for item in value) + "]"


def _string(text: str) -> str:
    """A basic string; control characters other than the common three are written as escapes."""
    escaped = "".join(_ESCAPES.get(char) or (char if char.isprintable() else f"\\U{ord(char):08X}") for char in text)
    return f'"{escaped}"'
