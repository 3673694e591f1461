"""What watchers were told and readers of a version saw, held against each other and against what callers were told."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from sim.flaredb.bank import balance
from sim.flaredb.clients import ACCOUNTS, COUNTERS, MONEY
from sim.flaredb.watchers import Watcher
from ultracloud.testkit.checks import BrokenPromiseError, History
from ultracloud.testkit.checks.history import Call, Delete, Put, Refused, Txn, TxnDone


@dataclass(slots=True)
class Feed:
    """Everything that any watcher was told.

    Attributes:
        versions: What each version changed.
        keys: Versions of each key, rising, with what they left.
    """

    versions: dict[int, Mapping[str, str | None]] = field(default_factory=dict)
    keys: dict[str, dict[int, str | None]] = field(default_factory=dict)


def check_watchers(watchers: Sequence[Watcher], history: History) -> Feed:
    """Watchers were told the same, in order, once, nothing else than what was committed, and all of it.

    Raises:
        BrokenPromiseError: They were not.
    """
    feed = Feed()
    for watcher in watchers:
        last = 0
        for told in watcher.told:
            if told.version <= last:
                raise BrokenPromiseError(f"a watcher was told of version {told.version} after {last}")
            last = told.version
            known = feed.versions.setdefault(told.version, told.values)
            if known != told.values:
                raise BrokenPromiseError(f"version {told.version} is {known} to one watcher, {told.values} to another")
    for version in sorted(feed.versions):
        for key, value in feed.versions[version].items():
            feed.keys.setdefault(key, {})[version] = value
    for call in history.calls:
        _check_told(call, feed, watchers)
    _check_no_gap(feed, watchers)
    return feed


def check_snapshots(watchers: Sequence[Watcher], feed: Feed) -> int:
    """Who reads at a version sees what was committed up to there, and all the money; how many did.

    Raises:
        BrokenPromiseError: They do not.
    """
    count = 0
    for snapshot in (snapshot for watcher in watchers for snapshot in watcher.snapshots):
        count += 1
        for key, versions in feed.keys.items():
            newest = max((version for version in versions if version <= snapshot.version), default=0)
            version, value = snapshot.values.get(key, (0, None))
            is_gone = value is None and (
                versions.get(newest) is None or not _has_all_between(watchers, newest, snapshot.version)
            )
            if not is_gone and (newest > version or (newest == version and versions.get(newest) != value)):
                raise BrokenPromiseError(
                    f"who reads {key} at {snapshot.version} sees {value} of {version}; watchers were told of "
                    f"{versions.get(newest)} at {newest}"
                )
        check_money({key: value for key, (_, value) in snapshot.values.items()}, f"at {snapshot.version}")
    return count


def check_money(values: Mapping[str, str], where: str) -> None:
    """All accounts have money or none has, and together what they began with.

    Raises:
        BrokenPromiseError: Some is missing, or there is more.
    """
    balances = [balance(values[account]) for account in ACCOUNTS if account in values]
    if balances and (len(balances) < len(ACCOUNTS) or sum(balances) != MONEY * len(ACCOUNTS)):
        raise BrokenPromiseError(f"{where} there is {sum(balances)} on {len(balances)} accounts: {values}")


def placed(feed: Feed) -> dict[tuple[str, int], str]:
    """Values by key and version, for who looks for writes that nobody was told of."""
    return {
        (key, version): value
        for key, versions in feed.keys.items()
        for version, value in versions.items()
        if value is not None
    }


def _check_told(call: Call, feed: Feed, watchers: Sequence[Watcher]) -> None:
    """Whether what a call wrote was told whole, or not at all if it was refused."""
    if not isinstance(call.op, Txn):
        return
    puts = {step.key: step.value for step in call.op.success if isinstance(step, Put) and step.key not in COUNTERS}
    if isinstance(call.result, Refused):
        for key, value in puts.items():
            if value in feed.keys.get(key, {}).values():
                raise BrokenPromiseError(f"watchers were told of {key}={value}, and that was refused: {call}")
    if not isinstance(call.result, TxnDone) or not call.result.succeeded:
        return
    version = call.result.revision
    deletes = {step.key for step in call.op.success if isinstance(step, Delete)}
    if any(_has_covered(watcher, version) for watcher in watchers):
        told = feed.versions.get(version, {})
        missing = {key: value for key, value in puts.items() if told.get(key) != value}
        if missing or (not deletes and not told):
            raise BrokenPromiseError(f"watchers were told {told} of version {version}: {missing} is missing: {call}")


def _check_no_gap(feed: Feed, watchers: Sequence[Watcher]) -> None:
    """Whether each watcher was told of everything that another one was, where it was told at all."""
    for watcher in watchers:
        told = {each.version for each in watcher.told}
        for version in feed.versions:
            if version not in told and _has_covered(watcher, version):
                raise BrokenPromiseError(f"a watcher at {watcher.position} was not told of version {version}")


def _has_all_between(watchers: Iterable[Watcher], after: int, through: int) -> bool:
    """Whether somebody was told of everything between two versions, so also of a deletion."""
    return any(
        through <= watcher.position and not any(low < through and after < high for low, high in watcher.gaps)
        for watcher in watchers
    )


def _has_covered(watcher: Watcher, version: int) -> bool:
    return version <= watcher.position and not any(after < version <= through for after, through in watcher.gaps)
