"""chainfire's core: decides everything, does nothing.

What goes in: `commands`, `keyvalue`. What comes out: `results`. The state machine: `machine` over `mvcc` (with
`history` and `query`), `txn` and `leases`. What only a leader has: `expiry`. Who is told: `watch` over `intervals`.
What is refused at the door: `checks`, `downgrade`. Formats: `entry` (a command in the log), `wal` (the log on disk),
`snapshot`, `render` (answers in etcd's wire format). Moving from and to etcd: `etcdfile` (its buckets) over `bbolt`
(its database file), each with a reader and a writer, and `etcdwal`. What an operator is told: `why`. etcd's command
line: `flags` and `flag_file` over `flag_table`; `urls`.
Between members: `peerlink`, a connection as a machine, over `peerwire` and `peerraft` (what they say), `peerframes`
(bytes) and `peernames` (certificates and URLs).
"""
