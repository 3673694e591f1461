"""What flaredb decides, without a clock, a disk or a socket.

- `limits`: how large a request may be, and the sentence that refuses a larger one.
- `keys`: where a namespace's key and version stand in the order of the disk.
- `records`: what the stored values hold: a value or a tombstone, a commit's list of keys, the counters.
- `engine`: what is asked of the storage below, as Protocols.
- `commands`: transactions in, outcomes and commits out.
- `evaluate`: comparisons, then writes, then the next version.
- `counters`: what a counter's value looks like.
- `refusals`: the sentence for a transaction that what is stored does not let happen.
- `expiry`: which keys have come to their end.
- `visibility`: which version of a key a reader sees; scans.
- `feed`: which part of the history a watcher gets next.
- `retention`: how much history stays, and what goes when it goes.
- `why`: why writes are refused or slow.
- `access`: which identity may use which namespace.

Nothing here knows that there is one node. A region of a later multi-raft store is a range of encoded keys whose log
carries `commands.Txn`; `evaluate` is what each replica does when it applies them.
"""
