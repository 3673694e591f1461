"""What clients of a key-value store asked, and what they were told: the evidence that the checks judge.

The store speaks etcd's v3 model. Times are milliseconds of one clock that all clients share and that never goes back;
`a` happened before `b` only if `a.returned_ms < b.invoked_ms`. Keys and values are text, so that a history is readable
JSON lines. Every value that is put is unique in the history: by it a write is recognised that nobody was told about.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

NO_LEASE = 0
FROM_KEY = "\0"
"""As the end of a range: every key from its start on."""


class BrokenPromiseError(AssertionError):
    """The store broke a promise; the sentence says which, and by which calls one sees it."""


@dataclass(frozen=True, slots=True)
class Kv:
    """One key as one write left it; a `version` of 0 says that this write deleted it."""

    key: str
    value: str
    create: int
    mod: int
    version: int
    lease: int = NO_LEASE


@dataclass(frozen=True, slots=True)
class Get:
    """A range read. `revision` 0 reads the newest; only a serializable read may be stale."""

    key: str
    end: str = ""
    revision: int = 0
    limit: int = 0
    serializable: bool = False


@dataclass(frozen=True, slots=True)
class Put:
    """Write one key."""

    key: str
    value: str
    lease: int = NO_LEASE
    prev_kv: bool = False


@dataclass(frozen=True, slots=True)
class Delete:
    """Delete every key of a range."""

    key: str
    end: str = ""
    prev_kv: bool = False


@dataclass(frozen=True, slots=True)
class Compare:
    """A condition on one key.

    Attributes:
        target: ``value``, ``version``, ``create``, ``mod`` or ``lease``.
        sign: ``=``, ``!=``, ``<`` or ``>``.
        operand: Text for the target ``value``, a number for all others.
    """

    key: str
    target: str
    sign: str
    operand: str | int


@dataclass(frozen=True, slots=True)
class Txn:
    """If all comparisons hold `success`, else `failure`; all at one revision."""

    compare: tuple[Compare, ...]
    success: tuple[Get | Put | Delete | Txn, ...]
    failure: tuple[Get | Put | Delete | Txn, ...]


@dataclass(frozen=True, slots=True)
class Grant:
    """Make a lease."""

    lease: int
    ttl_s: int


@dataclass(frozen=True, slots=True)
class Renew:
    """Give a lease its whole time again."""

    lease: int


@dataclass(frozen=True, slots=True)
class Revoke:
    """End a lease and delete its keys."""

    lease: int


Op: TypeAlias = Get | Put | Delete | Txn | Grant | Renew | Revoke


@dataclass(frozen=True, slots=True)
class Got:
    """What a range holds; `count` is all of it, whatever the limit."""

    revision: int
    kvs: tuple[Kv, ...]
    count: int


@dataclass(frozen=True, slots=True)
class Wrote:
    """A key was written."""

    revision: int
    previous: Kv | None = None


@dataclass(frozen=True, slots=True)
class Deleted:
    """So many keys were deleted."""

    revision: int
    count: int
    previous: tuple[Kv, ...] = ()


@dataclass(frozen=True, slots=True)
class TxnDone:
    """One branch of a txn was done."""

    revision: int
    succeeded: bool
    results: tuple[Got | Wrote | Deleted | TxnDone, ...]


@dataclass(frozen=True, slots=True)
class LeaseDone:
    """A lease was granted, renewed or revoked; a `ttl_s` of 0 after a renewal says that it is gone."""

    revision: int
    ttl_s: int = 0


@dataclass(frozen=True, slots=True)
class Refused:
    """It was not done, and never will be."""

    why: str


@dataclass(frozen=True, slots=True)
class Lost:
    """Nobody knows: it may have been done, or not, or may be done later."""

    why: str = ""


OpResult: TypeAlias = Got | Wrote | Deleted | TxnDone
Result: TypeAlias = OpResult | LeaseDone | Refused | Lost


@dataclass(frozen=True, slots=True)
class Call:
    """One request. A client that tries again makes another call.

    Attributes:
        number: Names it in explanations; unique in the history.
        client: Who asked.
        member: Whom, or rather which life of it: a member that restarts gets another name here.
        returned_ms: None if no answer came before the history ends.
    """

    number: int
    client: str
    member: str
    op: Op
    invoked_ms: float
    returned_ms: float | None
    result: Result

    @property
    def ended_ms(self) -> float:
        """When the answer was there; infinity without one."""
        return float("inf") if self.returned_ms is None or isinstance(self.result, Lost) else self.returned_ms

    def __str__(self) -> str:
        ended = "" if self.ended_ms == float("inf") else f"{self.ended_ms:g}"
        return (
            f"#{self.number} of {self.client} at {self.member}, {self.invoked_ms:g}..{ended} ms: {show(self.op)}"
            f" -> {show(self.result)}"
        )


@dataclass(frozen=True, slots=True)
class Event:
    """One change as a watch told it; a deletion has a `version` of 0."""

    kv: Kv
    previous: Kv | None = None


@dataclass(frozen=True, slots=True)
class Told:
    """One message of a watch. One without events says that all up to `revision` was told."""

    at_ms: float
    revision: int
    events: tuple[Event, ...] = ()


@dataclass(frozen=True, slots=True)
class Watch:
    """One watch from its creation to its end; one that is resumed is another one.

    Attributes:
        start_revision: 0 is from its creation on.
        created_revision: The store's when it was created, as its answer said; None if no answer came.
        compacted: Not 0: it was ended because what it was to start from is compacted up to here.
        resumes: The number of the watch that it carries on, 0 for none.
    """

    number: int
    client: str
    member: str
    key: str
    end: str
    start_revision: int
    prev_kv: bool
    opened_ms: float
    created_revision: int | None
    messages: tuple[Told, ...]
    compacted: int = 0
    resumes: int = 0

    def __str__(self) -> str:
        return f"watch {self.number} of {self.client} at {self.member} on {self.key!r}..{self.end!r}"


@dataclass(frozen=True, slots=True)
class History:
    """Everything that was asked and told."""

    calls: tuple[Call, ...] = ()
    watches: tuple[Watch, ...] = ()

    def revision_seen(self) -> int:
        """The highest revision that anybody was told."""
        calls = (revision_of(call.result) for call in self.calls)
        told = (message.revision for watch in self.watches for message in watch.messages)
        return max(max(calls, default=0), max(told, default=0))


def covers(start: str, end: str, key: str) -> bool:
    """Whether `key` lies in a range."""
    if not end:
        return key == start
    return start <= key and (end == FROM_KEY or key < end)


def revision_of(result: Result) -> int:
    """The store's revision that an answer names; 0 if it names none."""
    return 0 if isinstance(result, Refused | Lost) else result.revision


