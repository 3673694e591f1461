"""A service's state: an ordered map of bytes with versions, transactions and a change feed.

- `interface`: the `Store` protocol and its records
- `flaredb`: the real one, over a channel
- `memory`: the fake for tests; passes the same contract test (`tests/test_store_contract.py`)
- `several`: a channel to the stores of one flaredb, whichever of them are there
- `following`: reads a range and keeps up with it, through restarts of the server
"""

from ultracloud.servicekit.store.flaredb import FlaredbStore
from ultracloud.servicekit.store.following import Changed, Loaded, follow
from ultracloud.servicekit.store.interface import (
    Change,
    Changes,
    Committed,
    Conflict,
    Entry,
    Reading,
    Store,
    prefix_end,
)
from ultracloud.servicekit.store.memory import MemoryStore

__all__ = [
    "Change",
    "Changed",
    "Changes",
    "Committed",
    "Conflict",
    "Entry",
    "FlaredbStore",
    "Loaded",
    "MemoryStore",
    "Reading",
    "Store",
    "follow",
    "prefix_end",
]
