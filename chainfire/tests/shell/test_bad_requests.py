"""Requests that ask too much or make no sense: refused in etcd's words, and the server goes on."""

from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from shell.clients import Client, client, refusal
from shell.servers import SERVERS, both, chainfire, etcd, needs_etcd

from chainfire.core.work import REQUEST_BYTES_MAX
from chainfire.shell.kv import REQUEST_MESSAGE_SLACK_BYTES
from ultracloud.api.etcd import rpc_pb2

Put, Range, Delete, Txn = rpc_pb2.PutRequest, rpc_pb2.RangeRequest, rpc_pb2.DeleteRangeRequest, rpc_pb2.TxnRequest
PUT = rpc_pb2.RequestOp(request_put=Put(key=b"k"))
REFUSED = [
    ("KV.Put", Put(), "INVALID_ARGUMENT: etcdserver: key is not provided"),
    ("KV.Put", Put(key=b"k", value=b"v", ignore_value=True), "INVALID_ARGUMENT: etcdserver: value is provided"),
    ("KV.Put", Put(key=b"k", lease=1, ignore_lease=True), "INVALID_ARGUMENT: etcdserver: lease is provided"),
    ("KV.Put", Put(key=b"k", lease=1), "NOT_FOUND: etcdserver: requested lease not found"),
    ("KV.Put", Put(key=b"k", value=bytes(1_600_000)), "INVALID_ARGUMENT: etcdserver: request is too large"),
    ("KV.Range", Range(), "INVALID_ARGUMENT: etcdserver: key is not provided"),
    ("KV.DeleteRange", Delete(), "INVALID_ARGUMENT: etcdserver: key is not provided"),
    ("KV.Txn", Txn(success=[rpc_pb2.RequestOp()]), "INVALID_ARGUMENT: etcdserver: key not found"),
    ("KV.Txn", Txn(compare=[rpc_pb2.Compare()]), "INVALID_ARGUMENT: etcdserver: key is not provided"),
    ("KV.Txn", Txn(success=[PUT] * 129), "INVALID_ARGUMENT: etcdserver: too many operations in txn request"),
    ("KV.Txn", Txn(success=[PUT, PUT]), "INVALID_ARGUMENT: etcdserver: duplicate key given in txn request"),
    (
        "KV.Txn",
        Txn(success=[rpc_pb2.RequestOp(request_txn=Txn(failure=[PUT] * 128))]),
        "INVALID_ARGUMENT: etcdserver: too many operations in txn request",
    ),
    (
        "KV.Compact",
        rpc_pb2.CompactionRequest(revision=7),
        "OUT_OF_RANGE: etcdserver: mvcc: required revision is a future revision",
    ),
    ("Lease.LeaseGrant", rpc_pb2.LeaseGrantRequest(TTL=10**10), "OUT_OF_RANGE: etcdserver: too large lease TTL"),
    ("Lease.LeaseRevoke", rpc_pb2.LeaseRevokeRequest(ID=5), "NOT_FOUND: etcdserver: requested lease not found"),
    (
        "Auth.Authenticate",
        rpc_pb2.AuthenticateRequest(name="a"),
        "FAILED_PRECONDITION: etcdserver: authentication is not enabled",
    ),
]


@pytest.fixture(scope="module")
def callers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Client]]:
    """Clients of both servers."""
    from contextlib import ExitStack

    with ExitStack() as stack:
        yield {
            kind: stack.enter_context(client(stack.enter_context(start(tmp_path_factory.mktemp(kind))).addresses[0]))
            for kind, start in SERVERS.items()
        }


@both
@pytest.mark.parametrize(("name", "request_", "sentence"), REFUSED)
def test_a_refusal_has_etcds_code_and_words(
    callers: dict[str, Client], kind: str, name: str, request_: object, sentence: str
) -> None:
    with pytest.raises(grpc.RpcError) as refused:
        callers[kind](name, request_)
    assert refusal(refused.value) == sentence


def test_numbers_that_etcd_does_not_have_are_refused(tmp_path: Path) -> None:
    with chainfire(tmp_path) as server, client(server.addresses[0]) as caller:
        compare = rpc_pb2.Compare(key=b"k")
        compare.target = 9
        for name, request in (
            ("KV.Range", Range(key=b"k", sort_order=7)),
            ("KV.Range", Range(key=b"k", sort_target=7)),
            ("KV.Txn", Txn(compare=[compare])),
            ("Maintenance.Alarm", rpc_pb2.AlarmRequest(action=9)),
        ):
            with pytest.raises(grpc.RpcError) as refused:
                caller(name, request)
            assert refusal(refused.value).startswith("INVALID_ARGUMENT: etcdserver: ")


