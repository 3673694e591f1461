"""flaredb's regions from one seed: stores, splits, clients, faults, and a judge.

- `world`: everything there is; `settings`: what the seed decides beforehand
- `store`: a store's process, driving `flaredb.core.region_node`; `storage`: its disk
- `clients`: who asks, by maps that may be old; `faults`: what goes wrong
- `operator`: splits and moves of replicas, whatever else happens
- `placed`: the same with placement, which must bring everything to rest
- `judge`: what must be true in the end
"""
