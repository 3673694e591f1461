"""Strict serialisability of transactions by their dependencies: who saw whose write, who wrote over what another saw.

Versions say in which order a key was written. From that come the edges: a write after another, a read after the write
it saw, a write after each read of what it wrote over; and from time: what ended before something else began. If one can
go round in them, no order explains them all. The reads of a transaction are its comparisons with versions.

Source: Adya, "Weak Consistency: A Generalized Theory and Optimistic Implementations for Distributed Transactions"
(1999), section 4; Kingsbury and Alvaro, "Elle: Inferring Isolation Anomalies from Experimental Observations" (2020).
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise

from ultracloud.testkit.checks.history import (
    BrokenPromiseError,
    Call,
    Delete,
    Get,
    Got,
    History,
    Lost,
    Put,
    Txn,
    TxnDone,
)

Place = tuple[str, int]
"""A key and a version."""


def check_cycles(history: History, placed: Mapping[Place, str] | None = None) -> None:
    """Look for a cycle of dependencies.

    Args:
        history: Calls of `Get` of one key, and of `Txn` that only write when all comparisons hold.
        placed: Values by key and version as somebody else saw them, so that writes nobody was told of are known too.

    Raises:
        BrokenPromiseError: There is one.
    """
    graph = _graph(history, placed or {})
    cycle = _cycle(graph)
    if cycle:
        calls = "; ".join(str(node) for node in cycle if isinstance(node, Call))
        raise BrokenPromiseError(f"each of these must be before the next, and the last before the first: {calls}")


@dataclass(slots=True)
class _Found:
    """What touched one key.

    Attributes:
        has_deletes: Then a key that is not there says nothing of who saw it.
    """

    writers: dict[int, Call] = field(default_factory=dict)
    readers: list[tuple[int, Call]] = field(default_factory=list)
    has_deletes: bool = False


_Node = Call | int
"""A call, or the moment after as many answers."""


def _graph(history: History, placed: Mapping[Place, str]) -> dict[_Node, list[_Node]]:
    keys: dict[str, _Found] = defaultdict(_Found)
    wrote = {(key, value): version for (key, version), value in placed.items()}
    known: list[Call] = []
    for call in history.calls:
        version = _version(call, wrote)
        if version is None:
            continue
        known.append(call)
        for key in _written(call):
            keys[key].writers[version] = call
        for key, seen in _seen(call):
            keys[key].readers.append((seen, call))
    for call in history.calls:
        for step in call.op.success if isinstance(call.op, Txn) else ():
            if isinstance(step, Delete):
                keys[step.key].has_deletes = True
    graph: dict[_Node, list[_Node]] = {call: [] for call in known}
    for found in keys.values():
        _add_key(graph, found)
    _add_time(graph, known)
    return graph


def _version(call: Call, wrote: Mapping[tuple[str, str], int]) -> int | None:
    """The version of a call that is known to have happened; 0 for a read."""
    match call.op, call.result:
        case Get(), Got():
            return 0
        case Txn(), TxnDone(succeeded=True):
            return call.result.revision
        case Txn(), Lost():
            puts = (step for step in call.op.success if isinstance(step, Put))
            return next((wrote[put.key, put.value] for put in puts if (put.key, put.value) in wrote), None)
        case _:
            return None


def _written(call: Call) -> Iterator[str]:
    if isinstance(call.op, Txn):
        yield from (step.key for step in call.op.success if isinstance(step, Put | Delete))


def _seen(call: Call) -> Iterator[Place]:
    """Keys and versions that a call saw; 0 where there was nothing."""
    if isinstance(call.op, Get) and isinstance(call.result, Got):
        yield call.op.key, max((kv.mod for kv in call.result.kvs), default=0)
    elif isinstance(call.op, Txn):
        yield from ((each.key, int(each.operand)) for each in call.op.compare)


def _add_key(graph: dict[_Node, list[_Node]], found: _Found) -> None:
    versions = sorted(found.writers)
    for before, after in pairwise(versions):
        graph[found.writers[before]].append(found.writers[after])
    for seen, reader in found.readers:
        if not seen and found.has_deletes:
            continue
        if seen in found.writers and found.writers[seen] is not reader:
            graph[found.writers[seen]].append(reader)
        place = bisect_right(versions, seen)
        if place < len(versions) and found.writers[versions[place]] is not reader:
            graph[reader].append(found.writers[versions[place]])


def _add_time(graph: dict[_Node, list[_Node]], known: list[Call]) -> None:
    """What ended is before what begins later: by way of moments, or there would be an edge for each two."""
    ends = sorted(call.ended_ms for call in known if call.ended_ms != float("inf"))
    for moment in range(len(ends)):
        graph[moment] = [moment + 1] if moment + 1 < len(ends) else []
    for call in known:
        if call.ended_ms != float("inf"):
            graph[call].append(bisect_left(ends, call.ended_ms))
        last = bisect_left(ends, call.invoked_ms) - 1
        if last >= 0:
            graph[last].append(call)


def _cycle(graph: dict[_Node, list[_Node]]) -> list[_Node]:
    """Some cycle, by taking away what nothing comes before, again and again; empty if nothing is left."""
    counts: dict[_Node, int] = dict.fromkeys(graph, 0)
    for following in graph.values():
        for node in following:
            counts[node] += 1
    free = [node for node, count in counts.items() if not count]
    while free:
        node = free.pop()
        del counts[node]
        for after in graph[node]:
            counts[after] -= 1
            if not counts[after]:
                free.append(after)
    return _walk(graph, set(counts)) if counts else []


def _walk(graph: dict[_Node, list[_Node]], left: set[_Node]) -> list[_Node]:
    """Go back through what is left, where everything has something before it, until a node comes again."""
    before: dict[_Node, _Node] = {after: node for node in left for after in graph[node] if after in left}
    path: dict[_Node, None] = {}
    node = next(iter(left))
    while node not in path:
        path[node] = None
        node = before[node]
    nodes = list(path)
    return list(reversed(nodes[nodes.index(node) :]))
