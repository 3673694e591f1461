"""Ranges with many keys, which are answered in steps: the same answer as in one."""

from collections.abc import Iterator

import pytest
from shell.clients import Client, client
from shell.servers import chainfire

from chainfire.shell.kv import INLINE_KEYS_MAX
from ultracloud.api.etcd import rpc_pb2

KEYS = [b"k%05d" % number for number in range(3 * INLINE_KEYS_MAX + 7)]
TXN_PUTS = 100


@pytest.fixture(scope="module")
def caller(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """A client of a server that has KEYS; their values fall as they rise."""
    with chainfire(tmp_path_factory.mktemp("node")) as server, client(server.addresses[0]) as made:
        for at in range(0, len(KEYS), TXN_PUTS):
            puts = [
                rpc_pb2.RequestOp(request_put=rpc_pb2.PutRequest(key=key, value=b"%05d" % (99999 - at - number)))
                for number, key in enumerate(KEYS[at : at + TXN_PUTS])
            ]
            made("KV.Txn", rpc_pb2.TxnRequest(success=puts))
        yield made


@pytest.mark.parametrize(
    ("request_", "keys"),
    [
        (rpc_pb2.RangeRequest(), KEYS),
        (rpc_pb2.RangeRequest(sort_order="DESCEND"), KEYS[::-1]),
        (rpc_pb2.RangeRequest(sort_target="VALUE"), KEYS[::-1]),
        (rpc_pb2.RangeRequest(limit=1200), KEYS[:1200]),
        (rpc_pb2.RangeRequest(sort_target="VALUE", limit=3), KEYS[: -1 - 3 : -1]),
        (rpc_pb2.RangeRequest(revision=2), KEYS[:TXN_PUTS]),
        (rpc_pb2.RangeRequest(min_mod_revision=4, keys_only=True), KEYS[2 * TXN_PUTS :]),
    ],
)
def test_many_keys_are_answered_like_few(caller: Client, request_: rpc_pb2.RangeRequest, keys: list[bytes]) -> None:
    request_.MergeFrom(rpc_pb2.RangeRequest(key=b"k", range_end=b"l"))
    answer = caller("KV.Range", request_)
    assert [kv.key for kv in answer.kvs] == keys
    assert answer.count == (TXN_PUTS if request_.revision else len(KEYS))
    assert answer.more == bool(request_.limit)
    assert all(bool(kv.value) != request_.keys_only for kv in answer.kvs)
