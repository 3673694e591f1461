"""Was every promise kept? Checks of what clients of a store with etcd's v3 model were told.

They know no product: a simulation and a test of real processes record the same `History`. Each raises
`BrokenPromiseError` with a sentence that names the calls that cannot all be right.

- `history`: calls, answers, watches: what is recorded; `jsonl`: the same as lines of a file
- `model`: the data model, one operation after the other
- `evidence`: what single answers show: writes applied twice, refused and yet there, stale by what was told before
- `order`: linearizability: the one order of all writes that explains every answer
- `search`: linearizability without revisions, key by key: the second opinion
- `cycles`: strict serialisability of transactions, by who saw and who wrote over what
- `reads`: serializable reads; `watches`: order, completeness, once; `leases`: not early, not for ever
"""

from ultracloud.testkit.checks.cycles import check_cycles
from ultracloud.testkit.checks.history import BrokenPromiseError, History
from ultracloud.testkit.checks.leases import LeaseBounds, check_leases
from ultracloud.testkit.checks.order import Order, UndecidedError, check_linearizable
from ultracloud.testkit.checks.reads import check_serializable
from ultracloud.testkit.checks.search import check_keys
from ultracloud.testkit.checks.watches import check_watch_complete, check_watches

__all__ = [
    "BrokenPromiseError",
    "History",
    "LeaseBounds",
    "Order",
    "UndecidedError",
    "check_all",
    "check_cycles",
    "check_keys",
    "check_leases",
    "check_linearizable",
    "check_serializable",
    "check_watch_complete",
    "check_watches",
]


def check_all(history: History, bounds: LeaseBounds, compacted: int = 0) -> Order:
    """Check everything, and give the order of writes; arguments and errors are those of the single checks."""
    order = check_linearizable(history)
    check_serializable(history)
    check_watches(history.watches, order, compacted)
    check_leases(history, order, bounds)
    return order
