"""etcd's configuration file: the part of YAML that such files are written in.

Read are `key: value` lines, two mappings one level deep (`client-transport-security`, `peer-transport-security`),
quoted texts, comments, and lists as `[a, b]` or as `- a` lines. Everything else of YAML is refused with its line,
because to misread a configuration is worse than not to read it.

Source: etcd 3.5, etcd.conf.yml.sample (names of keys); YAML 1.2, sections 6.6, 7.3, 7.4, 8.2.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from chainfire.core.flag_table import FLAGS
from chainfire.core.flags import FlagError, Flags, check

SECTIONS = {"client-transport-security": "", "peer-transport-security": "peer-"}
"""Mappings of the file, and what stands before their keys to make them flags."""
OTHER_NAMES = {"peer-allowed-cn": "peer-cert-allowed-cn", "peer-allowed-hostname": "peer-cert-allowed-hostname"}
_KEY = re.compile(r"([A-Za-z0-9_.-]+):(?:\s+(.*))?$")
_QUOTED = re.compile(r"""(["'])(.*)\1$""")
_NOT_READ = ("{", "&", "*", "!", "|", ">", "@", "`", "?", "%")
"""What a value or key may begin with in YAML that no etcd configuration needs; `*` alone is a text of etcd's."""


@dataclass(slots=True)
class _Reading:
    """Where in the file the reader is, and what it has."""

    section: str = ""
    in_section: bool = False
    key: str = ""
    found: dict[str, tuple[int, list[str]]] = field(default_factory=dict)


def parse_file(text: str) -> Flags:
    """Flags from a file's text. Keys that are none are passed over, as etcd does.

    Raises:
        FlagError: It is no such file, or a value is not what its flag must be.
    """
    reading = _Reading()
    for line, indent, body in _logical_lines(text):
        _read(reading, line, indent, body)
    given: dict[str, str] = {}
    strangers: list[str] = []
    for name, (line, values) in reading.found.items():
        text_of_all = ",".join(values)
        flag = FLAGS.get(name)
        if flag is None:
            strangers.append(name)
        elif text_of_all:
            try:
                check(flag, text_of_all)
            except ValueError as error:
                raise FlagError(f'line {line}: invalid value "{text_of_all}" for {name}: {error}') from error
            given[name] = text_of_all
    return Flags(given, tuple(strangers))


def _read(reading: _Reading, line: int, indent: int, body: str) -> None:
    """Take one logical line."""
    if body == "-" or body.startswith("- "):
        if not reading.key:
            raise FlagError(f"line {line}: a list that belongs to no key")
        reading.found[reading.key][1].append(_scalar(body[1:].strip(), line))
        return
    parts = _KEY.match(body)
    if parts is None:
        raise FlagError(f"line {line}: '{body}' is not 'key: value'")
    key, value = parts[1], (parts[2] or "").strip()
    if indent == 0:
        reading.in_section, reading.section = False, ""
        if key in SECTIONS and not value:
            reading.in_section, reading.section, reading.key = True, SECTIONS[key], ""
            return
    elif not reading.in_section:
        raise FlagError(f"line {line}: '{key}' is indented, and no mapping begins above it that etcd knows")
    reading.key = OTHER_NAMES.get(reading.section + key, reading.section + key)
    reading.found[reading.key] = (line, _values(value, line))


def _logical_lines(text: str) -> Iterator[tuple[int, int, str]]:
    """Number, indentation and content of each line; a list in brackets is one line."""
    pending, began, indent = "", 0, 0
    for line, raw in enumerate(text.splitlines(), 1):
        body = _without_comment(raw)
        if not body.strip() or body in ("---", "..."):
            continue
        if pending:
            pending += " " + body.strip()
        else:
            began, indent, pending = line, len(body) - len(body.lstrip()), body.strip()
        if "[" in pending and not pending.endswith("]") and ": [" in pending:
            continue
        yield began, indent, pending
        pending = ""
    if pending:
        raise FlagError(f"line {began}: the list that begins here does not end")


def _without_comment(raw: str) -> str:
    """A line without its comment: `#` after white space, outside quotes (YAML 6.6)."""
    quote = ""
    for at, letter in enumerate(raw):
        before = raw[at - 1] if at else " "
        if quote:
            quote = "" if letter == quote else quote
        elif letter in "\"'" and before in " \t[,":
            quote = letter
        elif letter == "#" and before in " \t":
            return raw[:at].rstrip()
    return raw.rstrip()


def _values(value: str, line: int) -> list[str]:
    """The texts of a value: one, or those of a list in brackets."""
    if value.startswith("["):
        inner = value.removeprefix("[").removesuffix("]").strip().removesuffix(",")
        return [_scalar(item.strip(), line) for item in inner.split(",") if item.strip()]
    return [_scalar(value, line)] if value else []


def _scalar(value: str, line: int) -> str:
    """A plain or quoted text."""
    quoted = _QUOTED.match(value)
    if quoted is not None:
        return quoted[2]
    if value in ("", "~", "null"):
        return ""
    if value[0] in _NOT_READ and value != "*":
        raise FlagError(f"line {line}: '{value}' is YAML that is not read here; write it as a quoted text")
    return value
