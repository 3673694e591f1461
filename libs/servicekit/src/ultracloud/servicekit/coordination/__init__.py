"""A client of chainfire, and of any etcd: keys, transactions, leases, watches, locks, elections, registration.

- `words`: pairs, operations, comparisons, transactions; no protobuf
- `interface`: the `Coordinator` protocol
- `client`: the real one; `connect("a:2379,b:2379,c:2379")`
- `memory`: the fake for tests; passes the same contract test (`tests/test_coordination_contract.py`)
- `endpoints`, `tokens`: which member is asked, what is sent again, who we are
- `watching`, `keeping`, `paging`: what goes on through the loss of a member
- `sessions`, `queue`, `locks`, `elections`, `registration`: what stands on any `Coordinator`
- `admin`: the care of members
- `guards`: a transaction in its most common form
- `codec`, `errors`: etcd's messages and sentences
"""

from ultracloud.servicekit.coordination.client import Coordination, connect
from ultracloud.servicekit.coordination.elections import Election, Leadership, leader, observe
from ultracloud.servicekit.coordination.errors import CompactedError, LeaseLostError
from ultracloud.servicekit.coordination.interface import Coordinator
from ultracloud.servicekit.coordination.locks import Lock
from ultracloud.servicekit.coordination.memory import MemoryCoordination
from ultracloud.servicekit.coordination.registration import (
    REGISTRATION_TTL_S,
    SERVICES_PREFIX,
    register,
    services,
)
from ultracloud.servicekit.coordination.sessions import Session
from ultracloud.servicekit.coordination.tokens import Credentials
from ultracloud.servicekit.coordination.words import (
    EVERY_KEY_FROM,
    Batch,
    Compare,
    Delete,
    Deleted,
    Event,
    Get,
    Member,
    Pair,
    Put,
    Range,
    Relation,
    SortBy,
    Status,
    Target,
    TimeToLive,
    Txn,
    TxnResult,
    Written,
    below,
    create_revision,
    lease,
    mod_revision,
    value,
    version,
)

__all__ = [
    "EVERY_KEY_FROM",
    "REGISTRATION_TTL_S",
    "SERVICES_PREFIX",
    "Batch",
    "CompactedError",
    "Compare",
    "Coordination",
    "Coordinator",
    "Credentials",
    "Delete",
    "Deleted",
    "Election",
    "Event",
    "Get",
    "Leadership",
    "LeaseLostError",
    "Lock",
    "Member",
    "MemoryCoordination",
    "Pair",
    "Put",
    "Range",
    "Relation",
    "Session",
    "SortBy",
    "Status",
    "Target",
    "TimeToLive",
    "Txn",
    "TxnResult",
    "Written",
    "below",
    "connect",
    "create_revision",
    "leader",
    "lease",
    "mod_revision",
    "observe",
    "register",
    "services",
    "value",
    "version",
]
