"""How large the cache may become."""

from __future__ import annotations

from pathlib import Path

import pytest

from flaredb.shell import memory

MIB = 1024 * 1024


def test_what_the_operator_says_counts():
    assert memory.cache_bytes(3) == 3 * MIB


@pytest.mark.parametrize(("has_mib", "cache_mib"), [(64, 16), (512, 32), (4096, 256), (65_536, 1024)])
def test_otherwise_it_is_a_part_of_what_the_process_may_have(
    monkeypatch: pytest.MonkeyPatch, has_mib: int, cache_mib: int
):
    monkeypatch.setattr(memory, "memory_bytes", lambda: has_mib * MIB)
    assert memory.cache_bytes(0) == cache_mib * MIB


def test_the_limit_of_a_control_group_counts_where_it_is_less(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(memory, "CGROUP_LIMIT", tmp_path / "none")
    machine = memory.memory_bytes()
    monkeypatch.setattr(memory, "CGROUP_LIMIT", tmp_path / "memory.max")
    for said, expected in (("max", machine), ("134217728", 128 * MIB), (str(machine * 2), machine)):
        (tmp_path / "memory.max").write_text(f"{said}\n")
        assert memory.memory_bytes() == expected
