"""What flaredb does.

- `rocks`: the engine on RocksDB.
- `watermark`: notices at start that acknowledged writes are gone.
- `disk`: how much room there is.
- `view`: what is stored, as transactions see it.
- `store`: reads, and batches of transactions, on any engine.
- `waiting`: writes until their batch begins.
- `committer`: many callers' writes in one batch with one sync.
- `watchers`: who waits for what.
- `expirer`: deletes keys that have come to their end.
- `sweeper`: forgets old history, a little at a time.
- `log_room`: fills the log ahead, so that syncing it is quicker.
- `meters`: what an operator can measure.
- `rpc`: the calls; `serving`: what of them is the same on PostgreSQL.
- `messages`: the calls' messages to words of the core and back.
- `backup_places`, `backup_s3`: where a backup is written to and read from; `backup_restore`: writes it into a server.
- `server`: all of it together.
- `commands`: what an operator asks a running server.

The engine on PostgreSQL has a module of its own where waiting for a server changes what is done:

- `postgres`: all of it together.
- `postgres_session`: connecting, the lock, the epoch.
- `postgres_sql`: tables and statements.
- `postgres_store`: reads, and batches of transactions.
- `postgres_view`: what is stored, as transactions see it.
- `postgres_committer`: group commit, and what follows a lost session.
- `postgres_expirer`: deletes keys that have come to their end.
- `postgres_rpc`: messages to words of the core and back.
- `postgres_errors`: what is said when something is wrong.

One store of many (ADR 0011):

- `cluster`: all of it together. `cluster_disk`: whose disk it is. `cluster_clock`: the time of a store.
- `cluster_node`: the process around the regions' core. `cluster_lines`, `cluster_peers`: to others, and from them.
- `cluster_router`: from a key to the store that answers. `cluster_kv`: the calls. `cluster_reads`: reads here.
- `cluster_follow`: changes of a region. `cluster_watch`: of many, merged. `cluster_txns`: transactions over several.
- `cluster_map`: what of the cluster stands in chainfire. `cluster_copy`: as this process has it. `cluster_reports`:
  what it writes there. `cluster_upkeep`: what it has and leads. `cluster_aging`: old history, keys that have ended.
- `placer`: who decides on placement. `cluster_steps`: what he decided, carried out. `cluster_merges`: of two, one.
- `cluster_rpc`: what operators ask; `one_node`: where there is no cluster. `cluster_meters`: what they can measure.

Namespaces that are eventual (ADR 0016):

- `eventual`: callers' futures and watchers, and what a driver asks. `eventual_service`: the calls.
- `eventual_driver`: drives a node that is alone. `eventual_alone`: all of it together there.
- `eventual_cluster`: a store of a cluster, where `cluster_node` drives them.
- `eventual_meters`: what an operator can measure.
"""
