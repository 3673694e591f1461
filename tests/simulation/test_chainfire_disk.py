"""Power cuts of one member's disk code, a few seeds in every run, and proof that they would notice."""

from __future__ import annotations

import os

import pytest

from chainfire.shell.segments import SegmentedLog
from sim import chainfire_disk
from ultracloud.testkit.seeds import seeds


@pytest.mark.parametrize("first", range(0, 100, 25))
def test_no_power_cut_loses_what_was_durable(first: int) -> None:
    for seed in seeds(25):
        chainfire_disk.simulate(first + seed)


def test_same_seed_gives_the_same_trace() -> None:
    assert chainfire_disk.simulate(3) == chainfire_disk.simulate(3)


def test_a_log_that_does_not_sync_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "RWF_DSYNC", 0)
    assert "pwritev" in SegmentedLog._write.__code__.co_names
    with pytest.raises(chainfire_disk.BrokenPromiseError):
        run_seeds(20)


def run_seeds(count: int) -> None:
    for seed in range(count):
        chainfire_disk.simulate(seed)
