"""Three stores on one table, for tests of regions: what one sends, the next round takes."""

from __future__ import annotations

from collections.abc import Iterable

from flaredb.core.commands import Txn, Write
from flaredb.core.keys import encode
from flaredb.core.region import Peer, Region, RegionId, StoreId, first_region
from flaredb.core.region_entry import Split
from flaredb.core.region_node import Mail, RegionNode
from flaredb.core.region_rows import founding_rows
from flaredb.core.region_snapshot import Assembly
from flaredb.testing import MemoryEngine
from ultracloud.base.faults import Fault
from ultracloud.raft import events
from ultracloud.raft.options import Options
from ultracloud.raft.words import NodeId

ONE = RegionId(1)
NOW_MS = 1_700_000_000_000
STORES = (StoreId(1), StoreId(2), StoreId(3))


class Group:
    """Three stores on one table: what one sends, the next round takes."""

    def __init__(self, stores: Iterable[StoreId] = STORES, founders: Iterable[StoreId] = STORES) -> None:
        self.first = first_region(ONE, (Peer(NodeId(store), store) for store in founders))
        self.engines = {store: MemoryEngine() for store in stores}
        for store in founders:
            self.engines[store].write(founding_rows(self.first, store))
        self.nodes = {store: self.node(store) for store in stores}
        self.cut_off: set[StoreId] = set()
        self.answers: dict[str, object] = {}
        self.told: dict[str, Fault | int] = {}
        self.now_ms = NOW_MS
        self.nodes[StoreId(1)].replica(ONE).tell(events.Campaign())
        self.run()

    def node(self, store: StoreId) -> RegionNode[str]:
        """A store's node, on what its engine has."""
        return RegionNode(store, self.engines[store], Options(), lambda _: 0)

    def run(self, rounds: int = 30) -> None:
        """Let everybody say what there is to say."""
        for _ in range(rounds):
            mail: list[Mail] = []
            for store, node in self.nodes.items():
                mail += self._turn(store, node)
            for letter in mail:
                if not {letter.sender, letter.to} & self.cut_off:
                    self.nodes[letter.to].receive(letter)

    def _turn(self, store: StoreId, node: RegionNode[str]) -> list[Mail]:
        work = node.begin(self.now_ms)
        self.engines[store].write(work.rows)
        for shipment in work.shipments:
            mark, parts = node.ship(shipment.region)
            assembly = Assembly()
            incoming = [assembly.add(chunk) for chunk in parts][-1]
            assert incoming is not None
            is_taken = shipment.to not in self.cut_off and self.nodes[shipment.to].receive_state(
                shipment.install, incoming
            )
            node.replica(shipment.region).tell(events.SnapshotSent(shipment.install.to, is_taken, mark))
        result = node.finish()
        self.answers.update(result.answers)
        self.answers.update({token: told if isinstance(told, Fault) else "may read" for token, told in result.reads})
        self.told.update(result.reads)
        node.synced(node.to_sync())
        return work.letters

    def tick(self, ticks: int) -> None:
        """Let ticks pass, and what they bring about happen."""
        for _ in range(ticks):
            for node in self.nodes.values():
                node.tick()
            self.run(4)

    def put(self, key: str, value: str, region: Region | None = None) -> object:
        """Propose a put at the first store; its answer."""
        wanted = region or self.first
        token = f"put {key}={value}"
        self.nodes[StoreId(1)].propose(wanted.region, wanted.epoch, [put(key, value)], token)
        self.run()
        return self.answers.get(token)

    def region(self, region: RegionId, store: StoreId = STORES[0]) -> Region:
        """A region, as a store has it."""
        return self.nodes[store].replica(region).region

    def split(self, at: str, first_peer: int = 10) -> Region:
        """Cut the region that holds a key there; the right half."""
        region = self.nodes[StoreId(1)].covering(encoded(at))
        assert region is not None
        peers = tuple(Peer(NodeId(first_peer + each.peer), each.store) for each in region.peers)
        split = Split(region.epoch, encoded(at), RegionId(first_peer), peers)
        self.nodes[StoreId(1)].split(region.region, split, "split")
        self.run()
        right = self.answers["split"]
        assert isinstance(right, Region), right
        return right


def put(key: str, value: str) -> Txn:
    """A transaction that puts one key."""
    return Txn("ns", (), (Write(key.encode(), value.encode()),))


def encoded(key: str) -> bytes:
    """Where a key stands."""
    return encode("ns", key.encode())
