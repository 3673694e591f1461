"""Serializable reads: they may be stale, but each is of a state that was, and no member goes back in time.

What such a read shows is checked with all other answers by `order`; here it is whether a member's answers move on. A
member that restarts may go back, so it must have another name then.
"""

from __future__ import annotations

from collections import defaultdict

from ultracloud.testkit.checks.history import BrokenPromiseError, Call, Get, Got, History, revision_of


def check_serializable(history: History) -> None:
    """Check that no serializable read is older than one that the same member answered before it was asked.

    Raises:
        BrokenPromiseError: A member went back.
    """
    by_member: dict[str, list[Call]] = defaultdict(list)
    for call in history.calls:
        if isinstance(call.op, Get) and call.op.serializable and isinstance(call.result, Got):
            by_member[call.member].append(call)
    for calls in by_member.values():
        _check_member(calls)


def _check_member(calls: list[Call]) -> None:
    newest: Call | None = None
    waiting = sorted(calls, key=lambda call: call.ended_ms)
    at = 0
    for call in sorted(calls, key=lambda call: call.invoked_ms):
        while at < len(waiting) and waiting[at].ended_ms < call.invoked_ms:
            if newest is None or revision_of(waiting[at].result) > revision_of(newest.result):
                newest = waiting[at]
            at += 1
        if newest is not None and revision_of(call.result) < revision_of(newest.result):
            raise BrokenPromiseError(f"{call.member} went back in time: {call}, after {newest}")
