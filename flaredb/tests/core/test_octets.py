"""The short codec against protobuf: what it reads and writes is what protobuf reads and writes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from flaredb.core.octets import (
    key_value,
    parse_get,
    parse_put,
    read_version_field,
    scan_end,
    txn_done,
    varint,
    write_response,
)
from ultracloud.api.flaredb.v1 import flaredb_pb2 as pb

NAMES = st.text("abcz-", max_size=70)
KEYS = st.binary(max_size=140)
VALUES = st.binary(max_size=300) | st.integers(127, 20_000).map(bytes)
VERSIONS = st.integers(0, (1 << 63) - 1) | st.sampled_from([1 << bits for bits in range(63)])


@given(VERSIONS)
def test_numbers_are_written_as_protobuf_writes_them(number: int) -> None:
    assert b"\x08" + varint(number) == (pb.WriteResponse(version=number).SerializeToString() or b"\x08\x00")


@given(NAMES, KEYS, st.sampled_from([0, 7]))
def test_a_get_is_read_as_protobuf_reads_it_or_left_to_it(namespace: str, key: bytes, at_version: int) -> None:
    octets = pb.GetRequest(namespace=namespace, key=key, at_version=at_version).SerializeToString()

    plain = bool(namespace and key) and len(key) < 128 and b"\x00" not in key and not at_version

    assert parse_get(octets) == ((namespace.encode(), key) if plain else None)


@given(st.binary(max_size=40) | st.builds(lambda n, k: b"\x0a" + n + b"\x12" + k, KEYS, KEYS))
def test_what_is_read_of_any_octets_protobuf_reads_too(octets: bytes) -> None:
    for parsed, kind in ((parse_get(octets), pb.GetRequest), (parse_put(octets), pb.PutRequest)):
        if parsed is not None:
            message = kind.FromString(b"\x0a\x00" + octets[2 + octets[1] :])
            assert message.key == parsed[1]
            assert octets[2 : 2 + octets[1]] == parsed[0]


@given(NAMES, KEYS, VALUES, st.sampled_from([0, 60]))
def test_a_put_is_read_as_protobuf_reads_it_or_left_to_it(namespace: str, key: bytes, value: bytes, ttl_s: int) -> None:
    octets = pb.PutRequest(namespace=namespace, key=key, value=value, ttl_s=ttl_s).SerializeToString()

    plain = bool(namespace and key and value) and len(key) < 128 and len(value) < 1 << 14 and not ttl_s

    assert parse_put(octets) == ((namespace.encode(), key, value) if plain else None)


@given(KEYS.filter(bool), VALUES, st.integers(1, 1 << 62), st.sampled_from([0, 1 << 41]))
def test_answers_are_what_protobuf_writes(key: bytes, value: bytes, version: int, expires_at_ms: int) -> None:
    row = key_value(key, value, version, expires_at_ms)

    kv = pb.KeyValue(key=key, value=value, version=version, expires_at_ms=expires_at_ms)
    assert row + read_version_field(version) == pb.GetResponse(kv=kv, read_version=version).SerializeToString()
    page = pb.ScanResponse(kvs=[kv, kv], read_version=version, more=True)
    assert row + row + scan_end(version, more=True) == page.SerializeToString()
    assert txn_done(version) == pb.TxnResponse(succeeded=True, version=version).SerializeToString()
    assert write_response(version) == pb.WriteResponse(version=version).SerializeToString()