@both
def test_deep_nesting_is_served_up_to_the_limit_of_operations(callers: dict[str, Client], kind: str) -> None:
    # Protobuf itself takes no more than 100 levels, and each level of txns takes two.
    nested = Txn(success=[rpc_pb2.RequestOp(request_put=Put(key=b"deep"))])
    for _ in range(40):
        nested = Txn(success=[rpc_pb2.RequestOp(request_txn=nested)])
    answer = callers[kind]("KV.Txn", nested)
    for _ in range(40):
        answer = answer.responses[0].response_txn
    assert answer.responses[0].response_put.header.revision > 1


def test_bytes_that_are_no_message_and_messages_that_are_too_large_are_refused(tmp_path: Path) -> None:
    with chainfire(tmp_path) as server, client(server.addresses[0]) as caller:
        raw = caller.channel.unary_unary("/etcdserverpb.KV/Put", bytes, bytes)
        for body, code in (
            (b"\xff" * 9, "INVALID_ARGUMENT"),
            (bytes(REQUEST_BYTES_MAX + REQUEST_MESSAGE_SLACK_BYTES + 1), "RESOURCE_EXHAUSTED"),
        ):
            with pytest.raises(grpc.RpcError) as refused:
                raw(body, timeout=10)
            assert refusal(refused.value).startswith(code)
        unknown = caller.channel.unary_unary("/etcdserverpb.KV/Nothing", bytes, bytes)
        with pytest.raises(grpc.RpcError) as refused:
            unknown(b"", timeout=10)
        assert refusal(refused.value).startswith("UNIMPLEMENTED")
        assert caller("KV.Put", Put(key=b"k")).header.revision == 2


def test_a_key_may_be_as_large_as_a_request(tmp_path: Path) -> None:
    with chainfire(tmp_path) as server, client(server.addresses[0]) as caller:
        key = bytes(REQUEST_BYTES_MAX - 1000)
        assert caller("KV.Put", Put(key=key)).header.revision == 2
        assert caller("KV.Range", Range(key=key, keys_only=True)).kvs[0].key == key
        with pytest.raises(grpc.RpcError) as refused:
            caller("KV.Put", Put(key=bytes(REQUEST_BYTES_MAX)))
        assert refusal(refused.value) == "INVALID_ARGUMENT: etcdserver: request is too large"


LIMITED = [
    (Put(key=b"k", value=bytes(20_000)), "KV.Put", "INVALID_ARGUMENT: etcdserver: request is too large"),
    (
        Put(key=b"k", value=bytes(540_000)),
        "KV.Put",
        "RESOURCE_EXHAUSTED: grpc: received message larger than max (540007 vs. 534288)",
    ),
    (Txn(success=[PUT] * 4), "KV.Txn", "INVALID_ARGUMENT: etcdserver: too many operations in txn request"),
    (
        Txn(compare=[rpc_pb2.Compare(key=b"k")] * 4),
        "KV.Txn",
        "INVALID_ARGUMENT: etcdserver: too many operations in txn request",
    ),
]


@pytest.mark.parametrize("kind", ["chainfire", pytest.param("etcd", marks=needs_etcd)])
def test_limits_that_were_changed_are_refused_in_etcds_words_too(kind: str, tmp_path: Path) -> None:
    limited = (
        chainfire(tmp_path, "request_kib = 9.765625\ntxn_operations = 3\n")
        if kind == "chainfire"
        else etcd(tmp_path, flags=("--max-request-bytes=10000", "--max-txn-ops=3"))
    )
    with limited as server, client(server.addresses[0]) as caller:
        for request, name, sentence in LIMITED:
            with pytest.raises(grpc.RpcError) as refused:
                caller(name, request)
            assert refusal(refused.value) == sentence
        assert caller("KV.Put", Put(key=b"k", value=bytes(9_000))).header.revision == 2


def test_large_requests_are_taken_where_they_are_allowed(tmp_path: Path) -> None:
    settings = "request_kib = 10240\ntxn_operations = 10240\n"
    with chainfire(tmp_path, settings) as server, client(server.addresses[0]) as caller:
        assert caller("KV.Put", Put(key=b"k", value=bytes(10_000_000))).header.revision == 2
        ops = [rpc_pb2.RequestOp(request_put=Put(key=b"%d" % number)) for number in range(5000)]
        assert caller("KV.Txn", Txn(success=ops)).succeeded
