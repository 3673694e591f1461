"""Why answers differ from those of etcd: what stands beside a row of the tables. A row without one must be the same."""

NUMBERS = "a number that its enumeration does not have is refused; etcd takes it for another, or ends itself"
NO_MESSAGE = "bytes that are no message are INVALID_ARGUMENT, not INTERNAL"
ASKED = "while authentication is on, somebody without a token is refused; etcd 3.5 asks nobody here"
ROOT = "root alone may, or the refusal is PERMISSION_DENIED where etcd says UNKNOWN"

RPC_REASONS = {
    "KV.Range": f"{NUMBERS}; {NO_MESSAGE}",
    "KV.Put": NO_MESSAGE,
    "KV.Txn": NUMBERS,
    "KV.Compact": "while authentication is on, root alone may; etcd 3.5 lets every user",
    "Watch.Watch": "negative ids are refused; the answer that a watch is compacted has the store's revision",
    "Lease.LeaseGrant": ASKED,
    "Lease.LeaseKeepAlive": "while authentication is on, only who may write its keys; etcd 3.5 lets every user",
    "Lease.LeaseLeases": ASKED,
    "Cluster.MemberList": ASKED,
    "Maintenance.Status": ASKED,
    "Maintenance.Defragment": ROOT,
    "Maintenance.HashKV": ROOT,
    "Maintenance.Snapshot": ROOT,
    "Maintenance.MoveLeader": "while authentication is on, root alone may; etcd 3.5 asks nobody",
}
"""By RPC."""

REASONS = {
    "endpoint hashkv": "3.4 refuses the compaction revision itself; 3.5 takes it, and so does chainfire",
    "alarm": "3.4 answers without a header",
    "snapshot": "`snapshot status` counts two more keys than of 3.4, as it does of 3.5",
    "auth": "root alone may compact, and nobody without a token may list members; etcd asks neither",
}
"""By row of `commands.txt`."""