def has_written(result: Result) -> bool:
    """Whether an answer says that the store was changed. A revocation's says neither."""
    match result:
        case Wrote():
            return True
        case Deleted():
            return result.count > 0
        case TxnDone():
            return any(map(has_written, result.results))
        case _:
            return False


def is_linearizable(call: Call) -> bool:
    """Whether an answer must be as new as every answer before it."""
    match call.op:
        case Get():
            return not call.op.serializable
        case Renew():
            return False
        case _:
            return True


def puts_of(op: Op) -> Iterator[Put]:
    """Every put that an operation may do."""
    match op:
        case Put():
            yield op
        case Txn():
            for step in (*op.success, *op.failure):
                yield from puts_of(step)
        case _:
            return


def kvs_of(result: Result) -> Iterator[Kv]:
    """Every key that an answer shows."""
    match result:
        case Got():
            yield from result.kvs
        case Wrote():
            if result.previous is not None:
                yield result.previous
        case Deleted():
            yield from result.previous
        case TxnDone():
            for each in result.results:
                yield from kvs_of(each)
        case _:
            return


def show(thing: object) -> str:  # noqa: C901, PLR0911, PLR0912 - one return a kind
    """A call or an answer in few words, for explanations."""
    match thing:
        case Get():
            at = f"@{thing.revision}" if thing.revision else ""
            return f"get {_span(thing.key, thing.end)}{at}{' serializable' if thing.serializable else ''}"
        case Put():
            return f"put {thing.key}={thing.value}" + (f" lease {thing.lease}" if thing.lease else "")
        case Delete():
            return f"delete {_span(thing.key, thing.end)}"
        case Compare():
            return f"{thing.target}({thing.key}){thing.sign}{thing.operand}"
        case Txn():
            parts = ("; ".join(map(show, part)) for part in (thing.compare, thing.success, thing.failure))
            return "if {} then {} else {}".format(*(part or "-" for part in parts))
        case Kv():
            return f"{thing.key}={thing.value}@{thing.mod}v{thing.version}" if thing.version else f"no {thing.key}"
        case Got():
            return f"[{', '.join(map(show, thing.kvs))}] of {thing.count} at {thing.revision}"
        case Wrote():
            return f"done at {thing.revision}" + (f", was {show(thing.previous)}" if thing.previous else "")
        case Deleted():
            return f"{thing.count} deleted at {thing.revision}"
        case TxnDone():
            branch = "success" if thing.succeeded else "failure"
            return f"{branch} at {thing.revision}: {'; '.join(map(show, thing.results)) or '-'}"
        case Refused():
            return f"refused: {thing.why}"
        case Lost():
            return f"lost{': ' if thing.why else ''}{thing.why}"
        case _:
            return str(thing)


def _span(key: str, end: str) -> str:
    return f"{key}..{end!r}" if end else key
