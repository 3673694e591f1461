"""What `./dev bench flaredb` has servers do: for each piece of work flaredb's requests, etcd's, and pgbench's script.

Scripts have `:n`, the number of records, `:few`, how many of them have a whole page after them, and `:value`, which is
sent with each statement.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from google.protobuf.message import Message

from bench._flaredb_feed import newest
from bench._flaredb_load import VALUE_BYTES
from bench._flaredb_servers import NAMESPACE, Grpc, key, port_path
from ultracloud.api.etcd import rpc_pb2
from ultracloud.api.flaredb.v1 import flaredb_pb2 as pb

REQUESTS, LARGE_REQUESTS = 20_000, 2_000
"""Distinct ones of a round: more than a cache of blocks has, and made in less than a second."""
BATCH_KEYS = 100
"""A page of a list, as the resource kit reads it."""
TXN_KEYS = 4
CLIENTS = (1, 16, 256)
MANY = 64
WATCHED = b"watched"
READ = """\\set k random(0, :n - 1)
SELECT value FROM kv WHERE id = :k;
"""
READ_BATCH = """\\set k random(0, :n - 1)
SELECT id, value FROM kv
WHERE id = ANY(ARRAY(SELECT (:k::bigint + i * 7919) % :n::bigint FROM generate_series(0, 99) AS i));
"""
SCAN = """\\set k random(0, :few - 1)
SELECT id, value FROM kv WHERE id >= :k ORDER BY id LIMIT 100;
"""
PUT = """\\set k random(0, :n - 1)
INSERT INTO kv VALUES (:k, :value) ON CONFLICT (id) DO UPDATE SET value = EXCLUDED.value;
"""
PUT_FOUR = """\\set k random(0, :few - 1)
INSERT INTO kv SELECT :k::bigint + i, :value::bytea FROM generate_series(0, 3) AS i
ON CONFLICT (id) DO UPDATE SET value = EXCLUDED.value;
"""

Requests = Callable[[], Iterator[Message]]


@dataclass(frozen=True, slots=True)
class Work:
    """The same for three servers, from so many clients."""

    what: str
    clients: int
    ours: tuple[str, Requests]
    etcd: tuple[str, Requests]
    script: str


def works(size: int) -> list[Work]:
    """All that is done to a store of so many keys."""

    def drawn(make: Callable[[int], Message], count: int = REQUESTS, last: int = size) -> Requests:
        # The same keys for everybody, and others in each round would change nothing.
        return lambda: (make(random.Random(f"{size}/{n}").randrange(last)) for n in range(count))

    few = few_of(size)
    return [
        *(
            Work(
                f"point read, {clients} client{'s' * (clients > 1)}",
                clients,
                ("Get", drawn(lambda n: pb.GetRequest(namespace=NAMESPACE, key=key(n)))),
                ("KV/Range", drawn(lambda n: rpc_pb2.RangeRequest(key=key(n)))),
                READ,
            )
            for clients in CLIENTS
        ),
        Work(
            f"batch read of {BATCH_KEYS}, 16 clients",
            16,
            ("BatchGet", drawn(lambda n: _batch(n, size), LARGE_REQUESTS)),
            ("KV/Txn", drawn(lambda n: _etcd_batch(n, size), LARGE_REQUESTS)),
            READ_BATCH,
        ),
        Work(
            f"scan of {BATCH_KEYS}, 16 clients",
            16,
            ("Scan", drawn(lambda n: pb.ScanRequest(namespace=NAMESPACE, start=key(n), limit=BATCH_KEYS), last=few)),
            ("KV/Range", drawn(_etcd_scan, last=few)),
            SCAN,
        ),
        *(
            Work(
                f"put, {clients} client{'s' * (clients > 1)}",
                clients,
                ("Put", drawn(lambda n: pb.PutRequest(namespace=NAMESPACE, key=key(n), value=os.urandom(VALUE_BYTES)))),
                ("KV/Put", drawn(lambda n: rpc_pb2.PutRequest(key=key(n), value=os.urandom(VALUE_BYTES)))),
                PUT,
            )
            for clients in CLIENTS
        ),
        Work(
            f"txn of {TXN_KEYS} keys, {MANY} clients",
            MANY,
            ("Txn", drawn(lambda n: _txn(range(n, n + TXN_KEYS)), last=few)),
            ("KV/Txn", drawn(_etcd_txn, last=few)),
            PUT_FOUR,
        ),
    ]


def few_of(size: int) -> int:
    """How many of so many records have a whole page after them."""
    return max(size - BATCH_KEYS, 1)


def words_of(size: int) -> dict[str, object]:
    """The variables of scripts."""
    return {"n": size, "few": few_of(size), "value": "\\x" + "76" * VALUE_BYTES}


def cluster_works(size: int) -> tuple[Work, Work]:
    """Transactions of keys in one region, and of keys in two: the first of all keys, or also the last."""
    half = TXN_KEYS // 2

    def one(n: int) -> Message:
        return _txn(range(n, n + TXN_KEYS))

    def two(n: int) -> Message:
        return _txn([*range(n, n + half), *range(size - n - half, size - n)])

    def drawn(make: Callable[[int], Message]) -> Requests:
        return lambda: (make(random.Random(n).randrange(size // 8)) for n in range(REQUESTS))

    nothing: tuple[str, Requests] = ("", lambda: iter(()))
    name = f"txn of {TXN_KEYS} keys in {{}}, {MANY} clients"
    return (
        Work(name.format("1 region"), MANY, ("Txn", drawn(one)), nothing, PUT_FOUR),
        Work(name.format("2 regions"), MANY, ("Txn", drawn(two)), nothing, ""),
    )


def watch_of(server: Grpc) -> tuple[Message, Message, tuple[str, ...]]:
    """A watch of one key from now on, a put of it, and their paths, if they are not etcd's."""
    value = os.urandom(VALUE_BYTES)
    if not server.is_ours:
        watch = rpc_pb2.WatchRequest(create_request=rpc_pb2.WatchCreateRequest(key=WATCHED))
        return watch, rpc_pb2.PutRequest(key=WATCHED, value=value), ()
    put = pb.PutRequest(namespace=NAMESPACE, key=WATCHED, value=value)
    ours = pb.WatchRequest(namespace=NAMESPACE, start=WATCHED, end=WATCHED + b"\0", from_version=newest(server.port))
    return ours, put, (port_path("Watch"), port_path("Put"))


def _batch(first: int, size: int) -> Message:
    return pb.BatchGetRequest(namespace=NAMESPACE, keys=[key((first + at * 7919) % size) for at in range(BATCH_KEYS)])


def _etcd_batch(first: int, size: int) -> Message:
    reads = (rpc_pb2.RangeRequest(key=key((first + at * 7919) % size)) for at in range(BATCH_KEYS))
    return rpc_pb2.TxnRequest(success=[rpc_pb2.RequestOp(request_range=read) for read in reads])


def _etcd_scan(first: int) -> Message:
    return rpc_pb2.RangeRequest(key=key(first), range_end=b"s", limit=BATCH_KEYS)


def _txn(keys: range | list[int]) -> Message:
    writes = [pb.Write(key=key(n), value=os.urandom(VALUE_BYTES)) for n in keys]
    return pb.TxnRequest(namespace=NAMESPACE, writes=writes)


def _etcd_txn(first: int) -> Message:
    puts = (rpc_pb2.PutRequest(key=key(first + at), value=os.urandom(VALUE_BYTES)) for at in range(TXN_KEYS))
    return rpc_pb2.TxnRequest(success=[rpc_pb2.RequestOp(request_put=put) for put in puts])
