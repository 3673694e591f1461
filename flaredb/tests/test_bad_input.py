"""Requests that cannot be, sent to a flaredb on one node and to a store of a cluster.

Each is told what is wrong and what is accepted, and leaves everything as it was.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import pytest
from stores import Stores, stores

from ultracloud.api.flaredb.v1 import flaredb_pb2 as pb
from ultracloud.api.flaredb.v1.flaredb_rpc import KvClient
from ultracloud.base.faults import Fault, InvalidArgumentError, OutOfRangeError
from ultracloud.servicekit.channels import connect
from ultracloud.testkit.processes import serve

T = TypeVar("T")
MIB = 1 << 20
NS = "ns"
LONG, LARGE = b"k" * 4097, b"v" * (MIB + 1)
FAR = (1 << 62) - 1
GOOD = pb.Write(key=b"good", value=b"v")
"""Stands before what is wrong: it must not be written either."""


def write(key: bytes = b"a", **fields: Any) -> pb.Write:
    return pb.Write(key=key, **fields)


def txn(*writes: pb.Write, comparisons: tuple[pb.Comparison, ...] = ()) -> pb.TxnRequest:
    return pb.TxnRequest(namespace=NS, writes=[GOOD, *writes], comparisons=comparisons)


def put(key: bytes = b"a", value: bytes = b"v", namespace: str = NS, **end: int) -> pb.PutRequest:
    return pb.PutRequest(namespace=namespace, key=key, value=value, **end)


BAD_INPUT: dict[str, list[tuple[str, Any, str, str]]] = {
    "keys over the limit": [
        ("put", put(LONG), "KEY_SIZE", "4097 bytes; accepted: 1 to 4096"),
        ("put", put(b""), "KEY_SIZE", "0 bytes; accepted: 1 to 4096"),
        ("get", pb.GetRequest(namespace=NS, key=LONG), "KEY_SIZE", "accepted: 1 to 4096"),
        ("delete", pb.DeleteRequest(namespace=NS, key=LONG), "KEY_SIZE", "accepted: 1 to 4096"),
        ("increment", pb.IncrementRequest(namespace=NS, key=LONG, delta=1), "KEY_SIZE", "accepted: 1 to 4096"),
        ("compare_and_set", pb.CompareAndSetRequest(namespace=NS, key=LONG), "KEY_SIZE", "accepted: 1 to 4096"),
        ("batch_get", pb.BatchGetRequest(namespace=NS, keys=[b"a", LONG]), "KEY_SIZE", "accepted: 1 to 4096"),
        ("batch_get", pb.BatchGetRequest(namespace=NS, keys=[b"a"] * 1001), "BATCH_SIZE", "accepted: 0 to 1000"),
        ("scan", pb.ScanRequest(namespace=NS, start=LONG + b"k"), "KEY_SIZE", "'start' has 4098 bytes"),
        ("delete_range", pb.DeleteRangeRequest(namespace=NS, end=LONG + b"k"), "KEY_SIZE", "'end' has 4098 bytes"),
        ("txn", txn(write(LONG, value=b"v")), "KEY_SIZE", "accepted: 1 to 4096"),
        ("txn", txn(comparisons=(pb.Comparison(key=LONG),)), "KEY_SIZE", "accepted: 1 to 4096"),
    ],
    "values over the limit": [
        ("put", put(value=LARGE), "VALUE_SIZE", "accepted: 0 to 1048576"),
        ("compare_and_set", pb.CompareAndSetRequest(namespace=NS, key=b"a", value=LARGE), "VALUE_SIZE", "accepted: 0"),
        ("txn", txn(write(value=LARGE)), "VALUE_SIZE", "accepted: 0 to 1048576"),
    ],
    "transactions too large": [
        ("txn", txn(*(write(b"%d" % n, value=b"") for n in range(1024))), "TXN_SIZE", "1025 comparisons and writes"),
        ("txn", txn(*(write(b"%d" % n, value=b"v" * MIB) for n in range(2))), "TXN_SIZE", "accepted: 0 to 2097152"),
        ("txn", txn(*(write(b"%02d" % n, range_end=b"%02d" % n + b"x") for n in range(17))), "TXN_SIZE", "17 ranges"),
    ],
    "transactions that contradict themselves": [
        ("txn", txn(write(), write()), "KEY_TWICE", "each key once"),
        ("txn", txn(write(b"a", range_end=b"z"), write(b"b", value=b"v")), "KEY_TWICE", "each key once"),
        ("txn", txn(write(value=b"v", increment=1)), "WRITE_AMBIGUOUS", "value and increment; accepted: one"),
        ("txn", txn(write(ttl_s=1)), "WRITE_AMBIGUOUS", "a write that deletes has an end"),
        ("txn", txn(comparisons=(pb.Comparison(key=b"a", expected_version=-1),)), "", "accepted: 0 and above"),
    ],
    "ends that cannot be": [
        ("put", put(ttl_s=-1), "EXPIRY_RANGE", "accepted: 1 to 315360000"),
        ("put", put(ttl_s=315360001), "EXPIRY_RANGE", "accepted: 1 to 315360000"),
        ("put", put(expires_at_ms=1), "EXPIRY_RANGE", "after the store's clock"),
        ("put", put(ttl_s=1, expires_at_ms=FAR), "EXPIRY_RANGE", "accepted: one of them"),
    ],
    "names and pages that cannot be": [
        ("put", put(namespace="No"), "NAME_INVALID", "lower-case"),
        ("scan", pb.ScanRequest(namespace="", limit=1), "NAME_INVALID", "accepted"),
        ("scan", pb.ScanRequest(namespace=NS, limit=10_001), "", "accepted: 1 to 10000"),
        ("delete_range", pb.DeleteRangeRequest(namespace=NS, limit=-1), "", "accepted: 1 to 1000"),
        ("namespaces", pb.NamespacesRequest(limit=1001), "", "accepted: 1 to 1000"),
        ("get", pb.GetRequest(namespace=NS, key=b"a", at_version=-1), "", "accepted: 0 and above"),
    ],
    "reads of what is no more, or not yet": [
        ("get", pb.GetRequest(namespace=NS, key=b"a", at_version=FAR), "VERSION_UNKNOWN", "newer than the newest"),
        ("batch_get", pb.BatchGetRequest(namespace=NS, keys=[b"a"], at_version=FAR), "VERSION_UNKNOWN", "newer"),
        ("scan", pb.ScanRequest(namespace=NS, at_version=FAR), "VERSION_UNKNOWN", "newer than the newest"),
    ],
}
TOLD = {"": InvalidArgumentError, "VERSION_UNKNOWN": OutOfRangeError, "VERSION_COMPACTED": OutOfRangeError}
HINTED = {"KEY_SIZE", "VALUE_SIZE", "TXN_SIZE", "BATCH_SIZE", "VERSION_UNKNOWN"}
"""Where more can be done than to send what is accepted."""


@dataclass
class Asked:
    """A server that is asked; `one` is set where it is a cluster."""

    address: str
    cluster: Stores | None

    def run(self, body: Callable[[KvClient], Awaitable[T]]) -> T:
        async def main() -> T:
            channel = connect(self.address, deadline_s=15.0)
            try:
                return await body(KvClient(channel))
            finally:
                await channel.close()

        return asyncio.run(main())


@pytest.fixture(scope="module", params=["one node", "a cluster"])
def asked(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asked]:
    folder = tmp_path_factory.mktemp("bad")
    if request.param == "a cluster":
        with stores(folder, 1, extra="[history]\nchanges = 1000\n") as cluster:
            yield Asked(cluster.running["s1"].addresses[0], cluster)
        return
    path = folder / "flaredb.toml"
    path.write_text(f'state_dir = "{folder / "state"}"\n[history]\nchanges = 1000\n')
    with serve("flaredb", path) as process:
        yield Asked(process.addresses[0], None)


async def refusal(kv: KvClient, method: str, request: Any) -> Fault:
    with pytest.raises(Fault) as refused:
        await getattr(kv, method)(request)
    return refused.value


@pytest.mark.parametrize("what", BAD_INPUT)
def test_bad_input_is_told_what_is_accepted_and_changes_nothing(asked: Asked, what: str):
    async def body(kv: KvClient) -> None:
        await kv.put(put(b"kept"))
        before = (await kv.scan(pb.ScanRequest(namespace=NS))).kvs
        for method, request, reason, says in BAD_INPUT[what]:
            fault = await refusal(kv, method, request)
            place = f"{method} {reason} {says}: {fault!r} {fault.public}"
            assert type(fault) is TOLD.get(reason, InvalidArgumentError), place
            assert says in fault.public, place
            assert not reason or fault.reason == reason, place
            assert bool(fault.hint) or reason not in HINTED, place
        assert (await kv.scan(pb.ScanRequest(namespace=NS))).kvs == before

    asked.run(body)


def test_a_read_or_a_watch_of_history_that_is_gone_is_told_to_read_again(asked: Asked):
    async def body(kv: KvClient) -> None:
        first = (await kv.put(put(b"old"))).version
        async with asyncio.timeout(30):
            while True:
                await kv.txn(pb.TxnRequest(namespace=NS, writes=[write(b"%d" % n, value=b"v") for n in range(300)]))
                try:
                    await kv.get(pb.GetRequest(namespace=NS, key=b"old", at_version=first))
                except OutOfRangeError as error:
                    fault = error
                    break
                await asyncio.sleep(0.1)
        watch = kv.watch(pb.WatchRequest(namespace=NS, from_version=first))
        with pytest.raises(OutOfRangeError) as refused:
            await anext(watch)
        for each in (fault, refused.value, await refusal(kv, "scan", pb.ScanRequest(namespace=NS, at_version=first))):
            assert each.reason == "VERSION_COMPACTED"
            assert f"version {first} is compacted: history is kept after version" in each.public
            assert "Read the newest state again" in each.hint

    asked.run(body)


@pytest.mark.slow
def test_a_store_whose_map_lags_answers_for_regions_that_it_never_heard_of(tmp_path: Path):
    """It stands still while regions are cut, and chainfire does when it goes on: its map stays as it was."""

    async def body(cluster: Stores) -> None:
        before = await cluster.wait_regions()
        leader = await cluster.name_of(before[0].leader)
        follower = next(name for name in cluster.running if name != leader)
        async with cluster.kv(follower) as behind, cluster.kv(leader) as kv:
            await behind.put(put(b"0000"))
            cluster.running[follower].signal(signal.SIGSTOP)
            wanted = {}
            for number in range(0, 3000, 500):
                writes = [write(b"%04d" % n, value=b"%d" % n * 200) for n in range(number, number + 500)]
                await kv.txn(pb.TxnRequest(namespace=NS, writes=writes))
                wanted |= {each.key: each.value for each in writes}
            await cluster.wait_regions(count=len(before) + 1)
            chainfire.signal(signal.SIGSTOP)
            cluster.running[follower].signal(signal.SIGCONT)
            for key in (b"0000", b"1499", b"2999"):
                answer = await behind.get(pb.GetRequest(namespace=NS, key=key))
                assert answer.kv.value == wanted[key]
            listed = await behind.scan(pb.ScanRequest(namespace=NS, limit=10_000, keys_only=True))
            assert {each.key for each in listed.kvs} == wanted.keys()
            across = txn(*(write(key, value=b"new") for key in (b"0000", b"1499", b"2999")))
            assert (await behind.txn(across)).succeeded

    path = tmp_path / "chainfire.toml"
    path.write_text(f'state_dir = "{tmp_path / "chainfire"}"\n')
    with serve("chainfire", path) as chainfire:
        cluster = Stores(tmp_path, chainfire.addresses[0], "split_mib = 1\n")
        try:
            cluster.start_all("s1", "s2", "s3")
            asyncio.run(body(cluster))
        finally:
            chainfire.signal(signal.SIGCONT)
            cluster.close()
