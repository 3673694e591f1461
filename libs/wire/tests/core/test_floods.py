from __future__ import annotations

import pytest

from ultracloud.wire.core.floods import Budget
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
