"""What flaredb decides, without a clock, a disk or a socket.

- `limits`: how large a request may be, and the sentence that refuses a larger one.
- `keys`: where a namespace's key and version stand in the order of the disk.
- `records`: what the stored values hold: a value or a tombstone, a commit's list of keys, the counters.
- `engine`: what is asked of the storage below, as Protocols.
- `commands`: transactions in, outcomes and commits out; `values`: what those are made of.
- `evaluate`: comparisons, then writes, then the next version.
- `counters`: what a counter's value looks like.
- `refusals`: the sentence for a transaction that what is stored does not let happen.
- `expiry`: which keys have come to their end.
- `visibility`: which version of a key a reader sees; scans.
- `octets`: what most calls are made of, as bytes. `pages`: reads that end as such. `newest`: those of keys read lately.
- `feed`: which part of the history a watcher gets next.
- `retention`: how much history stays, and what goes when it goes.
- `why`: why writes are refused or slow.
- `access`: which identity may use which namespace.

Nothing of this knows that there is one node. A region is a range of encoded keys with a log that carries
`commands.Txn`; `evaluate` is what each replica does when it applies them. The server serves one node without any of the
following; `sim/flaredb` drives it as a server will.

- `region`: what a region is: range, epoch, members. `region_errors`: what those are told who come by an old map.
- `region_entry`: what a region's log holds. `region_codec`: that, and rows, as bytes.
- `region_rows`: where log, hard state and applied state stand among the rows of a store's engine.
- `region_state`: what the log makes of the rows, one entry after the other.
- `region_replica`: one replica: Raft's log and that state. `region_requests`: what it is asked for; `region_reads`:
  reads that wait for a round; `region_parking`: who waits for a lock; `region_log`: which entries are rows;
  `region_work`: its vocabulary.
- `region_txn`: transactions over several regions: who asks whom for what. `region_parts`: what of one belongs where;
  `region_locks`: what of it a region holds; `region_answers`: what regions answer, as bytes.
- `region_history`: how far back a region may be read, and what is swept. `region_expiry`: keys of a store that ended.
- `region_merge`: two neighbours become one.
- `region_snapshot`: a region's state in chunks, for a replica that is too far behind.
- `region_node`: all replicas of a store, in one batch and one sync.
- `placement`: stores and regions as their heartbeats have them, and steps. `placement_plan`: which steps, by rules;
  `placement_round`: what the rules ask of one round.
- `cluster_view`: the map of regions: the newest of each, found by a key. `cluster_json`: its entries.
- `why_cluster`: what of a cluster refuses writes.

Namespaces without regions, which any store writes (ADR 0016):

- `eventual_clock`: stamps, and the bound on clocks. `eventual_records`: what is kept of a key, and which record stays.
- `eventual_contents`: what a store has, staged and on the disk. `eventual_tree`: hashes over ranges of it.
- `eventual_replica`: one store: writes, what others tell, ends. `eventual_repair`: finding where two differ.
- `eventual_others`: what it knows of the others. `eventual_reads`: what readers and watchers get.
- `eventual_messages`: what stores say to each other. `eventual_errors`: what callers are told.
"""
