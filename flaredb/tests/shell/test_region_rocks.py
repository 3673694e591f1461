"""A region's rows on the real engine: what the simulation's disk stands for."""

from __future__ import annotations

from pathlib import Path

from flaredb.core.commands import Txn, Write
from flaredb.core.engine import Engine
from flaredb.core.keys import encode
from flaredb.core.region import Peer, RegionId, StoreId, first_region
from flaredb.core.region_entry import Split
from flaredb.core.region_node import RegionNode
from flaredb.core.region_rows import checksum, founding_rows
from flaredb.core.region_snapshot import chunks
from flaredb.shell.rocks import open_rocks
from ultracloud.raft import events
from ultracloud.raft.options import Options
from ultracloud.raft.words import NodeId

ONE, TWO = RegionId(1), RegionId(2)
STORE = StoreId(1)
MIB = 1 << 20


def test_regions_stand_on_rocksdb_as_they_were_after_a_restart(tmp_path: Path) -> None:
    engine = open_rocks(tmp_path, MIB, MIB)
    first = first_region(ONE, [Peer(NodeId(1), STORE)])
    engine.write(founding_rows(first, STORE))
    node, answers = started(engine)
    node.propose(ONE, first.epoch, [Txn("ns", (), (Write(b"a", b"1"), Write(b"m", b"1", ttl_ms=5000)))], "put")
    run(engine, node, answers)
    split = Split(first.epoch, encode("ns", b"m"), TWO, (Peer(NodeId(2), STORE),))
    node.split(ONE, split, "split")
    run(engine, node, answers)
    before = [(region, checksum(engine, region)) for region in node.regions]
    engine.close()
    engine = open_rocks(tmp_path, MIB, MIB)
    again, _ = started(engine)
    assert [region.region for region, _ in before] == [ONE, TWO]
    assert [(region, checksum(engine, region)) for region in again.regions] == before
    assert len(list(chunks(engine, again.regions[1], again.replica(TWO).applied))) == 2
    engine.close()


def started(engine: Engine) -> tuple[RegionNode[str], dict[str, object]]:
    node: RegionNode[str] = RegionNode(STORE, engine, Options(), lambda _: 0)
    for replica in node.replicas.values():
        replica.tell(events.Campaign())
    answers: dict[str, object] = {}
    run(engine, node, answers)
    return node, answers


def run(engine: Engine, node: RegionNode[str], answers: dict[str, object]) -> None:
    """Turns until there is nothing to do."""
    for _ in range(20):
        engine.write(node.begin(1_700_000_000_000).rows)
        answers.update(node.finish().answers)
        tickets = node.to_sync()
        if tickets:
            engine.sync(0)
        node.synced(tickets)
