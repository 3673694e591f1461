"""What a store of many has on its disk besides its regions: whose it is, and how many batches were written.

The sync remembers the number of the batch that it made durable, and each batch carries its own: a disk that comes back
with less than was confirmed is seen at the start, before it votes again about what it has forgotten.
"""

from __future__ import annotations

from collections.abc import Mapping

from flaredb.core.engine import Column
from flaredb.core.records import APPLIED_KEY, FORMAT_KEY, number, parse_number
from flaredb.core.region import StoreId
from flaredb.core.region_rows import scan
from flaredb.errors import StoreDirectoryError
from flaredb.shell.rocks import RocksEngine

FORMAT = b"flaredb cluster 1"
"""Stands where a store of its own says `flaredb 1`: neither opens the other's folder."""
TURN_KEY, STORE_KEY, CLUSTER_KEY = b"turn", b"store", b"cluster"
ADDRESS_PREFIX, ADDRESS_AFTER = b"address/", b"address0"
"""`0` follows `/`."""


def turn_of(engine: RocksEngine) -> int:
    """The number of the last batch that is here."""
    stored = engine.get(Column.META, TURN_KEY)
    return 0 if stored is None else parse_number(stored)


def store_of(engine: RocksEngine) -> StoreId | None:
    """Which store this folder is; None for an empty one.

    Raises:
        StoreDirectoryError: It holds a store of its own, or less than it had confirmed.
    """
    stored = engine.get(Column.META, FORMAT_KEY)
    if stored is None and engine.get(Column.META, APPLIED_KEY) is None:
        return None
    if stored != FORMAT:
        raise StoreDirectoryError(
            "state_dir holds the store of a single node, which cannot join a cluster as it is: back it up "
            "(flaredb backup), start the cluster in an empty state_dir, and restore"
        )
    turn, synced = turn_of(engine), engine.synced()
    if turn < synced:
        raise StoreDirectoryError(
            f"state_dir has lost writes that its disk had confirmed: {synced} batches, of which {turn} are here; other "
            "stores have them: empty state_dir, and it joins as a new store"
        )
    store = engine.get(Column.META, STORE_KEY)
    assert store is not None, "a store without its id"
    return StoreId(parse_number(store))


def cluster_of(engine: RocksEngine) -> str:
    """The identity of the cluster that this folder is of; empty for an empty folder."""
    return (engine.get(Column.META, CLUSTER_KEY) or b"").decode()


def claim(engine: RocksEngine, store: StoreId, cluster: str) -> None:
    """Make an empty folder this store's, for good, of the cluster of this identity."""
    named = [(Column.META, STORE_KEY, number(store)), (Column.META, CLUSTER_KEY, cluster.encode())]
    engine.write([(Column.META, FORMAT_KEY, FORMAT), *named])
    engine.sync(0)


def addresses_of(engine: RocksEngine) -> dict[StoreId, str]:
    """Where other stores were when this one last heard of it: it finds them while chainfire is away."""
    found = scan(engine, Column.META, ADDRESS_PREFIX, ADDRESS_AFTER)
    return {StoreId(parse_number(key[len(ADDRESS_PREFIX) :])): value.decode() for key, value in found}


def remember(engine: RocksEngine, addresses: Mapping[StoreId, str]) -> None:
    """Note where stores are; durable with the next sync."""
    engine.write((Column.META, ADDRESS_PREFIX + number(store), at.encode()) for store, at in addresses.items())
