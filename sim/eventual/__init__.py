"""flaredb's eventual namespaces from one seed: stores, clients, followers of changes, faults, and a judge.

- `world`: everything there is; `settings`: what the seed decides beforehand
- `store`: a store's process, driving `flaredb.core.eventual_replica`; its disk is `sim.flaredb.storage`
- `clients`: who writes and reads at any store; `followers`: who watches one, and now and then another
- `faults`: what goes wrong
- `judge`: what must be true in the end
"""
