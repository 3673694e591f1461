"""A writer of TOML, which Python only reads. Every configuration the quickstart generates comes from here.

Source: TOML 1.0.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from pathlib import PurePath
from typing import TypeAlias, cast

Scalar: TypeAlias = str | int | float | bool | PurePath
Table: TypeAlias = "Mapping[str, Scalar | Sequence[Scalar] | Table | Sequence[Table]]"

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\t": "\\t", "\r": "\\r"}


def render(table: Table) -> str:
    """Write `table` as a TOML document: values first, then tables, then arrays of tables, as TOML needs it."""
    return "\n".join(_lines(table, ())).strip() + "\n"


def table_of(record: object) -> Table:
    """The fields of a dataclass as a table, nested ones too; what is None is left out, as TOML has no null."""
    assert is_dataclass(record), record
    table = {field.name: getattr(record, field.name) for field in fields(record)}
    return {name: _plain(value) for name, value in table.items() if value is not None}


def _plain(value: object) -> Scalar | Sequence[Scalar] | Table | Sequence[Table]:
    """Dataclasses at any depth as tables."""
    if is_dataclass(value):
        return table_of(value)
    if isinstance(value, tuple):
        return cast("Sequence[Scalar]", [_plain(item) for item in value])
    return cast("Scalar | Table", value)


def _lines(table: Table, path: tuple[str, ...]) -> list[str]:
    """The lines of one table whose header is already written."""
    lines: list[str] = []
    for key, value in table.items():
        if not _is_table(value) and not _is_table_array(value):
            lines.append(f"{_key(key)} = {_value(value)}")
    for key, value in table.items():
        here = (*path, key)
        header = ".".join(map(_key, here))
        if isinstance(value, Mapping):
            lines += ["", f"[{header}]", *_lines(value, here)]
        elif _is_table_array(value):
            for item in cast("Sequence[Table]", value):
                lines += ["", f"[[{header}]]", *_lines(item, here)]
    return lines


def _is_table(value: object) -> bool:
    return isinstance(value, Mapping)


def _is_table_array(value: object) -> bool:
    return isinstance(value, list | tuple) and len(value) > 0 and all(isinstance(item, Mapping) for item in value)


def _key(key: str) -> str:
    return key if _BARE_KEY.fullmatch(key) else _string(key)


def _value(value: object) -> str:
    """One value on one line."""
    match value:
        case bool():
            return "true" if value else "false"
        case int() | float():
            return repr(value)
        case str() | PurePath():
            return _string(str(value))
        case _:
            return "[" + ", ".join(_value(item) for item in cast("Sequence[Scalar]", value)) + "]"


def _string(text: str) -> str:
    """A basic string; control characters other than the common three are written as escapes."""
    escaped = "".join(_ESCAPES.get(char) or (char if char.isprintable() else f"\\U{ord(char):08X}") for char in text)
    return f'"{escaped}"'
