from __future__ import annotations

from typing import Any

import pytest
from hpack import Encoder

from ultracloud.wire.core.connection import Connection
from ultracloud.wire.core.floods import Budget
from ultracloud.wire.core.frames import END_HEADERS, PREFACE, SETTING, Kind, Setting, render_frame, render_settings
from ultracloud.wire.core.limits import Limits
from ultracloud.wire.core.streams import Stream
from ultracloud.wire.errors import ConnectionFault


def spend(budget: Budget, count: int, now_s: float) -> None:
    for _ in range(count):
        budget.spend(now_s)


def test_a_burst_is_welcome_and_one_more_is_not() -> None:
    budget = Budget("pings", 3, 1, now_s=50.0)
    spend(budget, 3, 50.0)
    with pytest.raises(ConnectionFault, match="too many pings"):
        budget.spend(50.0)


def test_time_fills_a_budget_to_its_burst_and_not_further() -> None:
    budget = Budget("pings", 3, 1, now_s=0.0)
    spend(budget, 3, 0.0)
    spend(budget, 3, 1000.0)
    with pytest.raises(ConnectionFault):
        budget.spend(1000.0)


def test_a_steady_rate_below_the_limit_never_ends() -> None:
    budget = Budget("pings", 2, 10, now_s=0.0)
    for tenth in range(1000):
        budget.spend(tenth / 10)


def test_useful_work_fills_a_budget_too() -> None:
    budget = Budget("pings", 2, 1, now_s=0.0)
    for _ in range(100):
        budget.spend(0.0)
        budget.earn()


def test_many_settings_in_a_frame_cost_their_reading_alone() -> None:
    limits = Limits(streams_max=1000, body_bytes_max=100)
    machine, encoder = Connection(limits, 0.0), Encoder()
    machine.receive(PREFACE + render_settings({}), 0.0)
    begun = {":method": "POST", ":scheme": "http", ":path": "/body"}
    for number in range(1000):
        block = encoder.encode(begun)
        machine.receive(render_frame(Kind.HEADERS, END_HEADERS, 2 * number + 1, block), 0.0)
    windows = b"".join(SETTING.pack(Setting.INITIAL_WINDOW_SIZE, 65_535 + turn % 2) for turn in range(10_000))
    looked_at = LookedAt(machine._streams.open)
    machine.sender._open = looked_at
    machine.receive(render_frame(Kind.SETTINGS, 0, 0, windows), 0.0)
    assert looked_at.times == 1


class LookedAt(dict[int, "Stream | None"]):
    """Counts how often all streams are gone through."""

    times = 0

    def values(self) -> Any:
        self.times += 1
        return super().values()
