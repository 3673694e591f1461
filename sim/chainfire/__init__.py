"""A whole chainfire cluster in one process, from one seed: time, network, disks, crashes and clients are simulated.

Each member is the real `Replica` (Raft, state machine, leases' time) with the real log format; simulated is what the
shell would ask of the machine it runs on. Clients write down what they were told, and `ultracloud.testkit.checks`
judges it.

- `settings`: what one seed decides about a run
- `storage`: a member's disk: records, snapshots, and what a power cut leaves of them
- `member`: a member's process: turns, ticks, requests, crashes, standing still
- `images`: snapshots in memory
- `speech`: what clients say, in the store's words and in those of the checks
- `serving`: what the RPC layer does with a request
- `clients`: who puts, reads and holds leases; `watchers`: who watches
- `faults`: what goes wrong, and when
- `operator`: who lets members join, be promoted and leave, compacts, and makes room
- `world`: all of it together; `judge`: what must be true in the end
"""
