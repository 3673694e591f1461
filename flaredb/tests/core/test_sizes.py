from __future__ import annotations

import pytest

from flaredb.core.engine import Column
from flaredb.core.keys import encode, versioned
from flaredb.core.region import Epoch, Region, RegionId
from flaredb.core.sizes import Size
from flaredb.testing import MemoryEngine
from ultracloud.raft.state import Config

MIB = 1 << 20
VALUE = b"v" * 10_000


def region(version: int = 1) -> Region:
    return Region(RegionId(1), b"", b"", Epoch(version, 1), (), Config(frozenset()), 1)


def filled(engine: MemoryEngine, keys: range) -> int:
    """Write so many keys; how many bytes that were."""
    rows = [(Column.DATA, versioned(encode("ns", b"%05d" % n), 1), VALUE) for n in keys]
    engine.write(list(rows))
    return sum(len(key) + len(value) for _, key, value in rows)


def counted(size: Size, engine: MemoryEngine, written: int, version: int = 1) -> int:
    """Count to the end; how many steps it took."""
    steps = 0
    while size.is_due(region(version), written):
        size.step(engine, region(version), written, 50)
        steps += 1
    return steps


def test_a_count_is_exact_and_its_middle_is_in_the_middle():
    engine, size = MemoryEngine(), Size(96 * MIB)
    written = filled(engine, range(200))
    assert counted(size, engine, written) == 5
    assert size.size_bytes == written
    assert encode("ns", b"00080") < size.middle < encode("ns", b"00120")


@pytest.mark.parametrize(("split_mib", "enough"), [(96, 4 * MIB), (24, MIB), (1, MIB // 24)])
def test_a_small_region_is_counted_again_after_a_24th_of_what_splits_one(split_mib: int, enough: int):
    engine, size = MemoryEngine(), Size(split_mib * MIB)
    written = filled(engine, range(1))
    counted(size, engine, written)
    assert not size.is_due(region(), written + enough - 1)
    assert size.is_due(region(), written + enough)


def test_a_large_region_is_counted_again_after_a_fifth_of_it():
    engine, size = MemoryEngine(), Size(MIB)
    written = filled(engine, range(500))
    counted(size, engine, written)
    assert not size.is_due(region(), written + written // 5 - 1)
    assert size.is_due(region(), written + written // 5)


def test_a_region_that_was_cut_is_counted_from_its_new_beginning():
    engine, size = MemoryEngine(), Size(96 * MIB)
    written = filled(engine, range(100))
    size.step(engine, region(), written, 10)
    assert counted(size, engine, written, version=2) == 3
    assert size.size_bytes == written
    assert not size.is_due(region(version=2), written)
