from core.test_render import RECORDS
from hypothesis import given
from hypothesis import strategies as st

from chainfire.core.keyvalue import (
    FROM_KEY,
    KeyValue,
    covers,
    is_tombstone,
    key_of,
    lease_of,
    origin_of,
    pack,
    prefix_end,
    revision_of,
    unpack,
)


@given(RECORDS)
def test_a_record_survives_packing(record: KeyValue) -> None:
    packed = pack(*record)
    assert unpack(packed) == record
    assert (key_of(packed), revision_of(packed), is_tombstone(packed)) == (
        record.key,
        record.mod_revision,
        not record.version,
    )
    assert (*origin_of(packed), lease_of(packed)) == (record.create_revision, record.version, record.lease)


@given(st.binary(max_size=4), st.binary(max_size=6))
def test_the_end_of_a_prefix_covers_exactly_what_begins_with_it(prefix: bytes, key: bytes) -> None:
    end = prefix_end(prefix)
    assert end == FROM_KEY or end > prefix
    assert covers(prefix or b"\x00", end, key) == (key.startswith(prefix) and key >= (prefix or b"\x00"))
