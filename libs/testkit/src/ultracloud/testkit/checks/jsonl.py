"""A history as JSON lines: one call or watch a line, so that a process can write it while it happens.

Each object names its type in ``type``, and has the fields of the dataclass of that name in `history`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import fields
from typing import Any

from ultracloud.testkit.checks import history
from ultracloud.testkit.checks.history import Call, History, Watch

_TYPES: dict[str, type[Any]] = {
    kind.__name__: kind
    for kind in (
        *(history.Kv, history.Get, history.Put, history.Delete, history.Compare, history.Txn),
        *(history.Grant, history.Renew, history.Revoke),
        *(history.Got, history.Wrote, history.Deleted, history.TxnDone, history.LeaseDone),
        *(history.Refused, history.Lost, history.Event, history.Told, Call, Watch),
    )
}


def render(record: Call | Watch) -> str:
    """One line, without its end."""
    return json.dumps(_plain(record), separators=(",", ":"))


def parse(line: str) -> Call | Watch:
    """What `render` made.

    Raises:
        ValueError: It is no call and no watch.
    """
    found = json.loads(line, object_hook=_record)
    if not isinstance(found, Call | Watch):
        raise ValueError(f"no call and no watch: {line[:80]}")  # noqa: TRY004 - of the text, not of an argument
    return found


def dump(recorded: History) -> str:
    """All lines of a history."""
    records: tuple[Call | Watch, ...] = (*recorded.calls, *recorded.watches)
    return "".join(render(each) + "\n" for each in records)


def load(lines: Iterable[str]) -> History:
    """The history of some lines; raises as `parse`."""
    found = [parse(line) for line in lines if line.strip()]
    calls = tuple(each for each in found if isinstance(each, Call))
    return History(calls, tuple(each for each in found if isinstance(each, Watch)))


def _plain(thing: object) -> object:
    """Dataclasses as objects, tuples as lists."""
    kind = type(thing)
    if kind.__name__ in _TYPES:
        own = _TYPES[kind.__name__]
        return {"type": kind.__name__} | {f.name: _plain(getattr(thing, f.name)) for f in fields(own)}
    return [_plain(each) for each in thing] if isinstance(thing, tuple) else thing


def _record(plain: dict[str, object]) -> object:
    """The dataclass of an object; JSON has read its parts already."""
    kind = plain.pop("type", None)
    if not isinstance(kind, str) or kind not in _TYPES:
        raise ValueError(f"no record has the type {kind!r}")
    made = {name: tuple(value) if isinstance(value, list) else value for name, value in plain.items()}
    try:
        return _TYPES[kind](**made)
    except TypeError as error:
        raise ValueError(f"not a {kind}: {error}") from error
