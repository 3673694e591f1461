"""chainfire's shell: disk, clock and wire.

`segments` keeps the log on disk, `storing` makes it durable in batches, `snapshots` keeps the state so that the log
stays short, `node` holds the parts together, `requests` turns messages into commands; `kv`, `watches`, `leases`,
`auth`, `cluster` and `maintenance` are the RPCs, and `server` starts it all. `queues` stands behind `locks` and
`elections` and reaches the store by `store_calls`; `gateway` and `pages` answer plain HTTP, and `meters` says what
was measured. `peers` is the way to other members; its modules are listed there.
"""
