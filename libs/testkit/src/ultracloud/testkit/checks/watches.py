"""Watches against the order of writes: in order, complete, exactly once, and no txn in two parts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from ultracloud.testkit.checks.history import BrokenPromiseError, Event, Told, Watch, covers, show
from ultracloud.testkit.checks.model import without_previous
from ultracloud.testkit.checks.order import Order


def check_watches(watches: Sequence[Watch], order: Order, compacted: int = 0) -> None:
    """Check every watch against what happened.

    Args:
        watches: All of them; those that resume others come after them.
        order: What happened.
        compacted: What happened before this revision may be missing in `Event.previous`.

    Raises:
        BrokenPromiseError: A change is missing, told twice, out of order, torn apart, or never happened.
    """
    by_number = {watch.number: watch for watch in watches}
    for watch in watches:
        _check_watch(watch, order, compacted)
        if watch.resumes:
            _check_resumption(by_number[watch.resumes], watch)


def check_watch_complete(watch: Watch, order: Order, last_revision: int) -> None:
    """Check that a watch has told everything up to `last_revision`; raises as `check_watches`."""
    told = {event.kv.mod for event in _events(watch.messages)}
    for step in order.steps:
        if _start(watch) <= step.revision <= last_revision and step.revision not in told:
            missing = [event for event in step.changes if covers(watch.key, watch.end, event.kv.key)]
            if missing:
                raise BrokenPromiseError(f"{watch} never told revision {step.revision}: {step.cause}")


def resume_revision(watch: Watch) -> int:
    """Where a client goes on that has read a watch so far."""
    return max((told.revision if not told.events else told.events[-1].kv.mod for told in watch.messages), default=0) + 1


def _check_watch(watch: Watch, order: Order, compacted: int) -> None:
    if watch.created_revision is None:
        return
    following = _wanted(watch, order)
    highest = 0
    for message in watch.messages:
        at = f"{watch}, at {message.at_ms:g} ms"
        highest = _check_message(message, at, following, highest, watch, compacted)
        if not message.events and message.revision >= _start(watch):
            # A progress message: nothing up to it may still come.
            behind = following.behind(message.revision)
            if behind is not None:
                raise BrokenPromiseError(
                    f"{at}: says that all up to {message.revision} was told, but {show(behind.kv)} was not"
                )


def _check_message(message: Told, at: str, following: _Wanted, highest: int, watch: Watch, compacted: int) -> int:
    """Check the changes of one message; give the highest revision told so far."""
    for event in message.events:
        if event.kv.mod < highest:
            raise BrokenPromiseError(f"{at}: out of order, or told again: {show(event.kv)} after revision {highest}")
        right = following.next()
        if right is None or right.kv != event.kv:
            raise BrokenPromiseError(_difference(at, event, right, following))
        _check_previous(at, event, right, watch, compacted)
        highest = event.kv.mod
    torn = following.behind(highest)
    if torn is not None:
        raise BrokenPromiseError(f"{at}: revision {highest} is torn: {show(torn.kv)} of it comes later or never")
    return highest


def _check_previous(at: str, event: Event, right: Event, watch: Watch, compacted: int) -> None:
    wanted = right if watch.prev_kv else without_previous(right)
    if event.previous == wanted.previous or (event.previous is None and event.kv.mod - 1 < compacted):
        return
    was, should = (show(kv) if kv else "nothing" for kv in (event.previous, wanted.previous))
    raise BrokenPromiseError(f"{at}: {show(event.kv)} comes with {was} as what was there before; right is {should}")


def _difference(at: str, event: Event, right: Event | None, following: _Wanted) -> str:
    """What is wrong with an event that is not the next one."""
    if following.has_told(event):
        return f"{at}: told twice: {show(event.kv)}"
    if following.will_tell(event):
        assert right is not None
        return f"{at}: a gap: {show(event.kv)} comes before {show(right.kv)} at revision {right.kv.mod}"
    return f"{at}: {show(event.kv)} at revision {event.kv.mod} never happened"


class _Wanted:
    """The changes that a watch must tell, in order."""

    def __init__(self, changes: Iterable[Event]) -> None:
        self._changes = tuple(changes)
        self._at = 0

    def next(self) -> Event | None:
        """Take the next change, None if there is no more."""
        if self._at == len(self._changes):
            return None
        self._at += 1
        return self._changes[self._at - 1]

    def behind(self, revision: int) -> Event | None:
        """The next change, if it belongs to `revision` or before."""
        if self._at < len(self._changes) and self._changes[self._at].kv.mod <= revision:
            return self._changes[self._at]
        return None

    def has_told(self, event: Event) -> bool:
        """Whether a change was taken before the last one."""
        return any(change.kv == event.kv for change in self._changes[: max(0, self._at - 1)])

    def will_tell(self, event: Event) -> bool:
        """Whether a change is still to come."""
        return any(change.kv == event.kv for change in self._changes[self._at :])


def _wanted(watch: Watch, order: Order) -> _Wanted:
    return _Wanted(
        event
        for step in order.steps
        if step.revision >= _start(watch)
        for event in step.changes
        if covers(watch.key, watch.end, event.kv.key)
    )


def _start(watch: Watch) -> int:
    """The first revision that a watch tells."""
    return watch.start_revision or (watch.created_revision or 0) + 1


def _check_resumption(before: Watch, after: Watch) -> None:
    """Check that a resumed watch goes on where the one before it stopped: its client would miss or repeat something."""
    wanted = max(resume_revision(before), before.start_revision)
    if before.messages and after.start_revision != wanted:
        raise BrokenPromiseError(f"{after} goes on from {after.start_revision}, but {before} stopped before {wanted}")


def _events(messages: Iterable[Told]) -> Iterator[Event]:
    for message in messages:
        yield from message.events
