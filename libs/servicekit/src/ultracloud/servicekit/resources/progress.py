"""How an operation goes: a machine over its status, which only moves towards its end. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias, assert_never

from ultracloud.api.operations.v1.operations_pb2 import OperationStatus
from ultracloud.servicekit.resources.records import timestamp

STEP_LENGTH_MAX = 200
MESSAGE_LENGTH_MAX = 1000
"""Characters of an error's sentence, as of a condition's."""
PERCENT_MAX = 100
ENDED = frozenset({OperationStatus.SUCCEEDED, OperationStatus.FAILED, OperationStatus.CANCELLED})


@dataclass(frozen=True, slots=True)
class Moved:
    """It is at work; `percent` below what was told before counts as that."""

    percent: int
    step: str = ""


@dataclass(frozen=True, slots=True)
class Succeeded:
    """It has done what it should."""


@dataclass(frozen=True, slots=True)
class Failed:
    """It cannot do what it should."""

    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Cancelled:
    """It has stopped because somebody asked, and left things as they were or said in `step` what remains."""

    step: str = ""


News: TypeAlias = Moved | Succeeded | Failed | Cancelled


def step(status: OperationStatus, news: News, now_ms: int) -> OperationStatus:
    """The status after some news; one that has ended stays as it ended, so that a late report changes nothing."""
    after = OperationStatus()
    after.CopyFrom(status)
    if status.state in ENDED:
        return after
    if not after.HasField("started_at"):
        after.started_at.CopyFrom(timestamp(now_ms))
    match news:
        case Moved(percent, said):
            after.state = OperationStatus.RUNNING
            after.progress_percent = max(status.progress_percent, min(percent, PERCENT_MAX))
            after.step = said[:STEP_LENGTH_MAX] or status.step
        case Succeeded():
            after.state, after.progress_percent, after.step = OperationStatus.SUCCEEDED, PERCENT_MAX, ""
        case Failed(reason, message):
            after.state, after.error_reason = OperationStatus.FAILED, reason
            after.error_message = message[:MESSAGE_LENGTH_MAX]
        case Cancelled(said):
            after.state, after.step = OperationStatus.CANCELLED, said[:STEP_LENGTH_MAX]
        case _:
            assert_never(news)
    if after.state in ENDED:
        after.ended_at.CopyFrom(timestamp(now_ms))
    return after
