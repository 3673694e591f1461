"""Comparisons, then writes, then the next version: what a batch of transactions does to the store.

Transactions of a batch run one after the other, each seeing what those before it wrote, so the result is that of some
serial order, and the order is that of arrival: strict serialisability on one node. The same function will apply a Raft
log's entries: it reads nothing but its arguments, so every replica comes to the same commits.

Deleting what does not exist changes nothing: it takes no version and no watcher hears of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from flaredb.core.commands import Change, Commit, Comparison, EncodedKey, Outcome, Txn
from flaredb.core.engine import Column, Row
from flaredb.core.keys import encode, versioned
from flaredb.core.records import APPLIED_KEY, Mark, change_record, mark_record, number, value_record


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What a batch came to.

    Attributes:
        outcomes: One a transaction, in their order.
        commits: Those that changed something, by rising version.
        applied: The counters after the last commit.
    """

    outcomes: tuple[Outcome, ...]
    commits: tuple[Commit, ...]
    applied: Mark


def evaluate(txns: Sequence[Txn], newest: Callable[[EncodedKey], int], applied: Mark, now_ms: int) -> Evaluation:
    """Run `txns` one after the other.

    Args:
        txns: Within `limits.check_txn`.
        newest: The stored version of a key, 0 where it does not exist.
        applied: The counters before the batch.
        now_ms: Wall time; a clock that goes backwards is held at its latest.
    """
    overlay: dict[EncodedKey, int] = {}

    def current(encoded: EncodedKey) -> int:
        version = overlay.get(encoded)
        return newest(encoded) if version is None else version

    outcomes: list[Outcome] = []
    commits: list[Commit] = []
    version = applied.version
    for txn in txns:
        failed = _failed(txn, current) if txn.comparisons else ()
        if failed:
            outcomes.append(Outcome(succeeded=False, version=version, failed=failed))
            continue
        changes = _changes(txn, current)
        if changes:
            version += 1
            commits.append(Commit(version, txn.namespace, changes))
            for change in changes:
                overlay[change.encoded] = version if change.value is not None else 0
        outcomes.append(Outcome(succeeded=True, version=version))
    return Evaluation(tuple(outcomes), tuple(commits), _counted(applied, commits, now_ms))


def rows(evaluation: Evaluation) -> Iterator[Row]:
    """What the engine writes for a batch, counters last; nothing if nothing was changed."""
    for commit in evaluation.commits:
        for change in commit.changes:
            yield Column.DATA, versioned(change.encoded, commit.version), value_record(change.value)
        yield Column.CHANGES, number(commit.version), change_record(change.encoded for change in commit.changes)
    if evaluation.commits:
        yield Column.META, APPLIED_KEY, mark_record(evaluation.applied)


def _failed(txn: Txn, current: Callable[[EncodedKey], int]) -> tuple[Comparison, ...]:
    """The comparisons that do not hold, each with the version that the key has."""
    found = ((c, current(encode(txn.namespace, c.key))) for c in txn.comparisons)
    return tuple(Comparison(c.key, version) for c, version in found if version != c.expected_version)


def _changes(txn: Txn, current: Callable[[EncodedKey], int]) -> tuple[Change, ...]:
    """What the writes change, without deletions of what does not exist."""
    changes = (Change(encode(txn.namespace, write.key), write.key, write.value) for write in txn.writes)
    return tuple(change for change in changes if change.value is not None or current(change.encoded))


def _counted(applied: Mark, commits: Iterable[Commit], now_ms: int) -> Mark:
    """The counters after `commits`."""
    version, changes, size = applied.version, applied.changes, applied.bytes
    for commit in commits:
        version = commit.version
        changes += len(commit.changes)
        size += commit.size_bytes
    if version == applied.version:
        return applied
    return Mark(version, max(applied.at_ms, now_ms), changes, size)
