from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from flaredb.core.engine import Column
from flaredb.core.keys import bounds, encode, versioned
from flaredb.core.limits import PAGE_BYTES_MAX
from flaredb.core.octets import key_value, scan_end
from flaredb.core.pages import OctetScan
from flaredb.core.records import value_record
from flaredb.core.visibility import NEXT_STEPS_MAX, Found, Query, Scan, Standing, read, standing, standings
from flaredb.testing import MemoryEngine

Keys = dict[bytes, dict[int, bytes | None]]


def engine_of(keys: Keys) -> MemoryEngine:
    engine = MemoryEngine()
    for key, versions in keys.items():
        for version, value in versions.items():
            engine.write([(Column.DATA, versioned(encode("iam", key), version), value_record(value))])
    # Neighbours of other namespaces, which no reader of this one may see.
    for namespace in ("hal", "iam-2", "ian"):
        engine.write([(Column.DATA, versioned(encode(namespace, b"b"), 1), value_record(b"other"))])
    return engine


def page(engine: MemoryEngine, query: Query, steps: int = 1000) -> Scan:
    scan = Scan(engine.cursor(Column.DATA), query)
    while not scan.run(steps):
        pass
    return scan


def seen(keys: Keys, at_version: int) -> dict[bytes, Found]:
    found = {}
    for key, versions in sorted(keys.items()):
        visible = [version for version in versions if version <= at_version]
        value = versions[max(visible)] if visible else None
        if value is not None:
            found[key] = Found(key, value, max(visible))
    return found


KEYS = st.lists(st.sampled_from([0, 1, 98, 255]), min_size=1, max_size=3).map(bytes)
BOUNDS = st.just(b"") | KEYS
VERSIONS = st.dictionaries(st.integers(2, 30), st.none() | st.binary(max_size=2), min_size=1, max_size=15)
STORED = st.dictionaries(KEYS, VERSIONS, max_size=8)
AT = st.integers(1, 31)


@given(STORED, KEYS, AT)
def test_a_reader_sees_the_newest_version_that_is_not_after_its_own(keys: Keys, key: bytes, at: int):
    found = read(engine_of(keys).cursor(Column.DATA), encode("iam", key), key, at)
    assert found == seen(keys, at).get(key)


@given(STORED, KEYS)
def test_what_stands_is_what_a_reader_of_the_newest_sees(keys: Keys, key: bytes):
    found = seen(keys, 99).get(key)
    stands = standing(engine_of(keys).cursor(Column.DATA), encode("iam", key))
    assert stands == (Standing(encode("iam", key), found.version, found.value) if found else None)


@given(STORED, BOUNDS, BOUNDS)
def test_what_stands_in_a_range_comes_in_order(keys: Keys, start: bytes, end: bytes):
    inside = [f for k, f in seen(keys, 99).items() if start <= k and (not end or k < end)]
    stand = standings(engine_of(keys).cursor(Column.DATA), *bounds("iam", start, end))
    assert list(stand) == [Standing(encode("iam", f.key), f.version, f.value) for f in inside]


@given(STORED, BOUNDS, AT, st.integers(0, 9))
def test_a_scan_that_is_not_done_says_where_it_stands(keys: Keys, start: bytes, at: int, steps: int):
    scan = Scan(engine_of(keys).cursor(Column.DATA), Query("iam", start, b"", 100, at))
    assume(not scan.run(steps))
    after = scan.resume_key()
    rest = page(engine_of(keys), Query("iam", after, b"", 100, at)).found if after else []
    assert [*scan.found, *rest] == [f for k, f in seen(keys, at).items() if start <= k]


@given(STORED, BOUNDS, BOUNDS, st.integers(1, 9), AT, st.booleans(), st.integers(1, 3))
def test_a_page_is_that_of_a_dictionary(
    keys: Keys,
    start: bytes,
    end: bytes,
    limit: int,
    at: int,
    reverse: bool,  # noqa: FBT001
    steps: int,
):
    inside = [f for k, f in seen(keys, at).items() if start <= k and (not end or k < end)]
    wanted = inside[::-1] if reverse else inside
    scan = page(engine_of(keys), Query("iam", start, end, limit, at, reverse=reverse), steps)
    assert scan.found == wanted[:limit]
    assert scan.more == (len(wanted) > limit)
    octets = OctetScan(engine_of(keys).cursor(Column.DATA), Query("iam", start, end, limit, at, reverse=reverse))
    while not octets.run(steps):
        pass
    rows = [key_value(*found) for found in scan.found]
    assert octets.octets() == b"".join(rows) + scan_end(at, more=scan.more)


@given(STORED, st.integers(1, 4), AT, st.booleans())
def test_pages_together_are_the_whole_list(keys: Keys, limit: int, at: int, reverse: bool):  # noqa: FBT001
    engine = engine_of(keys)
    found: list[Found] = []
    start, end = b"", b""
    while True:
        scan = page(engine, Query("iam", start, end, limit, at, reverse=reverse))
        found += scan.found
        if not scan.more:
            break
        start, end = (start, found[-1].key) if reverse else (found[-1].key + b"\0", end)
    wanted = list(seen(keys, at).values())
    assert found == (wanted[::-1] if reverse else wanted)


def test_a_scan_for_keys_has_no_values():
    scan = page(engine_of({b"a": {2: b"value"}}), Query("iam", b"", b"", 10, 9, keys_only=True))
    assert scan.found == [Found(b"a", b"", 2)]


@pytest.mark.parametrize("reverse", [False, True])
def test_a_key_with_many_versions_is_one_step(reverse: bool):  # noqa: FBT001
    many: dict[int, bytes | None] = {version: b"%d" % version for version in range(2, 20 * NEXT_STEPS_MAX)}
    engine = engine_of({b"a": many, b"b": many, b"c": many})
    scan = Scan(engine.cursor(Column.DATA), Query("iam", b"", b"", 10, 50, reverse=reverse))
    assert scan.run(4)
    assert [found.version for found in scan.found] == [50, 50, 50]


@pytest.mark.parametrize("reverse", [False, True])
def test_a_page_ends_when_it_is_full_of_bytes(reverse: bool):  # noqa: FBT001
    keys: Keys = {b"%d" % n: {2: b"v" * (PAGE_BYTES_MAX // 2)} for n in range(4)}
    scan = page(engine_of(keys), Query("iam", b"", b"", 10, 9, reverse=reverse))
    assert len(scan.found) == 2
    assert scan.more


def test_a_scan_stops_after_the_steps_it_was_given():
    scan = Scan(engine_of({b"%d" % n: {2: None} for n in range(5)}).cursor(Column.DATA), Query("iam", b"", b"", 9, 9))
    assert [scan.run(2), scan.run(2), scan.run(2)] == [False, False, True]
    assert (scan.found, scan.more) == ([], False)


def test_an_empty_range_is_an_empty_page():
    scan = Scan(engine_of({b"b": {2: b"v"}}).cursor(Column.DATA), Query("iam", b"c", b"b", 9, 9))
    assert scan.run(1)
    assert scan.found == []
