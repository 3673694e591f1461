"""Answers written by hand are the bytes that the generated messages would write."""

from core.commands import INT64, TEXT, UINT64
from hypothesis import given
from hypothesis import strategies as st

from chainfire.core import render
from chainfire.core.keyvalue import NO_LEASE, KeyValue
from chainfire.core.results import DeleteResult, OperationResult, PutResult, RangeResult, TxnResult
from chainfire.core.watch import Canceled, Change, Created, Progress
from ultracloud.api.etcd import kv_pb2, rpc_pb2

REVISIONS = st.integers(1, (1 << 63) - 1)
VALUES = st.one_of(TEXT, st.integers(0, 70_000).map(bytes))
RECORDS = st.one_of(
    st.builds(KeyValue, TEXT.filter(bool), REVISIONS, REVISIONS, REVISIONS, VALUES, INT64),
    st.builds(KeyValue, TEXT.filter(bool), st.just(0), REVISIONS, st.just(0), st.just(b""), st.just(NO_LEASE)),
)
PUTS = st.builds(PutResult, REVISIONS, st.none() | RECORDS)
DELETES = st.builds(DeleteResult, REVISIONS, st.integers(0, 9), st.lists(RECORDS, max_size=3).map(tuple))
RANGES = st.builds(RangeResult, REVISIONS, st.lists(RECORDS, max_size=3).map(tuple), st.booleans(), st.integers(0, 9))
TXNS = st.recursive(
    st.one_of(PUTS, DELETES, RANGES),
    lambda inner: st.builds(TxnResult, REVISIONS, st.booleans(), st.lists(inner, max_size=3).map(tuple)),
).filter(lambda result: isinstance(result, TxnResult))
HEADER = rpc_pb2.ResponseHeader(cluster_id=1 << 63, member_id=5, revision=300, raft_term=2)
RENDERED = render.HeaderRenderer(1 << 63, 5, 2).render(300)


def pb_record(record: KeyValue) -> kv_pb2.KeyValue:
    return kv_pb2.KeyValue(**record._asdict())


def bare(revision: int) -> rpc_pb2.ResponseHeader:
    return rpc_pb2.ResponseHeader(revision=revision)


def pb_put(header: rpc_pb2.ResponseHeader, result: PutResult) -> rpc_pb2.PutResponse:
    return rpc_pb2.PutResponse(header=header, prev_kv=pb_record(result.previous) if result.previous else None)


def pb_range(header: rpc_pb2.ResponseHeader, result: RangeResult) -> rpc_pb2.RangeResponse:
    kvs = [pb_record(record) for record in result.kvs]
    return rpc_pb2.RangeResponse(header=header, kvs=kvs, more=result.more, count=result.count)


def pb_delete(header: rpc_pb2.ResponseHeader, result: DeleteResult) -> rpc_pb2.DeleteRangeResponse:
    previous = [pb_record(record) for record in result.previous]
    return rpc_pb2.DeleteRangeResponse(header=header, deleted=result.deleted, prev_kvs=previous)


def pb_txn(header: rpc_pb2.ResponseHeader, result: TxnResult) -> rpc_pb2.TxnResponse:
    responses = [pb_op(inner) for inner in result.results]
    return rpc_pb2.TxnResponse(header=header, succeeded=result.succeeded, responses=responses)


def pb_op(result: OperationResult) -> rpc_pb2.ResponseOp:
    match result:
        case RangeResult():
            return rpc_pb2.ResponseOp(response_range=pb_range(bare(result.revision), result))
        case PutResult():
            return rpc_pb2.ResponseOp(response_put=pb_put(bare(result.revision), result))
        case DeleteResult():
            return rpc_pb2.ResponseOp(response_delete_range=pb_delete(bare(result.revision), result))
        case TxnResult():
            return rpc_pb2.ResponseOp(response_txn=pb_txn(rpc_pb2.ResponseHeader(), result))


@given(UINT64, UINT64, st.lists(REVISIONS, min_size=1, max_size=3), st.integers(0, 99))
def test_headers(cluster: int, member: int, revisions: list[int], term: int) -> None:
    headers = render.HeaderRenderer(cluster, member, term)
    for revision in revisions:
        expected = rpc_pb2.ResponseHeader(cluster_id=cluster, member_id=member, revision=revision, raft_term=term)
        assert rpc_pb2.PutResponse.FromString(headers.render(revision)).header == expected


@given(RECORDS)
def test_records(record: KeyValue) -> None:
    assert render.key_value(record) == pb_record(record).SerializeToString()


@given(TXNS)
def test_txns_and_all_that_they_hold(result: TxnResult) -> None:
    assert render.txn_response(RENDERED, result) == pb_txn(HEADER, result).SerializeToString()


@given(PUTS, RANGES, DELETES)
def test_single_answers(put: PutResult, found: RangeResult, deleted: DeleteResult) -> None:
    assert render.put_response(RENDERED, put) == pb_put(HEADER, put).SerializeToString()
    assert render.range_response(RENDERED, found) == pb_range(HEADER, found).SerializeToString()
    assert render.delete_response(RENDERED, deleted) == pb_delete(HEADER, deleted).SerializeToString()


@given(
    changes=st.lists(st.builds(Change, RECORDS, st.none() | RECORDS), max_size=4),
    watch_id=INT64,
    fragment=st.booleans(),
)
def test_watched_changes(changes: list[Change], *, watch_id: int, fragment: bool) -> None:
    events = [
        kv_pb2.Event(
            type=kv_pb2.Event.PUT if change.record.version else kv_pb2.Event.DELETE,
            kv=pb_record(change.record),
            prev_kv=pb_record(change.previous) if change.previous else None,
        )
        for change in changes
    ]
    rendered = render.watch_changes(RENDERED, watch_id, b"".join(map(render.watch_event, changes)), fragment=fragment)
    expected = rpc_pb2.WatchResponse(header=HEADER, watch_id=watch_id, fragment=fragment, events=events)
    assert rendered == expected.SerializeToString()


@given(watch_id=INT64, reason=st.text(max_size=9), refused=st.booleans(), compacted=st.integers(0, 1 << 40))
def test_watch_control(watch_id: int, reason: str, compacted: int, *, refused: bool) -> None:
    canceled = rpc_pb2.WatchResponse(
        header=HEADER,
        watch_id=watch_id,
        created=refused,
        canceled=True,
        compact_revision=compacted,
        cancel_reason=reason,
    )
    assert render.watch_control(RENDERED, Canceled(300, watch_id, reason, refused, compacted)) == (
        canceled.SerializeToString()
    )
    created = rpc_pb2.WatchResponse(header=HEADER, watch_id=watch_id, created=True)
    assert render.watch_control(RENDERED, Created(300, watch_id)) == created.SerializeToString()
    progress = rpc_pb2.WatchResponse(header=HEADER, watch_id=watch_id)
    assert render.watch_control(RENDERED, Progress(300, watch_id)) == progress.SerializeToString()


@given(INT64, st.integers(0, 1 << 40))
def test_keep_alive(lease: int, ttl: int) -> None:
    expected = rpc_pb2.LeaseKeepAliveResponse(header=HEADER, ID=lease, TTL=ttl)
    assert render.keep_alive_response(RENDERED, lease, ttl) == expected.SerializeToString()
